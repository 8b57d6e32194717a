/** An IMAP account as a source, over the gated socket. */
import { inRanges, largest, parseSet, type Range, resolveSet } from '../imap/set.js'
import { MailError } from '../sys/error.js'
import { Asker } from './asker.js'
import { type Flow, Hearing, makeFlow } from './flow.js'
import { commandTrouble, connectTrouble } from './flow-trouble.js'
import { keywordOf } from './labels.js'
import type { Row } from './row.js'
import { ascending, isListed, isMessage, listedOf, modseqOf, piece, pieceSize, rangeOf } from './rows.js'
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
  const tooLong = () => remote.failed(new Throttled(host, hearing.throttled))
  const { flow, transport } = makeFlow(options, hearing, tooLong)
  const remote = new Remote(flow, new Asker(() => transport.socket), options, hearing)
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
  readonly #asker: Asker
  readonly #options: RemoteOptions
  readonly #hearing: Hearing
  #failure: unknown
  /** Whether something happened in the open folder since it was opened, or waited in. */
  #isNews = false
  #told: () => void = () => {}

  constructor(flow: Flow, asker: Asker, options: RemoteOptions, hearing: Hearing) {
    this.#flow = flow
    this.#asker = asker
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
    const rows: Listed[] = []
    await this.#each(`${from}:*`, ['UID', 'RFC822.SIZE', ...this.#id], isListed, row => {
      rows.push(listedOf(row))
    })
    return ascending(rows, from)
  }

  async heads(from: number): Promise<Headed[]> {
    const rows: Headed[] = []
    const fields = 'BODY.PEEK[HEADER.FIELDS (Message-ID Date)]'
    await this.#each(
      `${from}:*`,
      ['UID', 'INTERNALDATE', 'RFC822.SIZE', fields, ...this.#id],
      isListed,
      row => {
        rows.push({ ...listedOf(row), head: row.head ?? Buffer.alloc(0), date: row.date })
      },
    )
    return ascending(rows, from)
  }

  /** What the provider's own ids of messages are asked for with, where it has some. */
  get #id(): string[] {
    if (this.#flow.capabilities.has('OBJECTID')) return ['EMAILID']
    return this.hasLabels ? ['X-GM-MSGID'] : []
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
      await this.#each(range, [...this.#items, 'BODY.PEEK[]'], isMessage, row => {
        const message = this.#messageOf(row)
        return message && take(message)
      })
    }
    for (const { uid, size } of listed)
      if (size >= largeSize) {
        let first: RemoteMessage | undefined
        await this.#each(`${uid}`, [...this.#items, piece(0)], isMessage, row => {
          if (row.uid === uid) first = this.#messageOf(row)
        })
        const { length = 0 } = first?.octets ?? {}
        if (first) await take({ ...first, rest: () => this.#pieces(uid, size, length) })
      }
  }

  get #items(): string[] {
    const labels = this.#hasKeywords && this.hasLabels ? ['X-GM-LABELS'] : []
    return ['UID', 'FLAGS', 'INTERNALDATE', ...labels]
  }

  /** @returns undefined where a server has no such message any more, and sends an empty one */
  #messageOf(row: Row): RemoteMessage | undefined {
    const { uid = 0, octets, date } = row
    if (!octets || octets.length === 0) return undefined
    return { uid, octets, flags: this.#flagsOf(row), date }
  }

  /** What follows of a large message. Sizes that servers tell are not always true: it ends where nothing follows. */
  async *#pieces(uid: number, size: number, from: number): AsyncGenerator<Buffer> {
    for (let at = from; ; ) {
      let next: Buffer | undefined
      await this.#each(`${uid}`, ['UID', piece(at)], isMessage, row => {
        if (row.uid === uid) next = row.octets
      })
      if (!next) throw new MessageGone(`message ${uid} went away`)
      const { length } = next
      if (length > 0) yield next
      at += length
      if (length === 0 || (length < pieceSize && at >= size)) break
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
    const gone: Range[] = []
    const since = this.#flow.enabled.has('CONDSTORE') ? modseq : undefined
    const items = this.#items.filter(name => name !== 'INTERNALDATE')
    const vanished = this.tellsGone ? ' VANISHED' : ''
    await this.#each(
      `1:${upTo}`,
      items,
      ({ uid, flags }) => uid !== undefined && flags !== undefined,
      row => {
        flags.push({ uid: row.uid ?? 0, flags: this.#flagsOf(row) })
      },
      since === undefined ? '' : ` (CHANGEDSINCE ${since}${vanished})`,
      line => {
        const [, set = ''] = /^\* VANISHED (?:\(EARLIER\) )?(\S+)/i.exec(line) ?? []
        gone.push(...(parseSet(set) ?? []))
      },
    )
    if (!this.tellsGone || since === undefined) return { flags }
    const ranges = resolveSet(gone, largest)
    return { flags, gone: { has: uid => inRanges(ranges, uid) } }
  }

  /** Flags without \Recent; and labels, where these are to be keywords. */
  #flagsOf({ flags = [], labels = [] }: Row): string[] {
    const own = [...new Set(flags.filter(flag => flag.toLowerCase() !== '\\recent'))]
    if (!this.#hasKeywords || !this.hasLabels) return own
    const keywords = labels.flatMap(label => keywordOf(label) ?? [])
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

  /** Each answer to a FETCH of messages by UID. What `take` throws is no trouble of the connection. */
  async #each(
    range: string,
    items: readonly string[],
    isAnswer: (row: Row) => boolean,
    take: (row: Row) => Promise<void> | void | undefined,
    modifiers = '',
    line: (text: string) => void = () => {},
  ): Promise<void> {
    let failure: unknown
    const command = `UID FETCH ${range} (${items.join(' ')})${modifiers}`
    const noting = (error: unknown) => {
      failure = error
      throw error
    }
    await this.#say(() =>
      this.#asker.ask({ command, isAnswer, take: row => take(row)?.catch(noting), line }),
    ).catch(error => {
      throw failure ?? error
    })
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
