/** Local delivery for the relay: lib/deliver through the aliases, and on to other domains where those lead there. */
import { createReadStream } from 'node:fs'
import type { Aliases } from '../auth/aliases.js'
import type { Config } from '../config/load.js'
import {
  LocalDelivery,
  type LocalRecipient,
  type Outcome,
  type Placement,
  recipientOf,
} from '../deliver/deliver.js'
import type { Rules } from '../deliver/rules.js'
import { type Head, HeadReader } from '../message/head.js'
import type { Draft } from '../queue/draft.js'
import type { Queue } from '../queue/queue.js'
import type { DeliverLocally, LocalFate, LocalMessage } from '../relay/local.js'
import { SmtpError } from '../smtp/reply.js'
import { describe } from '../sys/error.js'
import type { Log } from '../sys/log.js'
import { deliveryRules } from './filtered-rules.js'
import type { Parts } from './parts.js'

const delivered: LocalFate = {
  state: 'delivered',
  code: 250,
  status: '2.0.0',
  text: 'delivered to the mailbox',
}
const discarded: LocalFate = {
  state: 'delivered',
  code: 250,
  status: '2.0.0',
  text: 'an alias throws it away',
}

/** Where the addresses of one message lead. */
interface Destinations {
  readonly users: readonly LocalRecipient[]
  readonly remote: readonly string[]
}

export function localDelivery(
  parts: Pick<Parts, 'aliases' | 'config'>,
  queue: Queue,
  log: Log,
): DeliverLocally {
  const rulesNow = rulesOf(parts, log)
  return async message => {
    const place = rulesNow().place
    const { aliases } = parts
    const work = (addresses: readonly string[]) => deliver(message, addresses, { aliases, place, queue, log })
    const fates = new Map<string, LocalFate>()
    const open: string[] = []
    for (const address of message.recipients) {
      const fate = fateBeforehand(address, parts.aliases)
      if (fate) fates.set(address, fate)
      else open.push(address)
    }
    // Together they are one file; apart only when it has to be known who is in the way.
    const together = await work(open)
    const apart = together instanceof Map ? [] : open
    if (together instanceof Map) for (const [address, fate] of together) fates.set(address, fate)
    for (const address of apart) {
      const alone = open.length > 1 ? await work([address]) : together
      fates.set(address, alone instanceof Map ? (alone.get(address) ?? delivered) : alone)
    }
    return fates
  }
}

/** The rules of the configuration as it is now. */
function rulesOf(parts: Pick<Parts, 'config'>, log: Log): () => Rules {
  let known: { readonly config: Config; readonly rules: Rules } | undefined
  return () => {
    const { config } = parts
    if (known?.config !== config) known = { config, rules: deliveryRules(config, log) }
    return known.rules
  }
}

/** The fate of an address that leads nowhere; undefined for one that leads somewhere. */
function fateBeforehand(address: string, aliases: Aliases): LocalFate | undefined {
  const { users, remote, loop, discard } = aliases.expand(address)
  if (loop) return failed('5.4.6', `the aliases of <${address}> go in circles: ${loop.join(', ')}`)
  if (users.length > 0 || remote.length > 0) return undefined
  return discard ? discarded : failed('5.1.1', `there is no mailbox <${address}> here`)
}

function failed(status: string, text: string): LocalFate {
  return { state: 'failed', code: 550, status, text }
}

/** What delivering stands on. */
interface Means {
  readonly aliases: Aliases
  readonly place: Placement
  readonly queue: Queue
  readonly log: Log
}

/** @returns the fate of each address, or one of all where nobody got it */
async function deliver(
  message: LocalMessage,
  addresses: readonly string[],
  { aliases, place, queue, log }: Means,
): Promise<Map<string, LocalFate> | LocalFate> {
  const fates = new Map<string, LocalFate>(addresses.map(address => [address, delivered]))
  if (addresses.length === 0) return fates
  const { users, remote } = everyone(addresses, aliases)
  try {
    const forward = await prepareForward(message, remote, queue)
    try {
      if (users.length > 0) {
        const { done, refused } = await intoMailboxes(message, users, place)
        for (const [{ name }, steps] of done)
          log.info('delivered', { message: message.id, mailbox: name, done: steps.join('; ') })
        for (const [{ address = '' }, error] of refused) fates.set(address, fateOf(error))
      }
      await forward?.commit()
    } catch (error) {
      await forward?.abort()
      throw error
    }
  } catch (error) {
    return fateOf(error)
  }
  if (remote.length > 0) log.info('forwarded', { message: message.id, to: remote.join(',') })
  return fates
}

/** Users are refused alone where one address leads to them and to nobody else. */
function everyone(addresses: readonly string[], aliases: Aliases): Destinations {
  const users = new Map<string, LocalRecipient>()
  const remote = new Set<string>()
  for (const address of addresses) {
    const expansion = aliases.expand(address)
    const alone = expansion.users.length === 1 && expansion.remote.length === 0
    for (const { user, detail } of expansion.users) {
      const known = users.get(user.name)
      const recipient = known ?? { ...recipientOf(user, detail), address }
      users.set(user.name, { ...recipient, refusable: alone && !known })
    }
    for (const each of expansion.remote) remote.add(each)
  }
  return { users: [...users.values()], remote: [...remote] }
}

async function intoMailboxes(
  { sender, path }: LocalMessage,
  recipients: readonly LocalRecipient[],
  place: Placement,
): Promise<Outcome> {
  const chunks = createReadStream(path)[Symbol.asyncIterator]() as AsyncIterator<Buffer>
  const head = await readHead(chunks)
  const envelope = { sender, recipients, alone: recipients.length === 1 }
  const delivery = await LocalDelivery.begin(envelope, head, place)
  try {
    for (const octets of head.rewrite('', field => field.key === 'return-path')) await delivery.write(octets)
    for (let next = await chunks.next(); !next.done; next = await chunks.next())
      await delivery.write(next.value)
    return await delivery.commit()
  } catch (error) {
    await delivery.abort()
    throw error
  }
}

async function readHead(chunks: AsyncIterator<Buffer>): Promise<Head> {
  const reader = new HeadReader()
  for (let next = await chunks.next(); !next.done; next = await chunks.next()) {
    const head = reader.push(next.value)
    if (head) return head
  }
  return reader.end()
}

/** Writes the entry for addresses elsewhere, all but its commit. Its name keeps a repeated attempt from doubling it. */
async function prepareForward(
  { id, sender, path }: LocalMessage,
  remote: readonly string[],
  queue: Queue,
): Promise<Draft | undefined> {
  if (remote.length === 0) return undefined
  const recipients = remote.map(address => ({ address }))
  const draft = await queue.beginOnce({ sender, recipients, origin: 'mail-relay' }, `${id}-fwd`)
  if (!draft) return undefined
  try {
    for await (const chunk of createReadStream(path)) await draft.write(chunk as Buffer)
  } catch (error) {
    await draft.abort()
    throw error
  }
  return draft
}

function fateOf(error: unknown): LocalFate {
  if (!(error instanceof SmtpError))
    return { state: 'waiting', code: 451, status: '4.3.0', text: describe(error) }
  const { code, status, message: text } = error
  return { state: error.temporary ? 'waiting' : 'failed', code, status, text }
}
