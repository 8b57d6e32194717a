/**
 * Plays a dialogue from a file against a server on a real socket.
 *
 *     # words             a comment; the last one before a failure is named in it
 *     C: words            send the line, CRLF added
 *     R: words\r\n        send exactly this; \r \n \t \0 \\ \xHH are octets
 *     S: words            the next line must be this; `*` stands for anything, `$name` takes one word and keeps it
 *     ...                 skip lines until the next S: fits
 *     C2: S2: R2: ...2    the same on a second connection, which is opened when first named
 *     @ action words      `@ close`, `@ close 2`, `@ starttls`, `@ eof` (the server has closed), `@ silence`
 *                         (nothing more comes within 50 ms), or an action of the test
 *     = check words       a check of the test: of the disk, say
 *
 * In C: and R:, $name stands for what was kept, and everywhere {base64 …} for the base64 of the octets between.
 * At the end no line may be left unread.
 */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import { connect as connectTls } from 'node:tls'

export type Action = (...words: string[]) => Promise<void> | void

export interface Stage {
  readonly port: number
  /** For `@ starttls`; the tests' own certificate is not verified unless given. */
  readonly ca?: string
  readonly actions?: Readonly<Record<string, Action>>
  readonly checks?: Readonly<Record<string, Action>>
  /** Values that $name stands for from the beginning. */
  readonly values?: Readonly<Record<string, string>>
  close(): Promise<void> | void
}

/** Longest wait for a line, in milliseconds: long enough for a busy machine, short enough to name the culprit. */
const patience = 10_000

/** Makes one test of each transcript in a folder of fixtures/; each gets a stage of its own. */
export function playFolder(folder: string, set: (file: string) => Promise<Stage>): void {
  for (const name of readdirSync(folder).sort()) {
    if (!name.endsWith('.txt')) continue
    const path = join(folder, name)
    test(path, async () => {
      const stage = await set(path)
      try {
        await play(readFileSync(path, 'utf8'), stage)
      } finally {
        await stage.close()
      }
    })
  }
}

/** Plays one transcript. @throws AssertionError that names the line and the phase */
export async function play(text: string, stage: Stage): Promise<void> {
  const peers = new Map<string, Peer>()
  const kept = new Map<string, string>(Object.entries(stage.values ?? {}))
  let phase = ''
  let number = 0
  try {
    for (const line of text.split('\n')) {
      number++
      if (line.startsWith('#')) phase = line.slice(1).trim()
      else if (line.trim() !== '') await step(line, stage, peers, kept)
    }
    for (const peer of peers.values()) peer.expectNothingLeft()
  } catch (error) {
    if (error instanceof Error) error.message = `line ${number} (${phase}): ${error.message}`
    throw error
  } finally {
    for (const peer of peers.values()) peer.close()
  }
}

async function step(
  line: string,
  stage: Stage,
  peers: Map<string, Peer>,
  kept: Map<string, string>,
): Promise<void> {
  const peer = async (which: string): Promise<Peer> => {
    const known = peers.get(which) ?? (await Peer.connect(stage.port))
    peers.set(which, known)
    return known
  }
  const [, kind, which = '', words = ''] = /^([CSR])(\d?): ?(.*)$/s.exec(line) ?? []
  if (kind === 'C') return (await peer(which)).send(`${fill(words, kept)}\r\n`)
  if (kind === 'R') return (await peer(which)).send(octetsOf(fill(words, kept)))
  if (kind === 'S') return (await peer(which)).expect(words, kept)
  if (line.startsWith('...')) {
    ;(await peer(line.slice(3).trim())).skipping = true
    return
  }
  const [sign, verb = '', ...rest] = line.split(/ +/)
  const filled = rest.map(word => fill(word, kept))
  if (sign === '=') {
    const check = stage.checks?.[verb]
    assert.ok(check, `no check "${verb}"`)
    return check(...filled)
  }
  assert.equal(sign, '@', `cannot read "${line}"`)
  if (verb === 'connect') return void (await peer(rest[0] ?? ''))
  if (verb === 'close') return (await peer(rest[0] ?? '')).close()
  if (verb === 'starttls') return (await peer(rest[0] ?? '')).starttls(stage.ca)
  if (verb === 'eof') return (await peer(rest[0] ?? '')).expectEnd()
  if (verb === 'silence') return (await peer(rest[0] ?? '')).expectSilence()
  const action = stage.actions?.[verb]
  assert.ok(action, `no action "${verb}"`)
  return action(...filled)
}

class Peer {
  #socket: Socket
  #pending = Buffer.alloc(0)
  #ended = false
  #wake: () => void = () => {}
  skipping = false

  constructor(socket: Socket) {
    this.#socket = socket
    this.#listen()
  }

  static connect(port: number): Promise<Peer> {
    return new Promise((resolve, reject) => {
      const socket = connect({ port, host: '127.0.0.1', noDelay: true }, () => resolve(new Peer(socket)))
      socket.once('error', reject)
    })
  }

  #listen(): void {
    this.#socket.on('data', chunk => {
      this.#pending = Buffer.concat([this.#pending, chunk])
      this.#wake()
    })
    this.#socket.on('close', () => {
      this.#ended = true
      this.#wake()
    })
    this.#socket.on('error', () => {})
  }

  send(text: string | Buffer): void {
    this.#socket.write(typeof text === 'string' ? Buffer.from(text) : text)
  }

  async expect(pattern: string, kept: Map<string, string>): Promise<void> {
    const wanted = toRegExp(encode(pattern), kept)
    for (const seen: string[] = []; ; ) {
      const line = await this.#line()
      if (line === undefined)
        assert.fail(`wanted "${pattern}", but the server closed after ${JSON.stringify(seen)}`)
      const match = wanted.exec(line)
      if (match) {
        for (const [name, value] of Object.entries(match.groups ?? {})) kept.set(name, value)
        this.skipping = false
        return
      }
      assert.ok(this.skipping, `wanted "${pattern}", got "${line}"`)
      seen.push(line)
    }
  }

  async #line(): Promise<string | undefined> {
    for (;;) {
      const end = this.#pending.indexOf(10)
      if (end >= 0) {
        const line = this.#pending.subarray(0, end)
        this.#pending = this.#pending.subarray(end + 1)
        assert.equal(line[line.length - 1], 13, `a line must end in CRLF: "${line}"`)
        return line.subarray(0, -1).toString()
      }
      if (this.#ended) return undefined
      await this.#arrival()
    }
  }

  #arrival(): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(
        () => reject(new Error(`no line came; there is ${JSON.stringify(this.#pending.toString())}`)),
        patience,
      )
      this.#wake = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }

  async expectEnd(): Promise<void> {
    const line = await this.#line()
    assert.equal(line, undefined, `the server should have closed, but sent "${line}"`)
  }

  async expectSilence(): Promise<void> {
    await new Promise(resolve => setTimeout(resolve, 50))
    assert.equal(this.#pending.toString(), '')
  }

  expectNothingLeft(): void {
    if (!this.skipping) assert.equal(this.#pending.toString(), '', 'these lines were not expected')
  }

  async starttls(ca: string | undefined): Promise<void> {
    this.#socket.removeAllListeners()
    const plain = this.#socket
    await new Promise<void>((resolve, reject) => {
      const options = ca ? { ca } : { rejectUnauthorized: false }
      this.#socket = connectTls({ socket: plain, servername: 'localhost', ...options }, resolve)
      this.#socket.once('error', reject)
    })
    this.#listen()
  }

  close(): void {
    this.#socket.destroy()
  }
}

function fill(words: string, kept: Map<string, string>): string {
  return encode(words.replace(/\$([a-z]\w*)/g, (whole, name: string) => kept.get(name) ?? whole))
}

function encode(words: string): string {
  return words.replace(/\{base64 ([^}]*)\}/g, (_, octets: string) => octetsOf(octets).toString('base64'))
}

function octetsOf(text: string): Buffer {
  const named: Record<string, number> = { r: 13, n: 10, t: 9, '0': 0, '\\': 92 }
  const parts: Buffer[] = []
  for (const [piece, hex, letter] of text.matchAll(/\\x([0-9a-fA-F]{2})|\\([rnt0\\])|[^\\]+|\\/g))
    if (hex !== undefined) parts.push(Buffer.from(hex, 'hex'))
    else parts.push(letter === undefined ? Buffer.from(piece) : Buffer.from([named[letter] as number]))
  return Buffer.concat(parts)
}

/** A pattern with `*` and `$names`; a name seen before must come again with the same value. */
function toRegExp(pattern: string, kept: Map<string, string>): RegExp {
  const here = new Set<string>()
  const source = pattern.replace(/\$([a-z]\w*)|\*|[\\^$.|?+()[\]{}]/g, (piece, name: string | undefined) => {
    if (piece === '*') return '.*'
    if (name === undefined) return `\\${piece}`
    const value = kept.get(name)
    if (value !== undefined) return value.replace(/[\\^$.*|?+()[\]{}]/g, '\\$&')
    if (here.has(name)) return `\\k<${name}>`
    here.add(name)
    return `(?<${name}>[^\\s\\])]+)`
  })
  // A literal asterisk at the head of an untagged IMAP line is matched by the glob as well.
  return new RegExp(`^${source}$`, 's')
}
