/** A POP3 account as a source: one folder, INBOX, without flags. */
import { parseDate } from '../message/date.js'
import { readHeader } from '../message/header.js'
import { exits, MailError } from '../sys/error.js'
import { type PopClient, PopRefusal } from './pop-client.js'
import { openPop } from './pop-login.js'
import { type Numbered, numberMessages, type PopListed, type PopMemory } from './pop-numbers.js'
import type { RemoteOptions } from './source.js'
import {
  type Headed,
  type Listed,
  largeSize,
  type RemoteChanges,
  type RemoteFolder,
  type RemoteMessage,
  type RemoteStanding,
  type RemoteStatus,
  type Source,
} from './source.js'

/** Messages that are asked for before the first of them has come, where the server says that it minds not. */
const ahead = 16
/** How much of a large message is taken at once, in octets. */
const beginning = 1024 * 1024
const inbox = 'INBOX'

/** Connects and logs in. @throws LoginRefused, Throttled, ConnectionLost, MailError (78) */
export async function openPopSource(options: RemoteOptions, memory: PopMemory | undefined): Promise<Source> {
  const { client, can } = await openPop(options)
  try {
    const { validity, messages } = numberMessages(await listing(client, options.host), memory)
    return new PopSource(client, validity, messages, can.has('PIPELINING'))
  } catch (error) {
    client.close()
    throw error
  }
}

/** @throws MailError (78) for a server without unique ids */
async function listing(client: PopClient, host: string): Promise<PopListed[]> {
  try {
    await client.ask('UIDL')
  } catch (error) {
    if (!(error instanceof PopRefusal)) throw error
    throw new MailError(
      `${host} gives its messages no unique ids (UIDL): what was fetched could not be told from what is new`,
      { exit: exits.config },
    )
  }
  const ids = pairs(await client.lines())
  await client.ask('LIST')
  const sizes = pairs(await client.lines())
  return [...ids].map(([place, id]) => ({
    place,
    id,
    size: Number.parseInt(sizes.get(place) ?? '0', 10) || 0,
  }))
}

function pairs(lines: readonly string[]): Map<number, string> {
  return new Map(
    lines.flatMap(line => {
      const [, place, text] = /^(\d+)\s+(.*\S)\s*$/.exec(line) ?? []
      return place === undefined || text === undefined ? [] : [[Number(place), text] as const]
    }),
  )
}

class PopSource implements Source {
  readonly hears = false
  readonly tellsGone = false
  readonly hasLabels = false
  readonly #client: PopClient
  readonly #validity: string
  readonly #messages: readonly Numbered[]
  readonly #pipelining: boolean

  constructor(client: PopClient, validity: string, messages: readonly Numbered[], pipelining: boolean) {
    this.#client = client
    this.#validity = validity
    this.#messages = messages
    this.#pipelining = pipelining
  }

  async folders(): Promise<RemoteFolder[]> {
    return [{ path: inbox, delimiter: '', selectable: true, status: this.#status }]
  }

  get #status(): RemoteStatus {
    const last = this.#messages.at(-1)?.uid ?? 0
    return { validity: this.#validity, uidNext: last + 1, messages: this.#messages.length }
  }

  async examine(): Promise<RemoteStatus> {
    return this.#status
  }

  async list(from: number): Promise<Listed[]> {
    return this.#messages.filter(({ uid }) => uid >= from)
  }

  async heads(from: number): Promise<Headed[]> {
    const heads: Headed[] = []
    for (const message of this.#messages) {
      if (message.uid < from) continue
      const head = await this.#head(message.place)
      if (head) heads.push({ ...message, head, date: arrivalOf(head) })
    }
    return heads
  }

  /** A header; of a server without TOP, which is optional, the whole message. */
  async #head(place: number): Promise<Buffer | undefined> {
    for (const command of [`TOP ${place} 0`, `RETR ${place}`])
      try {
        await this.#client.ask(command)
        const pieces: Buffer[] = []
        let size = 0
        for await (const piece of this.#client.text()) {
          if (size < beginning) pieces.push(piece)
          size += piece.length
        }
        return Buffer.concat(pieces)
      } catch (error) {
        if (!(error instanceof PopRefusal)) throw error
      }
    return undefined
  }

  async uids(): Promise<number[]> {
    return this.#messages.map(({ uid }) => uid)
  }

  async changes(): Promise<RemoteChanges> {
    return { flags: [] }
  }

  async standing(): Promise<RemoteStanding> {
    const inOrder = [...this.#messages].sort((a, b) => a.place - b.place)
    return { validity: '0', lines: inOrder.map(({ id, size }) => `${id} ${size}`) }
  }

  async fetch(listed: readonly Listed[], take: (message: RemoteMessage) => Promise<void>): Promise<void> {
    const wanted = new Set(listed.map(({ uid }) => uid))
    const messages = this.#messages.filter(({ uid }) => wanted.has(uid))
    let asked = 0
    for (const [i, message] of messages.entries()) {
      // Behind a large one nothing is asked for: it may have to be read again.
      const isLarge = (at: number) => (messages[at]?.size ?? 0) >= largeSize
      while (asked < messages.length && asked <= (this.#pipelining ? i + ahead : i)) {
        if (asked > i && (isLarge(asked) || isLarge(asked - 1))) break
        this.#client.say(`RETR ${messages[asked++]?.place}`)
      }
      try {
        await this.#client.answer()
      } catch (error) {
        if (error instanceof PopRefusal) continue
        throw error
      }
      await (isLarge(i) ? this.#takeLarge(message, take) : this.#takeSmall(message, take))
    }
  }

  async #takeSmall({ uid }: Numbered, take: (message: RemoteMessage) => Promise<void>): Promise<void> {
    const pieces: Buffer[] = []
    for await (const piece of this.#client.text()) pieces.push(piece)
    const octets = Buffer.concat(pieces)
    if (octets.length > 0) await take({ uid, octets, flags: [], date: arrivalOf(octets) })
  }

  async #takeLarge({ uid, place }: Numbered, take: (message: RemoteMessage) => Promise<void>): Promise<void> {
    const client = this.#client
    let text = client.text()
    const first: Buffer[] = []
    let size = 0
    while (size < beginning) {
      const { value, done } = await text.next()
      if (done) break
      first.push(value)
      size += value.length
    }
    const octets = Buffer.concat(first)
    let reads = 0
    const rest = async function* () {
      if (reads++ > 0) {
        for await (const _ of text);
        await client.ask(`RETR ${place}`)
        text = client.text()
        for (let skip = size; skip > 0; ) {
          const { value, done } = await text.next()
          if (done) return
          if (value.length > skip) yield value.subarray(skip)
          skip -= value.length
        }
      }
      for (;;) {
        const { value, done } = await text.next()
        if (done) return
        yield value
      }
    }
    try {
      await take({ uid, octets, rest, flags: [], date: arrivalOf(octets) })
    } finally {
      // What was not read stands before the next answer.
      for await (const _ of text);
    }
  }

  async wait(signal: AbortSignal): Promise<void> {
    if (!signal.aborted)
      await new Promise<void>(resolve => signal.addEventListener('abort', () => resolve(), { once: true }))
  }

  async close(): Promise<void> {
    const end = setTimeout(() => this.#client.close(), 2_000)
    try {
      await this.#client.ask('QUIT')
    } catch {
      // Nobody waits for an answer to goodbye.
    } finally {
      clearTimeout(end)
      this.#client.close()
    }
  }
}

/** When a message arrived there: as the topmost Received says, or its Date. */
function arrivalOf(octets: Buffer): number | undefined {
  const header = readHeader(octets)
  const received = header.first('received')
  const at = received?.slice(received.lastIndexOf(';') + 1)
  return (parseDate(at ?? '') ?? parseDate(header.first('date') ?? ''))?.utc
}
