/** What transcripts cannot show: silence, shutdown, many recipients, large messages, speed of memory. */
import assert from 'node:assert/strict'
import { connect, type Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import fc from 'fast-check'
import { until } from '../support/world.js'
import { type MemoryServer, startMemoryServer } from './stage.js'

type Options = Parameters<typeof startMemoryServer>[0]

interface Talk {
  readonly server: MemoryServer
  readonly socket: Socket
  /** All that the server has sent so far. */
  seen(): string
  /** Sends, and waits until the server has sent `pattern` after it. */
  say(text: string | Buffer, pattern: RegExp): Promise<void>
}

async function talk(t: TestContext, options: Options = {}): Promise<Talk> {
  const server = await startMemoryServer(options)
  t.after(() => server.close())
  const socket = connect({ port: server.port, host: '127.0.0.1' })
  t.after(() => socket.destroy())
  let seen = ''
  socket.on('data', chunk => {
    seen += chunk
  })
  socket.on('error', () => {})
  const say = async (text: string | Buffer, pattern: RegExp) => {
    const from = seen.length
    socket.write(text)
    await until(() => pattern.test(seen.slice(from)))
  }
  await until(() => seen.startsWith('220 '))
  return { server, socket, seen: () => seen, say }
}

const envelope = 'EHLO x\r\nMAIL FROM:<a@x.example>\r\nRCPT TO:<alice@here.example>\r\nDATA\r\n'

test('a silent client is told so and left', async t => {
  const { socket, seen } = await talk(t, { timeouts: { command: 30 } })
  let closed = false
  socket.on('close', () => {
    closed = true
  })
  await until(() => closed)
  assert.match(seen(), /\r\n421 4\.4\.2 .*\r\n$/)
})

test('a client that falls silent in a message is left, and nothing stays', async t => {
  const { server, seen, say } = await talk(t, { timeouts: { data: 30 } })
  await say(envelope, /354 /)
  await say('half of it\r\n', /421 4\.4\.2/)
  await until(() => server.listener.connections === 0)
  assert.deepEqual([server.backend.kept.length, server.backend.open], [0, 0])
  assert.doesNotMatch(seen(), /250 2\.0\.0/)
})

test('a client that falls silent in a login is left', async t => {
  const { say } = await talk(t, { timeouts: { auth: 30 } })
  await say('EHLO x\r\nAUTH LOGIN\r\n', /334 VXNlcm5hbWU6\r\n421 4\.4\.2/)
})

test('a server that stops says 421 to whoever waits', async t => {
  const { server, seen } = await talk(t)
  await server.listener.close(5_000)
  assert.match(seen(), /\r\n421 4\.3\.2 .*\r\n$/)
})

test('a server that stops ends the message under way first', async t => {
  const { server, say, seen } = await talk(t)
  await say(envelope, /354 /)
  let go = () => {}
  server.backend.beforeCommit = () => new Promise<void>(resolve => (go = resolve))
  await say('hello\r\n.\r\n', /^$/)
  await until(() => server.backend.open === 1)
  const closed = server.listener.close(5_000)
  await new Promise(resolve => setTimeout(resolve, 20))
  assert.equal(server.backend.kept.length, 0)
  go()
  await closed
  assert.equal(server.backend.kept.length, 1)
  assert.match(seen(), /354 .*\r\n250 2\.0\.0 .*\r\n421 4\.3\.2 .*\r\n$/)
})

test('a hundred recipients are accepted (RFC 5321 §4.5.3.1.8)', async t => {
  const { server, say } = await talk(t)
  const recipients = Array.from({ length: 100 }, (_, i) => `RCPT TO:<u${i}@here.example>\r\n`).join('')
  await say(`EHLO x\r\nMAIL FROM:<a@x.example>\r\n${recipients}DATA\r\n`, /354 /)
  await say('.\r\n', /250 2\.0\.0/)
  assert.equal(server.backend.kept[0]?.envelope.recipients.length, 100)
})

test('a line may have 2048 octets, and a login 12288', async t => {
  const { say } = await talk(t)
  await say(`EHLO ${'x'.repeat(2041)}\r\n`, /250 HELP/)
  await say(`EHLO ${'x'.repeat(2042)}\r\n`, /^500 5\.5\.6/)
  await say(`NOOP ${'x'.repeat(300_000)}\r\nNOOP\r\n`, /^500 5\.5\.6 .*\r\n250 2\.0\.0 Ok\r\n$/)
  const long = Buffer.from(`\0alice\0${'x'.repeat(9_200)}`).toString('base64')
  await say(`AUTH PLAIN ${long}\r\n`, /^535 /)
  await say(`AUTH PLAIN\r\n${long}\r\n`, /^334 \r\n535 /)
  await say(`AUTH PLAIN\r\n${'A'.repeat(12_292)}\r\nNOOP\r\n`, /^334 \r\n500 5\.5\.6.*\r\n250/)
})

test('a message of many blocks comes in as it was sent', async t => {
  const { server, say } = await talk(t, { maxMessageSize: 10_000_000 })
  const lines = Array.from(
    { length: 40_000 },
    (_, i) => `${i % 7 === 0 ? '.' : ''}${i} ${'y'.repeat(i % 90)}`,
  )
  await say(envelope, /354 /)
  await say(
    `${lines.map(line => (line.startsWith('.') ? `.${line}` : line)).join('\r\n')}\r\n.\r\n`,
    /250 2\.0\.0/,
  )
  assert.equal(server.backend.kept[0]?.text, `${lines.join('\n')}\n`)
})

test('octets beyond ASCII come through unchanged', async t => {
  const { server, say } = await talk(t)
  await say(envelope, /354 /)
  const octets = Buffer.from(Array.from({ length: 256 }, (_, i) => i).filter(octet => octet !== 13))
  await say(Buffer.concat([octets, Buffer.from('\r\n.\r\n')]), /250 2\.0\.0/)
  assert.equal(server.backend.kept[0]?.text, `${octets.toString('latin1')}\n`)
})

test('a password never stands in the log', async t => {
  const { server, say } = await talk(t)
  const secret = Buffer.from('\0alice\0looking-glass').toString('base64')
  await say(`EHLO x\r\nAUTH PLAIN ${secret}\r\n`, /535/)
  await say(`AUTH PLAIN ${secret} x\r\n`, /501/)
  await say(`AUTH PLAIN\r\n${secret}\r\n`, /535/)
  assert.ok(server.log.length > 0)
  assert.doesNotMatch(server.log.join(''), new RegExp(`${secret.slice(0, 12)}|looking`))
})

test('a bug is logged with its place, and told to nobody', async t => {
  const { server, say, seen } = await talk(t)
  await say('EHLO x\r\nMAIL FROM:<bug@x.example>\r\n', /451 4\.3\.0/)
  assert.match(server.log.join(''), /event=command-failed .*a bug.*stage/)
  assert.doesNotMatch(seen(), /a bug/)
})

test('whatever is sent, nothing unforeseen happens, and the server goes on', async t => {
  const server = await startMemoryServer({ maxErrors: 1_000, maxMessageSize: 300 })
  t.after(() => server.close())
  const words = fc.constantFrom(
    'EHLO x\r\n',
    envelope,
    `${envelope}hello\r\n.\r\n`,
    'HELO\r\n',
    'MAIL FROM:<a@x.example>\r\n',
    'MAIL FROM:<> SIZE=1 BODY=7BIT\r\n',
    'RCPT TO:<alice@here.example>\r\n',
    'RCPT TO:<full@here.example>\r\n',
    'DATA\r\n',
    'BDAT 6\r\n',
    'BDAT 7 LAST\r\n',
    '.\r\n',
    '\r\n.\r\n',
    'AUTH PLAIN\r\n',
    'AUTH LOGIN YWxpY2U=\r\n',
    'd29uZGVybGFuZA==\r\n',
    '*\r\n',
    'RSET\r\n',
    'NOOP\r\n',
    'FULL DISK\r\n',
    'VIRUS\r\n',
    'x'.repeat(400),
    '\r',
    '\n',
    '\0',
    '\xff\xfe\r\n',
  )
  await fc.assert(
    fc.asyncProperty(fc.array(words, { maxLength: 40 }), fc.nat(200), async (script, cut) => {
      const octets = Buffer.from(script.join(''), 'latin1')
      const socket = connect({ port: server.port, host: '127.0.0.1' })
      const closed = new Promise(resolve => socket.on('close', resolve))
      socket.on('error', () => {})
      socket.resume()
      socket.write(octets.subarray(0, cut))
      await new Promise(resolve => setImmediate(resolve))
      socket.end(octets.subarray(cut))
      await closed
    }),
    { numRuns: 300 },
  )
  await until(() => server.listener.connections === 0)
  assert.equal(server.backend.open, 0)
  assert.doesNotMatch(server.log.join(''), /level=error/)
  assert.ok(server.backend.kept.length > 0, 'no script sent a message: the words are wrong')
})

test('a session that lasts too long ends, also in the middle of a message', async t => {
  const { seen } = await talk(t, { maxSession: 30 })
  await until(() => /\r\n421 4\.4\.2 .*\r\n$/.test(seen()))
  const other = await talk(t, { maxSession: 150 })
  await other.say(`${envelope}half of it\r\n`, /354 .*\r\n421 4\.4\.2/)
  await until(() => other.server.listener.connections === 0)
  assert.deepEqual([other.server.backend.kept.length, other.server.backend.open], [0, 0])
})

test('a message that is being stored when the session has lasted too long is answered first', async t => {
  const { server, say } = await talk(t, { maxSession: 150 })
  server.backend.beforeCommit = () => new Promise(resolve => setTimeout(resolve, 250))
  await say(`${envelope}.\r\n`, /354 .*\r\n250 2\.0\.0 .*\r\n421 4\.4\.2 .*\r\n$/)
  assert.equal(server.backend.kept.length, 1)
})
