import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { type TestContext, test } from 'node:test'
import { connect as connectTls } from 'node:tls'
import { Log } from '../../lib/sys/log.js'
import type { Connection } from '../../lib/wire/line.js'
import { Listener, type ListenerOptions } from '../../lib/wire/listener.js'
import { Identity, startTls, tlsName } from '../../lib/wire/tls.js'
import { until } from '../support/world.js'

const pem = (name: string) => readFileSync(`fixtures/tls/${name}.pem`)
const identity = () => new Identity({ certificate: pem('localhost'), key: pem('localhost-key') })

async function open(t: TestContext, options: Partial<ListenerOptions>): Promise<[Listener, string[]]> {
  const lines: string[] = []
  const listener = new Listener({
    address: { host: '127.0.0.1', port: 0 },
    tls: 'off',
    identity: undefined,
    log: new Log({ journal: true, write: line => lines.push(line) }),
    serve: echo,
    ...options,
  })
  await listener.open()
  t.after(() => listener.close(0))
  return [listener, lines]
}

async function echo(connection: Connection): Promise<void> {
  for (;;) {
    const line = await connection.readLine(100, 5_000)
    if (!line) return
    connection.write(`${line} ${tlsName(connection) ? 'secure' : 'clear'}\r\n`)
  }
}

/** Sends, and gives all that came until `count` lines are there or the server closed. */
async function talk(
  socket: NodeJS.WritableStream & NodeJS.ReadableStream,
  text: string,
  count = 1,
): Promise<string> {
  let got = ''
  let over = false
  socket.on('data', chunk => {
    got += chunk
  })
  socket.on('end', () => {
    over = true
  })
  socket.write(text)
  await until(() => over || got.split('\n').length > count)
  return got
}

test('a listener serves many at once, and tells when the last is gone', async t => {
  const [listener] = await open(t, {})
  let idle = 0
  listener.onIdle = () => idle++
  const sockets = Array.from({ length: 20 }, () => connect(listener.port, '127.0.0.1'))
  const answers = await Promise.all(sockets.map((socket, i) => talk(socket, `${i}\r\n`)))
  assert.deepEqual(
    answers,
    sockets.map((_, i) => `${i} clear\r\n`),
  )
  assert.equal(listener.connections, 20)
  for (const socket of sockets) socket.end()
  await until(() => idle === 1)
})

for (const tls of ['off', 'implicit'] as const)
  test(`who says all and closes its half still gets every answer, and then the end; TLS ${tls}`, async t => {
    const heard: string[] = []
    const serve = async (connection: Connection) => {
      for (;;) {
        const line = await connection.readLine(100, 5_000)
        if (!line) return
        heard.push(line.toString())
        await until(() => connection.ended)
        connection.write(`${line}\r\n`)
      }
    }
    const [listener] = await open(t, { tls, identity: identity(), serve })
    const { port } = listener
    const socket =
      tls === 'off' ? connect(port, '127.0.0.1') : connectTls({ port, host: 'localhost', ca: pem('ca') })
    let got = ''
    socket.on('data', chunk => {
      got += chunk
    })
    socket.end('one\r\ntwo\r\nthree\r\nunfinished')
    await until(() => socket.readableEnded)
    assert.equal(got, 'one\r\ntwo\r\nthree\r\n')
    assert.deepEqual(heard, ['one', 'two', 'three'])
    await until(() => listener.connections === 0)
  })

test('who closes its half in the middle of the handshake is let go at once', async t => {
  const [listener, lines] = await open(t, { tls: 'implicit', identity: identity() })
  const socket = connect(listener.port, '127.0.0.1')
  // The beginning of a ClientHello that says it has 512 octets.
  socket.end(Buffer.from('1603010200', 'hex'))
  await until(() => lines.length === 1)
  assert.match(lines[0] ?? '', /TLS handshake failed/)
  await until(() => listener.connections === 0)
})

test('implicit TLS is there from the first octet; the clear gets nothing', async t => {
  const [listener, lines] = await open(t, { tls: 'implicit', identity: identity() })
  const socket = connectTls({ port: listener.port, host: 'localhost', ca: pem('ca') })
  assert.equal(await talk(socket, 'hello\r\n'), 'hello secure\r\n')
  socket.end()
  const clear = connect(listener.port, '127.0.0.1')
  assert.doesNotMatch(await talk(clear, 'EHLO x\r\n', 99), /clear|secure/)
  await until(() => lines.length === 1)
  assert.match(lines[0] ?? '', /event=disconnected .*TLS handshake failed/)
})

test('startTls() drops what was sent ahead in the clear', async t => {
  const own = identity()
  const serve = async (connection: Connection) => {
    await connection.readLine(100, 5_000)
    connection.write('go\r\n')
    await startTls(connection, own)
    await echo(connection)
  }
  const [listener] = await open(t, { tls: 'offered', identity: own, serve })
  const plain = connect(listener.port, '127.0.0.1')
  assert.equal(await talk(plain, 'STARTTLS\r\ninjected\r\n'), 'go\r\n')
  plain.removeAllListeners()
  const socket = connectTls({ socket: plain, servername: 'localhost', ca: pem('ca') })
  assert.equal(await talk(socket, 'real\r\n'), 'real secure\r\n')
  socket.end()
})

test('a replaced identity serves new connections, a broken one is refused and changes nothing', async t => {
  const own = identity()
  const [listener] = await open(t, { tls: 'implicit', identity: own })
  const subject = async () => {
    const socket = connectTls({ port: listener.port, host: 'localhost', rejectUnauthorized: false })
    await talk(socket, 'x\r\n')
    const name = socket.getPeerCertificate().subject?.CN
    socket.end()
    return name
  }
  assert.equal(await subject(), 'localhost')
  own.replace({ certificate: pem('other'), key: pem('other-key') })
  assert.equal(await subject(), 'other')
  assert.throws(() => own.replace({ certificate: pem('localhost'), key: pem('other-key') }))
  assert.equal(await subject(), 'other')
})

test('a connection over the limit is told so and closed; the others go on', async t => {
  const [listener, lines] = await open(t, { maxConnections: 1, busy: '421 too many\r\n' })
  const first = connect(listener.port, '127.0.0.1')
  assert.equal(await talk(first, 'a\r\n'), 'a clear\r\n')
  assert.equal(await talk(connect(listener.port, '127.0.0.1'), ''), '421 too many\r\n')
  assert.match(lines.join(''), /event=too-many-connections/)
  first.end()
  await until(() => listener.connections === 0)
})

test('close() says goodbye to those who listen and ends those who do not', async t => {
  const serve = async (connection: Connection) => {
    connection.onShutdown = () => {
      connection.write('BYE\r\n')
      connection.close()
    }
    await echo(connection)
  }
  const [listener] = await open(t, { serve })
  const socket = connect(listener.port, '127.0.0.1')
  assert.equal(await talk(socket, 'a\r\n'), 'a clear\r\n')
  const rest = talk(socket, '')
  await listener.close(1_000)
  assert.equal(await rest, 'BYE\r\n')
})

test('who is still shaking hands when the listener closes is let in, and then asked to go', async t => {
  const serve = async (connection: Connection) => {
    connection.onShutdown = () => {
      connection.write('BYE\r\n')
      connection.close()
    }
    connection.write('hello\r\n')
    await echo(connection)
  }
  const [listener] = await open(t, { tls: 'implicit', identity: identity(), serve })
  const plain = connect(listener.port, '127.0.0.1')
  await until(() => listener.connections === 1)
  const closed = listener.close(2_000)
  const socket = connectTls({ socket: plain, rejectUnauthorized: false })
  assert.equal(await talk(socket, 'a\r\n', 3), 'hello\r\na secure\r\nBYE\r\n')
  await closed
})

test('a bug in a session ends that session, is logged with its place, and harms nobody else', async t => {
  const serve = async () => {
    throw new TypeError('oops')
  }
  const [listener, lines] = await open(t, { serve })
  await talk(connect(listener.port, '127.0.0.1'), '')
  await until(() => lines.length === 1)
  assert.match(lines[0] ?? '', /event=session-failed .*oops.*listener\.test/)
})
