/** COMPRESS DEFLATE (RFC 4978): in the clear and over TLS, with much to send both ways, and against who means harm. */
import assert from 'node:assert/strict'
import { connect, type Socket } from 'node:net'
import { test } from 'node:test'
import { connect as connectTls } from 'node:tls'
import { constants, createDeflateRaw, createInflateRaw, deflateRawSync } from 'node:zlib'
import { until } from '../support/world.js'
import { type ImapStage, imapStage } from './imap-stage.js'

/** A client that hears and speaks in DEFLATE once it is told to. */
class Client {
  socket: Socket
  heard = ''
  closed = false
  #deflate: ReturnType<typeof createDeflateRaw> | undefined

  constructor(port: number) {
    this.socket = connect({ port, host: '127.0.0.1' })
    this.#listen()
  }

  #listen(): void {
    this.socket.on('data', chunk => {
      this.heard += chunk.toString('latin1')
    })
    this.#untilClosed()
  }

  #untilClosed(): void {
    this.socket.on('close', () => {
      this.closed = true
    })
    this.socket.on('error', () => {})
  }

  send(text: string): void {
    if (this.#deflate) this.#deflate.write(Buffer.from(text, 'latin1'))
    else this.socket.write(text, 'latin1')
  }

  async hears(text: string): Promise<void> {
    await until(() => this.heard.includes(text) || this.closed)
    assert.ok(this.heard.includes(text), `heard ${JSON.stringify(this.heard.slice(-300))}, not ${text}`)
  }

  async starttls(): Promise<void> {
    this.socket.removeAllListeners()
    const plain = this.socket
    await new Promise<void>(resolve => {
      this.socket = connectTls({ socket: plain, servername: 'localhost', rejectUnauthorized: false }, resolve)
    })
    this.#listen()
  }

  compress(): void {
    this.socket.removeAllListeners('data')
    this.#deflate = createDeflateRaw({ flush: constants.Z_SYNC_FLUSH })
    this.#deflate.pipe(this.socket)
    const inflate = createInflateRaw({ finishFlush: constants.Z_SYNC_FLUSH })
    inflate.on('data', (chunk: Buffer) => {
      this.heard += chunk.toString('latin1')
    })
    inflate.on('error', () => {})
    this.socket.pipe(inflate)
    // What has come is read when the inflater has ended too, and not before.
    this.socket.removeAllListeners('close')
    this.socket.on('close', () => inflate.end())
    inflate.on('close', () => {
      this.closed = true
    })
  }

  /** Logs in and turns compression on. */
  async begin(): Promise<void> {
    this.send('a LOGIN alice wonderland\r\n')
    await this.hears('a OK [CAPABILITY ')
    assert.match(this.heard, / COMPRESS=DEFLATE /)
    this.send('b COMPRESS DEFLATE\r\n')
    await this.hears('b OK')
    this.compress()
  }
}

async function withClient(work: (client: Client, stage: ImapStage) => Promise<void>): Promise<void> {
  const stage = await imapStage({ appendLimit: 20_000_000 })
  const client = new Client(stage.port)
  try {
    await work(client, stage)
  } finally {
    client.socket.destroy()
    await stage.close()
  }
}

/** Compresses badly, and holds no line end but the last. */
const noise = `${Array.from({ length: 60_000 }, (_, i) => ((i * 2_654_435_761) % 2 ** 32).toString(36)).join(' ')}\r\n`

async function talkMuch(client: Client): Promise<void> {
  client.send(`c APPEND INBOX {${noise.length}+}\r\n${noise}\r\nd SELECT INBOX\r\ne FETCH 1:* BODY[]\r\n`)
  await client.hears('c OK')
  await client.hears('e OK')
  assert.ok(client.heard.includes(`BODY[] {${noise.length}}\r\n${noise}`))
  client.send('f CAPABILITY\r\ng COMPRESS DEFLATE\r\nh LOGOUT\r\n')
  await client.hears('g NO [COMPRESSIONACTIVE]')
  assert.doesNotMatch(client.heard.slice(client.heard.lastIndexOf('* CAPABILITY')), /COMPRESS=DEFLATE/)
  await client.hears('h OK')
  await until(() => client.closed)
}

test('a session goes on compressed, both ways, to its end', () =>
  withClient(async client => {
    await client.begin()
    await talkMuch(client)
  }))

test('compression within TLS', () =>
  withClient(async client => {
    await client.hears('* OK')
    client.send('s STARTTLS\r\n')
    await client.hears('s OK')
    await client.starttls()
    await client.begin()
    await talkMuch(client)
  }))

test('IDLE tells at once through the compression, and DONE ends it', () =>
  withClient(async (client, stage) => {
    await client.begin()
    client.send('c SELECT INBOX\r\nd IDLE\r\n')
    await client.hears('+ idling')
    stage.actions.message?.('alice', 'INBOX', 'plain')
    await client.hears('* 1 EXISTS')
    client.send('DONE\r\n')
    await client.hears('d OK')
  }))

test('what is no DEFLATE ends the session, and no other one', () =>
  withClient(async (client, stage) => {
    await client.begin()
    client.socket.write('c NOOP\r\n'.repeat(10))
    await until(() => client.closed)
    const other = new Client(stage.port)
    await other.begin()
    other.send('c NOOP\r\n')
    await other.hears('c OK')
    other.socket.destroy()
  }))

test('a line of 64 MB in a hundred KB fills no memory', () =>
  withClient(async client => {
    await client.begin()
    const bomb = deflateRawSync(Buffer.alloc(64 << 20, 'x'), { finishFlush: constants.Z_SYNC_FLUSH })
    // What is let go of counts until it is collected; held whole, the line would be 64 MiB.
    const before = process.memoryUsage().arrayBuffers
    let most = 0
    const watch = setInterval(() => {
      most = Math.max(most, process.memoryUsage().arrayBuffers - before)
    }, 5)
    client.socket.write(bomb)
    client.socket.write(
      deflateRawSync(Buffer.from('\r\nc NOOP\r\n'), { finishFlush: constants.Z_SYNC_FLUSH }),
    )
    await client.hears('* BAD')
    await client.hears('c OK')
    clearInterval(watch)
    assert.ok(most < 48 << 20, `${most} octets were held`)
  }))

test('there is no other compression, and none before a login', () =>
  withClient(async client => {
    client.send('a COMPRESS DEFLATE\r\n')
    await client.hears('a BAD')
    client.send('b LOGIN alice wonderland\r\nc COMPRESS LZW\r\nd COMPRESS\r\n')
    await client.hears('c BAD')
    await client.hears('d BAD')
  }))
