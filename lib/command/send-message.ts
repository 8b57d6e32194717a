/** What mail-send is for: one message from standard input into the queue. */
import { createReadStream, readFileSync } from 'node:fs'
import { hostname as systemHostname, userInfo } from 'node:os'
import { loadConfig } from '../config/load.js'
import { formatAddress, formatMailbox, parseAddress, parseAddressList } from '../message/address.js'
import { encodePhrase } from '../message/encode.js'
import { type Head, HeadReader } from '../message/head.js'
import type { Draft } from '../queue/draft.js'
import { beginDrop, mayEnqueue } from '../queue/drop.js'
import type { Notify, Submission } from '../queue/entry.js'
import { Queue } from '../queue/queue.js'
import { localDate } from '../serve/received.js'
import { exits, MailError, TemporaryError } from '../sys/error.js'
import { MessageLines } from './send-lines.js'

export interface SendCall {
  readonly values: {
    readonly f?: string | undefined
    readonly r?: string | undefined
    readonly F?: string | undefined
    readonly i?: boolean
    readonly t?: boolean
    readonly o: readonly string[]
    readonly N?: string | undefined
    readonly R?: string | undefined
    readonly V?: string | undefined
  }
  readonly operands: readonly string[]
  readonly config: string
}

/** Who sends, and where that is. */
interface Origin {
  readonly user: string
  readonly uid: number
  readonly fullName: string
  readonly hostname: string
  /** Of addresses without one. */
  readonly domain: string
}

/** @returns the exit status @throws MailError (64, 65, 75, 78) */
export async function sendMessage(call: SendCall): Promise<number> {
  const config = await loadConfig(call.config)
  const { values, operands } = call
  const origin = originOf(config.hostname, config.domains[0] as string, values.F)
  const sender = senderOf(values.f ?? values.r, origin)
  const input = new MessageLines(createReadStream('', { fd: 0 }), !values.i && !values.o.includes('i'))
  const head = await readHead(input)
  const recipients = recipientsOf(head, operands, values.t === true, origin)
  const submission: Submission = {
    sender,
    recipients: recipients.map(address => ({ address, ...notifyOf(values.N) })),
    origin: `mail-send uid ${origin.uid}`,
    ...(values.V !== undefined && { envid: printable(values.V) }),
    ...(values.R !== undefined && { ret: retOf(values.R) }),
    ...(isInternational(sender, recipients) && { utf8: true }),
  }
  const draft = await begin(config.queue.directory, submission)
  try {
    const drop = new Set(['bcc', 'resent-bcc', 'return-path', 'content-length'])
    const lines = missingLines(head, draft.id, sender, origin)
    for (const octets of head.rewrite(lines, field => drop.has(field.key))) await draft.write(octets)
    for await (const octets of input) await withinSize(draft, octets, config.smtpd.max_message_size)
    await draft.commit()
  } catch (error) {
    await draft.abort()
    if (error instanceof MailError) throw error
    throw new TemporaryError('the message could not be put into the queue', { cause: error as Error })
  }
  return exits.ok
}

async function withinSize(draft: Draft, octets: Buffer, most: number): Promise<void> {
  await draft.write(octets)
  if (draft.size > most)
    throw new MailError(`the message is larger than ${most} octets (smtpd.max_message_size)`, {
      exit: exits.data,
    })
}

/** Into the queue for who may, into its drop directory for everybody else. */
async function begin(directory: string, submission: Submission): Promise<Draft> {
  if (await mayEnqueue(directory)) return (await Queue.open(directory)).begin(submission)
  return beginDrop(directory, submission)
}

async function readHead(input: MessageLines): Promise<Head> {
  const reader = new HeadReader()
  for (let chunk = await input.next(); chunk; chunk = await input.next()) {
    const head = reader.push(chunk)
    if (head) return head
  }
  return reader.end()
}

function originOf(hostname: string, domain: string, name: string | undefined): Origin {
  const uid = process.getuid?.() ?? 0
  let user = process.env['USER'] ?? `uid${uid}`
  try {
    user = userInfo().username
  } catch {
    // A user without a name, as containers have.
  }
  return {
    user,
    uid,
    fullName: name ?? process.env['NAME'] ?? gecosOf(user),
    hostname: hostname || systemHostname(),
    domain,
  }
}

/** The full name in passwd(5): up to the first comma, `&` being the user's name. */
function gecosOf(user: string): string {
  try {
    const line = readFileSync('/etc/passwd', 'utf8')
      .split('\n')
      .find(each => each.startsWith(`${user}:`))
    const [name = ''] = line?.split(':')[4]?.split(',') ?? []
    return name.replaceAll('&', user.charAt(0).toUpperCase() + user.slice(1))
  } catch {
    return ''
  }
}

/** @throws MailError (64) for what is no address */
function senderOf(text: string | undefined, { user, domain }: Origin): string {
  if (text === undefined) return `${user}@${domain}`
  if (text === '' || text === '<>') return ''
  return complete(text, domain)
}

/** An address as people and programs give it, with its domain. @throws MailError (65) */
function complete(text: string, domain: string): string {
  const address = parseAddress(text.includes('@') ? text : `${text.trim()}@${domain}`) ?? undefined
  const named = address ?? (/^[^\s<>"(),:;@]+$/.test(text) ? parseAddress(`<${text}@${domain}>`) : undefined)
  if (!named) throw new MailError(`${JSON.stringify(text)} is no address`, { exit: exits.data })
  return formatMailbox({ mailbox: named.mailbox, host: named.host || domain })
}

/** Those of the command line, and with -t those of the header; each once. @throws MailError (64) when there are none */
function recipientsOf(
  head: Head,
  operands: readonly string[],
  fromHeader: boolean,
  { domain }: Origin,
): string[] {
  const all = new Set(
    operands
      .flatMap(text => text.split(','))
      .filter(text => text.trim() !== '')
      .map(text => complete(text, domain)),
  )
  if (fromHeader) for (const address of headerRecipients(head, domain)) all.add(address)
  if (all.size > 0) return [...all]
  const advice = fromHeader
    ? 'the message names none in To, Cc or Bcc'
    : 'name them, or take them from the header with -t'
  throw new MailError(`there are no recipients: ${advice}`, { exit: exits.usage })
}

/** RFC 5322 §3.6.6: of a message that was resent, who it was resent to. */
function headerRecipients(head: Head, domain: string): string[] {
  const resent = head.has('resent-to') || head.has('resent-cc') || head.has('resent-bcc')
  const keys = new Set(['to', 'cc', 'bcc'].map(key => (resent ? `resent-${key}` : key)))
  return head.fields
    .filter(field => keys.has(field.key))
    .flatMap(field => parseAddressList(head.header.value(field)))
    .filter(({ mailbox }) => mailbox !== '')
    .map(({ mailbox, host }) => formatMailbox({ mailbox, host: host || domain }))
}

/** What the message lacks (RFC 5322 §3.6), and where it came from. */
function missingLines(head: Head, id: string, sender: string, origin: Origin): string {
  const now = Date.now()
  const { hostname, uid, user, domain, fullName } = origin
  const from = sender === '' ? `${user}@${domain}` : sender
  const at = from.lastIndexOf('@')
  const name = isAscii(fullName) ? fullName : encodePhrase(fullName)
  const address = isAscii(fullName)
    ? formatAddress({ name: name || undefined, mailbox: from.slice(0, at), host: from.slice(at + 1) })
    : `${name} <${from}>`
  return [
    `Received: by ${hostname} (Postern, from userid ${uid}) id ${id};\n\t${localDate(now)}\n`,
    head.has('date') ? '' : `Date: ${localDate(now)}\n`,
    head.has('from') ? '' : `From: ${address}\n`,
    head.has('message-id') ? '' : `Message-ID: <${id}@${hostname}>\n`,
    head.has('to') || head.has('cc') ? '' : 'To: undisclosed-recipients:;\n',
  ].join('')
}

function notifyOf(text: string | undefined): { notify?: readonly Notify[] } {
  if (text === undefined) return {}
  const words = text.toLowerCase().split(',')
  const known = words.every(word => ['never', 'success', 'failure', 'delay'].includes(word))
  if (!known || (words.includes('never') && words.length > 1))
    throw new MailError('-N takes never, or some of success,failure,delay', { exit: exits.usage })
  return { notify: words as Notify[] }
}

function retOf(text: string): 'full' | 'headers' {
  if (/^full$/i.test(text)) return 'full'
  if (/^(hdrs|headers)$/i.test(text)) return 'headers'
  throw new MailError('-R takes full or hdrs', { exit: exits.usage })
}

function printable(text: string): string {
  if (/^[\x20-\x7e]{1,100}$/.test(text)) return text
  throw new MailError('-V takes up to 100 printable characters', { exit: exits.usage })
}

function isInternational(sender: string, recipients: readonly string[]): boolean {
  return [sender, ...recipients].some(address => !isAscii(address))
}

function isAscii(text: string): boolean {
  return /^[\0-\x7f]*$/.test(text)
}
