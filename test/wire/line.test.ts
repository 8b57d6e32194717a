import assert from 'node:assert/strict'
import { connect, createServer, type Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import { Connection, LineTooLong, PeerGone, PeerTimeout } from '../../lib/wire/line.js'
import { until } from '../support/world.js'

/** A Connection and the socket of its peer. */
async function pair(t: TestContext): Promise<[Connection, Socket]> {
  const server = createServer()
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  const accepted = new Promise<Connection>(resolve =>
    server.once('connection', socket => resolve(new Connection(socket, 'test'))),
  )
  const peer = connect({ port, host: '127.0.0.1', noDelay: true })
  const connection = await accepted
  t.after(() => {
    connection.destroy()
    peer.destroy()
    server.close()
  })
  return [connection, peer]
}

const read = async (connection: Connection) => (await connection.readLine(100, 1_000))?.toString()

test('readLine() gives lines however they are cut into packets', async t => {
  const [connection, peer] = await pair(t)
  peer.write('one\r\ntwo\nth')
  assert.equal(await read(connection), 'one')
  assert.equal(await read(connection), 'two')
  setTimeout(() => peer.write('ree\r'), 5)
  setTimeout(() => peer.end('\n\r\nlost'), 10)
  assert.equal(await read(connection), 'three')
  assert.equal(await read(connection), '')
  assert.equal(await read(connection), undefined)
})

test('readLine() refuses a line over its limit, keeps none of it, and goes on', async t => {
  const [connection, peer] = await pair(t)
  peer.write(`${'x'.repeat(500_000)}\r\nnext\r\n${'y'.repeat(98)}\r\n${'z'.repeat(99)}\r\n`)
  await assert.rejects(connection.readLine(100, 1_000), LineTooLong)
  assert.equal(await read(connection), 'next')
  assert.equal(await read(connection), 'y'.repeat(98))
  await assert.rejects(connection.readLine(100, 1_000), LineTooLong)
})

test('readLine() gives up on a silent peer', async t => {
  const [connection] = await pair(t)
  await assert.rejects(connection.readLine(100, 20), PeerTimeout)
})

test('readExactly() takes a block out of the middle, of any octets', async t => {
  const [connection, peer] = await pair(t)
  peer.write(Buffer.from('a {4}\r\n\r\n\0\xffb\r\n', 'latin1'))
  assert.equal(await read(connection), 'a {4}')
  assert.deepEqual(await connection.readExactly(4, 1_000), Buffer.from('\r\n\0\xff', 'latin1'))
  assert.equal(await read(connection), 'b')
  peer.end('12')
  await assert.rejects(connection.readExactly(3, 1_000), PeerGone)
})

test('unread() gives octets back', async t => {
  const [connection, peer] = await pair(t)
  peer.write('one\r\ntwo\r\n')
  const some = await connection.readSome(2, 1_000)
  connection.unread(some as Buffer)
  assert.equal(await read(connection), 'one')
  assert.equal(await read(connection), 'two')
})

test('a peer that sends without being read is made to wait', async t => {
  const [connection, peer] = await pair(t)
  const sent = 64 * 1024 * 1024
  peer.write(Buffer.alloc(sent, 'x'))
  await new Promise(resolve => setTimeout(resolve, 100))
  assert.ok(connection.buffered < 1024 * 1024, `${connection.buffered} octets piled up`)
  let got = 0
  while (got < sent) got += (await connection.readSome(sent, 1_000))?.length ?? sent
  assert.equal(got, sent)
})

test('what is written waits for the next read, and goes out in one piece', async t => {
  const [connection, peer] = await pair(t)
  const chunks: string[] = []
  peer.on('data', chunk => chunks.push(chunk.toString()))
  connection.write('one\r\n')
  connection.write(Buffer.from('two\r\n'))
  await new Promise(resolve => setTimeout(resolve, 20))
  assert.deepEqual(chunks, [])
  peer.write('go\r\n')
  assert.equal(await read(connection), 'go')
  const next = connection.readLine(100, 1_000)
  await new Promise(resolve => setTimeout(resolve, 20))
  assert.deepEqual(chunks, ['one\r\ntwo\r\n'])
  peer.write('x\r\n')
  await next
})

test('drain() holds a writer back while the peer does not read', async t => {
  const [connection, peer] = await pair(t)
  peer.pause()
  let written = 0
  const writing = (async () => {
    for (; written < 1_000; written++) {
      connection.write(Buffer.alloc(64 * 1024))
      await connection.drain(5_000)
    }
  })()
  await new Promise(resolve => setTimeout(resolve, 100))
  assert.ok(written < 500, `${written} of 1000 pieces were taken`)
  peer.resume()
  await writing
  assert.equal(written, 1_000)
})

test('who sends commands and reads no answers is read no further', async t => {
  const [connection, peer] = await pair(t)
  peer.pause()
  const lines = 50_000
  peer.write('NOOP\r\n'.repeat(lines))
  let answered = 0
  let most = 0
  const serving = (async () => {
    while ((await connection.readLine(100, 60_000)) !== undefined) {
      connection.write('x'.repeat(1_000))
      answered++
      most = Math.max(most, connection.socket.writableLength)
      if (answered === lines) return
    }
  })()
  // Held back, or through: 50 MB are more than two sockets hold.
  await until(() => connection.socket.writableLength > 64 * 1024)
  // Another who waits until octets are sent is woken too.
  const drained = connection.drain(60_000)
  peer.resume()
  await Promise.all([serving, drained])
  assert.equal(answered, lines)
  assert.ok(most <= 256 * 1024, `${most} octets were gathered`)
})

test('who sends commands and never reads is given up', async t => {
  const [connection, peer] = await pair(t)
  peer.pause()
  peer.write('NOOP\r\n'.repeat(50_000))
  const serving = (async () => {
    while ((await connection.readLine(100, 100)) !== undefined) connection.write('x'.repeat(1_000))
  })()
  await assert.rejects(serving, PeerTimeout)
})

test('drain() tells when the peer never reads, and when it is gone', async t => {
  const [connection, peer] = await pair(t)
  peer.pause()
  const fill = async () => {
    for (;;) {
      connection.write(Buffer.alloc(256 * 1024))
      await connection.drain(50)
    }
  }
  await assert.rejects(fill(), PeerTimeout)
  peer.destroy()
  await assert.rejects(fill(), PeerGone)
})

test('one may wait for a line while another waits until what is written has gone out', async t => {
  const [connection, peer] = await pair(t)
  peer.pause()
  const line = connection.readLine(100, 15_000)
  for (let i = 0; i < 64; i++) connection.write(Buffer.alloc(256 * 1024))
  const drained = connection.drain(15_000)
  peer.write('hello\r\n')
  assert.equal((await line)?.toString(), 'hello')
  peer.resume()
  await drained
})

test('lend() sends in order with what is written, and gives memory back when it is sent', async t => {
  const [connection, peer] = await pair(t)
  const memory = Buffer.from('two')
  let isBack = false
  connection.write('one ')
  connection.lend(memory, () => {
    isBack = true
  })
  connection.write(' three')
  assert.equal(isBack, false)
  connection.flush()
  assert.equal(await text(peer, 13), 'one two three')
  assert.equal(isBack, true)
})

test('lend() leaves memory alone that the peer does not take, and gives it back when the connection is gone', async t => {
  const [connection, peer] = await pair(t)
  peer.pause()
  let back = 0
  const memory = Buffer.alloc(1 << 24)
  connection.lend(memory, () => back++)
  connection.flush()
  assert.equal(back, 0)
  connection.lend(Buffer.from('never sent'), () => back++)
  connection.destroy()
  await connection.closed
  connection.flush()
  connection.lend(memory, () => back++)
  await until(() => back === 3)
})

async function text(peer: Socket, length: number): Promise<string> {
  let got = ''
  for await (const chunk of peer.iterator({ destroyOnReturn: false })) {
    got += chunk
    if (got.length >= length) break
  }
  return got
}
