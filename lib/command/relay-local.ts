/** Local delivery for the relay: lib/deliver through the aliases, and on to other domains where those lead there. */
import { createReadStream } from 'node:fs'
import type { Aliases, Local } from '../auth/aliases.js'
import { LocalDelivery, recipientOf } from '../deliver/deliver.js'
import { type Head, HeadReader } from '../message/head.js'
import type { Draft } from '../queue/draft.js'
import type { Queue } from '../queue/queue.js'
import type { DeliverLocally, LocalFate, LocalMessage } from '../relay/local.js'
import { SmtpError } from '../smtp/reply.js'
import { describe } from '../sys/error.js'
import type { Log } from '../sys/log.js'
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
  readonly users: readonly Local[]
  readonly remote: readonly string[]
}

export function localDelivery(parts: Pick<Parts, 'aliases'>, queue: Queue, log: Log): DeliverLocally {
  return async message => {
    const fates = new Map<string, LocalFate>()
    const open: string[] = []
    for (const address of message.recipients) {
      const fate = fateBeforehand(address, parts.aliases)
      if (fate) fates.set(address, fate)
      else open.push(address)
    }
    // Together they are one file; apart only when it has to be known who is in the way.
    const together = await deliver(message, open, parts.aliases, queue, log)
    for (const address of open) {
      const apart = together.state !== 'delivered' && open.length > 1
      fates.set(address, apart ? await deliver(message, [address], parts.aliases, queue, log) : together)
    }
    return fates
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

async function deliver(
  message: LocalMessage,
  addresses: readonly string[],
  aliases: Aliases,
  queue: Queue,
  log: Log,
): Promise<LocalFate> {
  if (addresses.length === 0) return delivered
  const destinations = everyone(addresses, aliases)
  const { users, remote } = destinations
  try {
    const forward = await prepareForward(message, remote, queue)
    try {
      if (users.length > 0) await intoMailboxes(message, users)
      await forward?.commit()
    } catch (error) {
      await forward?.abort()
      throw error
    }
  } catch (error) {
    return fateOf(error)
  }
  for (const { user } of users) log.info('delivered', { id: message.id, mailbox: user.name })
  if (remote.length > 0) log.info('forwarded', { id: message.id, to: remote.join(',') })
  return delivered
}

function everyone(addresses: readonly string[], aliases: Aliases): Destinations {
  const users = new Map<string, Local>()
  const remote = new Set<string>()
  for (const address of addresses) {
    const expansion = aliases.expand(address)
    for (const local of expansion.users) if (!users.has(local.user.name)) users.set(local.user.name, local)
    for (const each of expansion.remote) remote.add(each)
  }
  return { users: [...users.values()], remote: [...remote] }
}

async function intoMailboxes(message: LocalMessage, users: readonly Local[]): Promise<void> {
  const { sender, path } = message
  const recipients = users.map(({ user, detail }) => recipientOf(user, detail))
  const chunks = createReadStream(path)[Symbol.asyncIterator]() as AsyncIterator<Buffer>
  const head = await readHead(chunks)
  const delivery = await LocalDelivery.begin({ sender, recipients, alone: recipients.length === 1 }, head)
  try {
    for (const octets of head.rewrite('', field => field.key === 'return-path')) await delivery.write(octets)
    for (let next = await chunks.next(); !next.done; next = await chunks.next())
      await delivery.write(next.value)
    await delivery.commit()
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
