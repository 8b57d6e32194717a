/** An IMAP account as a source, over the gated socket: the only file that knows imapflow. */
import type { SecureContext } from 'node:tls'
import { ImapFlow } from 'imapflow'
import { MailError } from '../sys/error.js'
import { keywordOf } from './labels.js'
import {
  type Headed,
  type Listed,
  largeSize,
  MessageGone,
  type RemoteChanges,
  type RemoteFlags,
  type RemoteFolder,
  type RemoteMessage,
  type RemoteStanding,
  type RemoteStatus,
  type Source,
} from './source.js'
import { gatedTransport, type Witness } from './transport.js'
import { ConnectionLost, connectionTrouble, isThrottling, loginTrouble, Throttled } from './trouble.js'

export interface RemoteOptions {
  readonly host: string
  readonly port: number
  readonly tls: 'implicit' | 'required' | 'offered' | 'off'
  readonly trust: SecureContext
  readonly user: string
  /** A password, or an access token (OAUTHBEARER, XOAUTH2). */
  readonly secret: { readonly password: string } | { readonly token: string }
  readonly witness?: Witness | undefined
  /** Whether Gmail's labels come as keywords. */
  readonly labels?: 'links' | 'keywords'
  /** Whether it will be asked what is gone, and what flags changed. */
  readonly asksGone?: boolean
  readonly asksFlags?: boolean
  /** Longest silence of the server in milliseconds. */
  readonly timeout?: number
}

type Flow = InstanceType<typeof ImapFlow>
type Query = Parameters<Flow['fetch']>[1]
type Row = Awaited<ReturnType<Flow['fetchOne']>>
type Fetched = Exclude<Row, false | undefined>

/**
 * Capabilities that we do not want to be known: the gate lets no literal out that the server did not ask for, knows
 * no XLIST, and cannot read what is compressed; with UTF8=ACCEPT servers may send messages in another form.
 */
const unwanted = ['LITERAL+', 'LITERAL-', 'XLIST', 'COMPRESS=DEFLATE', 'UTF8=ACCEPT', 'BINARY', 'IMAP4REV2']

const empty = Buffer.alloc(0)
/** What a large message comes in, in octets: as much as is in memory of it. */
const pieceSize = 2 * 1024 * 1024

/** Connects and logs in. @throws LoginRefused, Throttled, ConnectionLost, or MailError (78) for a certificate */
export async function openRemote(options: RemoteOptions): Promise<Source> {
  const { host, port, user, secret, tls, timeout = 120_000 } = options
  const hearing = new Hearing(options.witness)
  const flow = new ImapFlow({
    host,
    port,
    secure: tls === 'implicit',
    ...(tls === 'required' ? { doSTARTTLS: true } : tls === 'off' ? { doSTARTTLS: false } : {}),
    auth: 'token' in secret ? { user, accessToken: secret.token } : { user, pass: secret.password },
    transport: gatedTransport({ host, port, trust: options.trust, witness: hearing }),
    logger: false,
    clientInfo: { name: 'Postern', version: '', vendor: '', 'support-url': '' },
    qresync: options.asksGone === true,
    disableCompression: true,
    disableAutoIdle: true,
    // Providers end IDLE after ten minutes, and routers forget connections sooner than that.
    maxIdleTime: 540_000,
    disableIMAP4rev2: true,
    disableBinary: true,
    connectionTimeout: 30_000,
    greetingTimeout: 30_000,
    socketTimeout: timeout,
    maxLiteralSize: 512 * 1024 * 1024,
  })
  hideCapabilities(flow)
  const remote = new Remote(flow, options, hearing)
  flow.on('error', error => remote.failed(error))
  waitBriefly(flow, () => remote.failed(new Throttled(host, hearing.throttled)))
  try {
    await flow.connect()
  } catch (error) {
    flow.close()
    if (remote.failure instanceof MailError) throw remote.failure
    throw hearing.throttled === '' ? connectTrouble(options, error) : new Throttled(host, hearing.throttled)
  }
  return remote
}

/** The library keeps what the server can in a map that it makes anew several times: each goes through here. */
function hideCapabilities(flow: Flow): void {
  let known = new Map<string, boolean | number>()
  Object.defineProperty(flow, 'capabilities', {
    get: () => known,
    set: (map: Map<string, boolean | number>) => {
      for (const name of map.keys()) if (unwanted.includes(name.toUpperCase())) map.delete(name)
      known = map
    },
  })
}

/** Longest pause that a provider may ask for in the middle of a run, in milliseconds. */
const briefly = 30_000

/** Keeps what a server said of wanting less of us, response code and all: the library passes on less than that. */
class Hearing implements Witness {
  readonly #witness: Witness | undefined
  throttled = ''

  constructor(witness: Witness | undefined) {
    this.#witness = witness
  }

  sent(octets: Buffer): void {
    this.#witness?.sent(octets)
  }

  answered(line: string): void {
    const [, said] = /^(?:[A-Z0-9]+ (?:NO|BAD)|\* BYE) (.*)$/i.exec(line) ?? []
    if (said !== undefined) this.throttled = isThrottling(said) ? said : ''
    this.#witness?.answered(line)
  }
}

/** The library waits for minutes, again and again, when it is asked to; whoever waits that long had better go. */
function waitBriefly(flow: Flow, tooLong: () => void): void {
  const { throttleWait } = flow as unknown as { throttleWait(wait: number): Promise<boolean> }
  Object.defineProperty(flow, 'throttleWait', {
    value: async (wait: number): Promise<boolean> => {
      if (wait <= briefly) return throttleWait.call(flow, wait)
      tooLong()
      setImmediate(() => flow.close())
      return true
    },
  })
}

interface LibraryError {
  readonly authenticationFailed?: boolean
  readonly responseText?: string
  readonly responseStatus?: string
  readonly response?: unknown
  readonly message?: string
}

/** What the server said, where it said something. */
function saidOf(error: unknown): string {
  const { responseText, response, message } = error as LibraryError
  if (typeof responseText === 'string' && responseText !== '') return responseText
  return typeof response === 'string' && response !== '' ? response : (message ?? String(error))
}

function connectTrouble({ host, user }: RemoteOptions, error: unknown): Error {
  if (error instanceof MailError) return error
  if ((error as LibraryError).authenticationFailed) return loginTrouble(host, user, saidOf(error))
  return connectionTrouble(host, error)
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
    const news = new Promise<void>(resolve => {
      this.#told = resolve
      signal.addEventListener('abort', () => resolve(), { once: true })
    })
    // What was told in the middle of another command is not told again.
    if (!signal.aborted && !this.#isNews) {
      const idling = this.#say(() => flow.idle()).catch(error => error as Error)
      await news
      if (flow.usable) await this.#say(() => flow.noop())
      const outcome = await idling
      if (outcome instanceof Error) throw outcome
    }
    this.#isNews = false
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
    const { host } = this.#options
    try {
      return await work()
    } catch (error) {
      const said = saidOf(error)
      if (this.#failure instanceof MailError) throw this.#failure
      const { throttled } = this.#hearing
      if (throttled !== '' || isThrottling(said)) throw new Throttled(host, throttled || said)
      const { responseStatus } = error as LibraryError
      if (responseStatus === 'NO' || responseStatus === 'BAD') throw new RemoteRefusal(host, said)
      throw connectionTrouble(host, this.#failure ?? error)
    }
  }
}

/** What is asked of each message. */
const messageQuery: Query = { uid: true, flags: true, internalDate: true, source: true, labels: true }

/** What a FETCH brought of a message: a short one may stand in quotes, and none be NIL, whatever the library's types say. */
function octetsOf({ source }: { readonly source?: unknown }): Buffer {
  if (Buffer.isBuffer(source)) return source
  return typeof source === 'string' ? Buffer.from(source, 'latin1') : empty
}

function piece(start: number): { start: number; maxLength: number } {
  return { start, maxLength: pieceSize }
}

/** The server said NO to something we asked; the connection goes on. */
export class RemoteRefusal extends MailError {
  override readonly name = 'RemoteRefusal'

  constructor(host: string, said: string) {
    super(`${host} says: ${said}`, { exit: 75 })
  }
}

function modseqOf(modseq: bigint | undefined): string | undefined {
  return modseq === undefined || modseq === 0n ? undefined : String(modseq)
}

function listedOf({ uid, size, emailId }: Fetched): Listed {
  return { uid, size: size ?? 0, ...(emailId !== undefined && { id: emailId }) }
}

/** `n:*` brings the last message also when it is below n (RFC 3501 §6.4.8). */
function ascending<T extends Listed>(rows: T[], from: number): T[] {
  const byUid = new Map(rows.filter(({ uid }) => uid >= from).map(row => [row.uid, row]))
  return [...byUid.values()].sort((a, b) => a.uid - b.uid)
}

function dateOf(date: Date | string | undefined): number | undefined {
  const time = date instanceof Date ? date.getTime() : Date.parse(date ?? '')
  // NIL comes as 1970 from the library.
  return time > 0 ? time : undefined
}

/** `1:5,7` */
export function rangeOf(uids: readonly number[]): string {
  const parts: string[] = []
  for (let i = 0; i < uids.length; ) {
    let end = i
    while (end + 1 < uids.length && uids[end + 1] === (uids[end] as number) + 1) end++
    parts.push(end === i ? `${uids[i]}` : `${uids[i]}:${uids[end]}`)
    i = end + 1
  }
  return parts.join(',')
}
