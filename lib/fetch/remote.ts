/** An IMAP account as a source, over the gated socket. */
import { MailError } from '../sys/error.js'
import { type Fetched, type Flow, Hearing, makeFlow, type Query } from './flow.js'
import { commandTrouble, connectTrouble } from './flow-trouble.js'
import { keywordOf } from './labels.js'
import {
  ascending,
  dateOf,
  listedOf,
  messageQuery,
  modseqOf,
  octetsOf,
  piece,
  pieceSize,
  rangeOf,
} from './rows.js'
import {
  type Headed,
  type Listed,
  largeSize,
  MessageGone,
  type RemoteChanges,
  type RemoteFlags,
  type RemoteFolder,
  type RemoteMessage,
  type RemoteOptions,
  type RemoteStanding,
  type RemoteStatus,
  type Source,
} from './source.js'
import { ConnectionLost, Throttled } from './trouble.js'

/** Connects and logs in. @throws LoginRefused, Throttled, ConnectionLost, or MailError (78) for a certificate */
export async function openRemote(options: RemoteOptions): Promise<Source> {
  const { host } = options
  const hearing = new Hearing(options.witness)
  const flow = makeFlow(options, hearing, () => remote.failed(new Throttled(host, hearing.throttled)))
  const remote = new Remote(flow, options, hearing)
  flow.on('error', error => remote.failed(error))
  try {
    await flow.connect()
  } catch (error) {
    flow.close()
    if (remote.failure instanceof MailError) throw remote.failure
    throw hearing.throttled === '' ? connectTrouble(options, error) : new Throttled(host, hearing.throttled)
  }
  return remote
}

class Remote implements Source {
  readonly hears = true
  readonly #flow: Flow
  readonly #options: RemoteOptions
  readonly #hearing: Hearing
  #failure: unknown
  /** Whether something happened in the open folder since it was opened, or waited in. */
  #isNews = false
  #told: () => void = () => {}

  constructor(flow: Flow, options: RemoteOptions, hearing: Hearing) {
    this.#flow = flow
    this.#options = options
    this.#hearing = hearing
    const news = () => {
      this.#isNews = true
      this.#told()
    }
    flow.on('exists', news).on('close', news)
    if (options.asksGone) flow.on('expunge', news)
    if (options.asksFlags) flow.on('flags', news)
  }

  /** What broke the connection. */
  get failure(): unknown {
    return this.#failure
  }

  failed(error: unknown): void {
    this.#failure ??= error
  }

  async folders(): Promise<RemoteFolder[]> {
    const statusQuery = { messages: true, uidNext: true, uidValidity: true, highestModseq: true }
    const list = await this.#say(() =>
      this.#flow.list(this.#flow.capabilities.has('LIST-STATUS') ? { statusQuery } : {}),
    )
    return list.map(({ path, delimiter, flags, specialUse, specialUseSource, status }) => ({
      path,
      delimiter,
      selectable: ![...flags].some(flag => /^\\(?:noselect|nonexistent)$/i.test(flag)),
      ...(specialUse !== undefined && specialUseSource === 'extension' && { specialUse }),
      ...(status?.uidValidity !== undefined &&
        status.uidNext !== undefined &&
        status.messages !== undefined && {
          status: {
            validity: String(status.uidValidity),
            uidNext: status.uidNext,
            messages: status.messages,
            modseq: modseqOf(status.highestModseq),
          },
        }),
    }))
  }

  async examine(path: string): Promise<RemoteStatus> {
    const { uidValidity, uidNext, exists, highestModseq, noModseq } = await this.#say(() =>
      this.#flow.mailboxOpen(path, { readOnly: true }),
    )
    this.#isNews = false
    return {
      validity: String(uidValidity ?? 0),
      uidNext: uidNext ?? 0,
      messages: exists,
      modseq: noModseq ? undefined : modseqOf(highestModseq),
    }
  }

  async list(from: number): Promise<Listed[]> {
    const rows = await this.#collect(`${from}:*`, { uid: true, size: true }, listedOf)
    return ascending(rows, from)
  }

  async heads(from: number): Promise<Headed[]> {
    const query = { uid: true, size: true, internalDate: true, headers: ['Message-ID', 'Date'] }
    const rows = await this.#collect(`${from}:*`, query, row => ({
      ...listedOf(row),
      head: row.headers ?? Buffer.alloc(0),
      date: dateOf(row.internalDate),
    }))
    return ascending(rows, from)
  }

  async uids(): Promise<number[]> {
    const found = await this.#say(() => this.#flow.search({ all: true }, { uid: true }))
    if (!Array.isArray(found))
      throw new ConnectionLost(`${this.#options.host} does not say which messages there are`)
    return found.sort((a, b) => a - b)
  }

  async fetch(listed: readonly Listed[], take: (message: RemoteMessage) => Promise<void>): Promise<void> {
    const small = listed.filter(({ size }) => size < largeSize)
    if (small.length > 0) {
      const range = rangeOf(small.map(({ uid }) => uid))
      await this.#each(range, messageQuery, undefined, async row => {
        const message = this.#messageOf(row)
        if (message) await take(message)
      })
    }
    for (const { uid, size } of listed)
      if (size >= largeSize) {
        const rows = await this.#collect(`${uid}`, { ...messageQuery, source: piece(0) }, row =>
          this.#messageOf(row),
        )
        const first = rows.find(row => row?.uid === uid)
        if (first) await take({ ...first, rest: () => this.#pieces(uid, size, first.octets.length) })
      }
  }

  /** @returns undefined where a server has no such message any more, and sends an empty one */
  #messageOf(row: Fetched): RemoteMessage | undefined {
    const octets = octetsOf(row)
    if (octets.length === 0) return undefined
    return { uid: row.uid, octets, flags: this.#flagsOf(row), date: dateOf(row.internalDate) }
  }

  /** What follows of a large message. Sizes that servers tell are not always true: it ends where nothing follows. */
  async *#pieces(uid: number, size: number, from: number): AsyncGenerator<Buffer> {
    for (let at = from; ; ) {
      const query: Query = { uid: true, source: piece(at) }
      const rows = await this.#collect(`${uid}`, query, row => ({ uid: row.uid, octets: octetsOf(row) }))
      const row = rows.find(each => each.uid === uid)
      if (!row) throw new MessageGone(`message ${uid} went away`)
      const next = row.octets
      if (next.length > 0) yield next
      at += next.length
      if (next.length === 0 || (next.length < pieceSize && at >= size)) break
    }
  }

  async standing(path: string): Promise<RemoteStanding> {
    const { validity, messages } = await this.examine(path)
    const all = messages > 0 ? (await this.changes(0xffff_ffff)).flags : []
    const lines = all
      .sort((a, b) => a.uid - b.uid)
      .map(({ uid, flags }) => `${uid} ${[...flags].sort().join(' ')}`)
    return { validity, lines }
  }

  async changes(upTo: number, modseq?: string): Promise<RemoteChanges> {
    const flags: RemoteFlags[] = []
    const gone = new Set<number>()
    const since = modseq === undefined ? undefined : BigInt(modseq)
    const query: Query = { uid: true, flags: true, labels: this.#hasKeywords }
    const vanished = ({ uid }: { uid?: number }) => {
      if (uid !== undefined) gone.add(uid)
    }
    this.#flow.on('expunge', vanished)
    try {
      await this.#each(`1:${upTo}`, query, since, async row => {
        if (row.flags) flags.push({ uid: row.uid, flags: this.#flagsOf(row) })
      })
    } finally {
      this.#flow.off('expunge', vanished)
    }
    return { flags, ...(this.tellsGone && since !== undefined && { gone }) }
  }

  /** Flags without \Recent; and labels, where these are to be keywords. */
  #flagsOf({ flags, labels }: Fetched): string[] {
    const own = [...(flags ?? [])].filter(flag => flag.toLowerCase() !== '\\recent')
    if (!this.#hasKeywords || !this.hasLabels) return own
    const keywords = [...(labels ?? [])].flatMap(label => keywordOf(label) ?? [])
    return [...new Set([...own, ...keywords])]
  }

  get #hasKeywords(): boolean {
    return this.#options.labels === 'keywords'
  }

  get tellsGone(): boolean {
    return this.#flow.enabled.has('QRESYNC')
  }

  get hasLabels(): boolean {
    return this.#flow.capabilities.has('X-GM-EXT-1')
  }

  async wait(signal: AbortSignal): Promise<void> {
    const flow = this.#flow
    let stop = () => {}
    const news = new Promise<void>(resolve => {
      this.#told = resolve
      stop = resolve
    })
    signal.addEventListener('abort', stop)
    try {
      // What was told in the middle of another command is not told again.
      if (!signal.aborted && !this.#isNews) {
        const idling = this.#say(() => flow.idle()).catch(error => error as Error)
        await news
        if (flow.usable) await this.#say(() => flow.noop())
        const outcome = await idling
        if (outcome instanceof Error) throw outcome
      }
      this.#isNews = false
    } finally {
      // The signal lasts, and the next wait brings its own.
      signal.removeEventListener('abort', stop)
    }
  }

  async close(): Promise<void> {
    const end = setTimeout(() => this.#flow.close(), 2_000)
    try {
      if (this.#flow.usable) await this.#flow.logout()
    } catch {
      // Nobody waits for an answer to goodbye.
    } finally {
      clearTimeout(end)
      this.#flow.close()
    }
  }

  async #collect<T>(range: string, query: Query, make: (row: Fetched) => T): Promise<T[]> {
    const rows: T[] = []
    await this.#each(range, query, undefined, async row => void rows.push(make(row)))
    return rows
  }

  /** Each answer to a FETCH, once: answers without what was asked for are news of other sessions. */
  async #each(
    range: string,
    query: Query,
    changedSince: bigint | undefined,
    take: (row: Fetched) => Promise<void>,
  ): Promise<void> {
    let failure: unknown
    await this.#say(async () => {
      const options = { uid: true, ...(changedSince !== undefined && { changedSince }) }
      for await (const row of this.#flow.fetch(range, query, options)) {
        if (failure !== undefined) continue
        // What fails on our side is no trouble of the connection.
        await take(row).catch(error => {
          failure = error
        })
        if (failure !== undefined) break
      }
    })
    if (failure !== undefined) throw failure
  }

  /** Runs a command, and says what its failure means. */
  async #say<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (error) {
      if (this.#failure instanceof MailError) throw this.#failure
      throw commandTrouble(this.#options.host, error, this.#hearing.throttled, this.#failure)
    }
  }
}
