/**
 * A transcript of what a run sent to a provider, and how the provider's folders stood before and after it: made to be
 * read by whoever does not believe us. One line each:
 *
 *     # words                                     for people
 *     account NAME
 *     protocol imap|pop3                          what the lines below are commands of
 *     > line                                      sent, as it was; passwords and tokens are ***
 *     < line                                      the server's answer to a command (tagged lines only; +OK and -ERR in POP3)
 *     before|after "FOLDER" VALIDITY MESSAGES HASH    HASH is SHA-256 over a line "UID flags" for each message, flags
 *                                                 sorted; in POP3 over "UNIQUE-ID SIZE", and VALIDITY is 0
 *     end                                         the run came to its end
 *
 * Octets beyond ASCII, and control characters, are written as \xHH.
 */
import { createHash } from 'node:crypto'
import { closeSync, openSync } from 'node:fs'
import { writeAllSync } from '../sys/atomic.js'
import { GateError, judge } from './gate.js'
import { judgePop } from './pop-gate.js'
import type { RemoteStanding } from './source.js'
import type { Witness } from './transport.js'

/** How a folder stood. */
export interface Standing {
  readonly folder: string
  readonly validity: string
  readonly messages: number
  readonly hash: string
}

/** Makes a folder's standing of what the server says of it. */
export function standingOf(folder: string, { validity, lines }: RemoteStanding): Standing {
  const hash = createHash('sha256')
  for (const line of lines) hash.update(`${line}\n`)
  return { folder, validity, messages: lines.length, hash: hash.digest('hex') }
}

/** Writes the transcript of one account's run. */
export class Proof {
  readonly #fd: number

  /** @param path a file that must not be there yet */
  constructor(path: string) {
    this.#fd = openSync(path, 'wx', 0o600)
    this.#write('# mail-fetch proof 1: read it with `mail-fetch audit FILE`')
  }

  begin(account: string, protocol: 'imap' | 'pop3' = 'imap'): void {
    this.#write(`account ${account}`)
    this.#write(`protocol ${protocol}`)
  }

  /** A witness for one connection. */
  connection(protocol: 'imap' | 'pop3' = 'imap'): Witness {
    const write = (line: string) => this.#write(line)
    return protocol === 'imap' ? new Transcriber(write) : new PopTranscriber(write)
  }

  standing(when: 'before' | 'after', { folder, validity, messages, hash }: Standing): void {
    this.#write(`${when} ${JSON.stringify(folder)} ${validity} ${messages} ${hash}`)
  }

  end(): void {
    this.#write('end')
    closeSync(this.#fd)
  }

  #write(line: string): void {
    writeAllSync(this.#fd, Buffer.from(`${line}\n`))
  }
}

const loginLine = /^(\S+ LOGIN) /i
const saslLine = /^(\S+) (AUTHENTICATE \S+)( .*)?$/i

/** Turns octets into lines, without what is secret. */
class Transcriber implements Witness {
  readonly #write: (line: string) => void
  #pending = ''
  /** The tag of a login whose further lines are secret. */
  #sasl = ''
  #secret = false

  constructor(write: (line: string) => void) {
    this.#write = write
  }

  sent(octets: Buffer): void {
    const lines = (this.#pending + octets.toString('latin1')).split('\r\n')
    this.#pending = lines.pop() ?? ''
    for (const line of lines) this.#write(`> ${printable(this.#hide(line))}`)
  }

  #hide(line: string): string {
    const continues = /\{\d+\}$/.exec(line)?.[0]
    if (this.#secret) {
      this.#secret = continues !== undefined
      return '***'
    }
    if (this.#sasl !== '') return '***'
    const [, login] = loginLine.exec(line) ?? []
    if (login !== undefined) {
      this.#secret = continues !== undefined
      return `${login} ***`
    }
    const [, tag = '', sasl, initial] = saslLine.exec(line) ?? []
    if (sasl === undefined) return line
    this.#sasl = tag
    return `${tag} ${sasl}${initial === undefined ? '' : ' ***'}`
  }

  answered(line: string): void {
    if (line.startsWith('*') || line.startsWith('+')) return
    if (this.#sasl !== '' && line.startsWith(`${this.#sasl} `)) this.#sasl = ''
    this.#write(`< ${printable(line)}`)
  }
}

function printable(text: string): string {
  return text.replace(
    /[^\x20-\x7e]/g,
    character => `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`,
  )
}

/** The same for POP3. */
class PopTranscriber implements Witness {
  readonly #write: (line: string) => void
  #pending = ''
  #sasl = false

  constructor(write: (line: string) => void) {
    this.#write = write
  }

  sent(octets: Buffer): void {
    const lines = (this.#pending + octets.toString('latin1')).split('\r\n')
    this.#pending = lines.pop() ?? ''
    for (const line of lines) {
      const [, command] = /^(PASS|AUTH \S+) /i.exec(line) ?? []
      const shown = this.#sasl ? '***' : command === undefined ? line : `${command} ***`
      this.#write(`> ${printable(shown)}`)
      if (/^AUTH /i.test(line)) this.#sasl = true
    }
  }

  answered(line: string): void {
    if (!/^(?:\+OK|-ERR)/i.test(line)) return
    this.#sasl = false
    this.#write(`< ${printable(line)}`)
  }
}

/** What an audit of a transcript finds. */
export interface Audit {
  readonly accounts: readonly string[]
  /** How often each command was sent. */
  readonly commands: ReadonlyMap<string, number>
  /** Lines that are no command that only reads. */
  readonly wrong: readonly string[]
  /** Folders that stood the same before and after; and those that did not. */
  readonly same: readonly Standing[]
  readonly changed: readonly { readonly before: Standing; readonly after: Standing | undefined }[]
  /** Whether the transcript is whole. */
  readonly complete: boolean
}

/** Reads a transcript and judges every line in it anew. */
export function audit(text: string): Audit {
  const commands = new Map<string, number>()
  const wrong: string[] = []
  const accounts: string[] = []
  const before = new Map<string, Standing>()
  const after = new Map<string, Standing>()
  let complete = false
  let account = ''
  let begun = false
  let isPop = false
  for (const line of text.split('\n')) {
    if (line.startsWith('account ')) {
      account = line.slice(8)
      accounts.push(account)
      isPop = false
    } else if (/^protocol (?:imap|pop3)$/.test(line)) isPop = line.endsWith('pop3')
    else if (line === 'end') complete = true
    else if (line.startsWith('> ') && isPop) readPopSent(line.slice(2), commands, wrong)
    else if (line.startsWith('> ')) begun = readSent(line.slice(2), begun, commands, wrong)
    else if (/^(?:before|after) /.test(line)) {
      const standing = readStanding(line)
      if (!standing) wrong.push(line)
      else (line.startsWith('before') ? before : after).set(`${account}\n${standing.folder}`, standing)
    } else if (line !== '' && !line.startsWith('<') && !line.startsWith('#')) wrong.push(line)
  }
  const changed = []
  const same = []
  for (const [key, standing] of before) {
    const now = after.get(key)
    if (now && now.hash === standing.hash && now.validity === standing.validity) same.push(standing)
    else changed.push({ before: standing, after: now })
  }
  return { accounts, commands, wrong, same, changed, complete }
}

/** @returns whether the next line is the rest of this command */
function readSent(line: string, begun: boolean, commands: Map<string, number>, wrong: string[]): boolean {
  if (line !== '***' && !begun && !/^DONE$/i.test(line)) {
    try {
      const verb = judge(line.replace(/ \*\*\*$/, ' x'))
      const name = verb === 'FETCH' && /BODY\.PEEK\[\]/i.test(line) ? 'FETCH of whole messages' : verb
      commands.set(name, (commands.get(name) ?? 0) + 1)
    } catch (error) {
      if (!(error instanceof GateError)) throw error
      wrong.push(line)
    }
  }
  return /\{\d+\}$/.test(line)
}

function readPopSent(line: string, commands: Map<string, number>, wrong: string[]): void {
  if (line === '***') return
  try {
    const verb = judgePop(line)
    commands.set(verb, (commands.get(verb) ?? 0) + 1)
  } catch (error) {
    if (!(error instanceof GateError)) throw error
    wrong.push(line)
  }
}

function readStanding(line: string): Standing | undefined {
  const [, name = '', validity = '', messages = '', hash = ''] =
    /^\w+ ("(?:[^"\\]|\\.)*") (\d+) (\d+) ([0-9a-f]{64})$/.exec(line) ?? []
  return name === ''
    ? undefined
    : { folder: JSON.parse(name) as string, validity, messages: Number(messages), hash }
}
