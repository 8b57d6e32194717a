import assert from 'node:assert/strict'
import { copyFileSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { Daemon } from '../../lib/command/daemon.js'
import type { Service } from '../../lib/command/service.js'
import type { SessionInfo } from '../../lib/command/sessions.js'
import { askAll } from '../../lib/sys/control.js'
import { temporaryDirectory, until } from '../support/world.js'

/** Each line is an event of the log; `bye` at a shutdown. */
const toy = (name: 'imapd' | 'pop3d'): Service => ({
  name,
  start: () => ({
    serve: async (connection, log) => {
      connection.onShutdown = () => {
        connection.write('bye\r\n')
        connection.close()
      }
      connection.write('hello\r\n')
      for (;;) {
        const line = await connection.readLine(1_000, 20_000)
        if (!line) return
        const [event = '', fields = '{}'] = String(line).split(/ (.*)/s)
        log.info(event, JSON.parse(fields))
        connection.write('noted\r\n')
      }
    },
  }),
})

function place(t: TestContext, text: string): { directory: string; file: string } {
  const directory = temporaryDirectory(t)
  const file = join(directory, 'mail.toml')
  writeFileSync(file, `hostname = "mail.example.org"\ndomains = ["example.org"]\n${text}`)
  writeFileSync(join(directory, 'users'), 'me:{PLAIN}x::::::\n')
  mkdirSync(join(directory, 'tls'))
  copyFileSync('fixtures/tls/localhost.pem', join(directory, 'tls/mail.crt'))
  return { directory, file }
}

async function start(t: TestContext, file: string, services: Service[]): Promise<Daemon> {
  const daemon = await Daemon.start({ services, file, log: { write: () => {} }, watch: false })
  t.after(() => daemon.stop(0))
  return daemon
}

/** Sends lines, each after the answer to the one before. */
async function talk(t: TestContext, port: number, lines: readonly string[]): Promise<Socket> {
  const socket = connect(port, '127.0.0.1')
  t.after(() => socket.destroy())
  let answers = 0
  socket.on('data', chunk => {
    answers += String(chunk).split('\n').length - 1
  })
  socket.on('error', () => {})
  await until(() => answers === 1)
  for (const [i, line] of lines.entries()) {
    socket.write(`${line}\r\n`)
    await until(() => answers === i + 2)
  }
  return socket
}

async function scrape(port: number | undefined): Promise<string> {
  const response = await fetch(`http://127.0.13.1:${port}/metrics`)
  assert.match(response.headers.get('content-type') ?? '', /^text\/plain; version=0\.0\.4/)
  return response.text()
}

const listeners =
  '[runtime]\ndirectory = "run"\n' +
  ['imapd', 'pop3d'].map(name => `[[${name}.listen]]\naddress = "127.0.0.1:0"\ntls = "off"\n`).join('')

test('events of all processes are counted and served together; when one ends another one serves', async t => {
  const probe = await import('node:net').then(({ createServer }) => createServer())
  // An address of its own: nobody else takes the port meanwhile.
  await new Promise<void>(resolve => probe.listen(0, '127.0.13.1', resolve))
  const { port } = probe.address() as { port: number }
  await new Promise(resolve => probe.close(resolve))
  const { directory, file } = place(
    t,
    `[metrics]\nlisten = "127.0.13.1:${port}"\ntextfile = "postern.prom"\n[queue]\ndirectory = "queue"\n` +
      '[fetch.naver]\nprovider = "naver"\nuser = "me"\npassword_file = "x"\ninto = "me@example.org"\n' +
      '[users]\nhome = "home/%n"\n' +
      listeners,
  )
  mkdirSync(join(directory, 'home/me/fetch'), { recursive: true })
  writeFileSync(join(directory, 'home/me/fetch/naver.outcome'), '{"succeeded":1700000000000,"messages":7}')
  const umask = process.umask(0o077)
  t.after(() => process.umask(umask))
  const imapd = await start(t, file, [toy('imapd')])
  const pop3d = await start(t, file, [toy('pop3d')])
  assert.equal(imapd.metricsPort, port)
  assert.equal(pop3d.metricsPort, undefined)
  await talk(t, imapd.ports('imapd')[0] as number, [
    'received {}',
    'message-refused {"code":550,"status":"5.1.1"}',
    'refused {"code":452,"status":"4.5.3","command":"RCPT TO:<a@b>"}',
    'refused {"code":500,"status":"5.5.2","command":"NONSENSE"}',
    'recipient {"state":"relayed"}',
    'idle {}',
  ])
  await talk(t, pop3d.ports('pop3d')[0] as number, [
    'login {"user":"me@example.org","how":"password","protocol":"pop3"}',
    'login {"user":"me@example.org","messages":3}',
    'login-failed {"reason":"wrong-password","protocol":"pop3"}',
  ])
  const text = await scrape(port)
  for (const line of [
    'postern_messages_received_total{process="imapd"} 1',
    'postern_messages_rejected_total{process="imapd",reason="no-such-user"} 1',
    'postern_messages_rejected_total{process="imapd",reason="not-now"} 1',
    'postern_relay_recipients_total{process="imapd",state="relayed"} 1',
    'postern_logins_total{process="pop3d",protocol="pop3"} 1',
    'postern_logins_refused_total{process="pop3d",protocol="pop3",reason="wrong-password"} 1',
    'postern_idle_sessions{process="imapd"} 1',
    'postern_connections{process="imapd",daemon="imapd"} 1',
    'postern_connections_total{process="imapd",daemon="imapd"} 1',
    'postern_fetched_messages_total{account="naver"} 7',
    'postern_fetch_last_success_timestamp_seconds{account="naver"} 1700000000',
    'postern_fetch_failing{account="naver"} 0',
  ])
    assert.ok(text.split('\n').includes(line), `${line} is missing in\n${text}`)
  assert.match(text, /^postern_relay_last_success_timestamp_seconds\{process="imapd"\} \d{10}$/m)
  assert.match(text, /^postern_event_loop_delay_seconds\{process="imapd"\} [\d.e-]+$/m)
  assert.match(text, /^postern_certificate_days_left -?[\d.]+$/m)
  assert.match(readFileSync(join(directory, 'postern.prom'), 'utf8'), /^postern_messages_received_total/m)
  // Whatever the umask: another program's user reads it.
  assert.equal(statSync(join(directory, 'postern.prom')).mode & 0o777, 0o644)
  await imapd.stop(0)
  await pop3d.reload()
  assert.equal(pop3d.metricsPort, port)
  assert.doesNotMatch(await scrape(port), /process="imapd"/)
})

test('who is connected is told, and a session can be ended', async t => {
  const { directory, file } = place(t, listeners)
  const daemon = await start(t, file, [toy('imapd')])
  const socket = await talk(t, daemon.ports('imapd')[0] as number, [
    'login {"user":"me@example.org","how":"password","protocol":"imap","app":"phone"}',
    'idle {}',
  ])
  let said = ''
  socket.on('data', chunk => {
    said += chunk
  })
  const who = async () => {
    const all = await askAll<SessionInfo[]>(join(directory, 'run'), { verb: 'who' })
    return all.flatMap(({ answer }) => answer)
  }
  const [session] = await who()
  assert.deepEqual(
    { ...session, session: '', since: 0 },
    {
      session: '',
      since: 0,
      daemon: 'imapd',
      address: '127.0.0.1',
      idle: true,
      user: 'me@example.org',
      app: 'phone',
    },
  )
  const kick = (name?: string) => askAll(join(directory, 'run'), { verb: 'kick', session: name })
  assert.deepEqual(
    (await kick('none')).map(each => each.answer),
    [false],
  )
  assert.deepEqual(
    (await kick(session?.session)).map(each => each.answer),
    [true],
  )
  await until(() => said === 'bye\r\n')
  await until(async () => (await who()).length === 0)
})
