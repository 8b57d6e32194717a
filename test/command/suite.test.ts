import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { copyFileSync, writeFileSync } from 'node:fs'
import { connect, createServer, type Server } from 'node:net'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { temporaryDirectory, until } from '../support/world.js'

interface Running {
  readonly child: ChildProcess
  stdout: string
  stderr: string
  /** The exit status, or the signal. */
  status: number | string | undefined
}

function start(t: TestContext, argv: readonly string[], options: object = {}): Running {
  const child = spawn(process.execPath, ['dist/bin/mail-suite.cjs', ...argv], { stdio: 'pipe', ...options })
  const running: Running = { child, stdout: '', stderr: '', status: undefined }
  child.stdout?.on('data', chunk => {
    running.stdout += chunk
  })
  child.stderr?.on('data', chunk => {
    running.stderr += chunk
  })
  child.on('close', (code, signal) => {
    running.status = code ?? signal ?? ''
  })
  t.after(() => child.kill('SIGKILL'))
  return running
}

const started = (running: Running) =>
  until(() => /event=started/.test(running.stderr) || running.status !== undefined, 30_000)
const ended = (running: Running) => until(() => running.status !== undefined, 30_000)

const head =
  'hostname = "localhost"\ndomains = ["example.org"]\n[tls]\ncertificate = "mail.crt"\nkey = "mail.key"\n'

function place(t: TestContext, listeners: string): { file: string; directory: string } {
  const directory = temporaryDirectory(t)
  const file = join(directory, 'mail.toml')
  writeFileSync(file, head + listeners)
  writeFileSync(join(directory, 'users'), '')
  copyFileSync('fixtures/tls/localhost.pem', join(directory, 'mail.crt'))
  copyFileSync('fixtures/tls/localhost-key.pem', join(directory, 'mail.key'))
  return { file, directory }
}

const none = '[smtpd]\nlisten = []\n[imapd]\nlisten = []\n'
const two =
  '[imapd]\nlisten = []\n[[smtpd.listen]]\naddress = "127.0.0.1:0"\nauth = "required"\n[[pop3d.listen]]\naddress = "127.0.0.1:0"\n'

/** The ports in the log, by daemon. */
function portsOf({ stderr }: Running): Record<string, number> {
  return Object.fromEntries(
    [...stderr.matchAll(/event=listening daemon=(\w+) .*?port=(\d+)/g)].map(([, name, port]) => [
      name,
      Number(port),
    ]),
  )
}

function greeting(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('data', chunk => {
      resolve(String(chunk))
      socket.destroy()
    })
    socket.once('error', reject)
  })
}

test('every daemon that has a listener is served, and SIGTERM ends it', async t => {
  const running = start(t, ['-c', place(t, two).file])
  await started(running)
  const ports = portsOf(running)
  assert.deepEqual(Object.keys(ports), ['smtpd', 'pop3d'], running.stderr)
  assert.match(await greeting(ports['smtpd'] ?? 0), /^220 localhost ESMTP/)
  assert.match(await greeting(ports['pop3d'] ?? 0), /^\+OK/)
  running.child.kill('SIGTERM')
  await ended(running)
  assert.equal(running.status, 0)
  assert.match(running.stderr, /event=stopping reason=SIGTERM/)
  assert.equal(running.stdout, '', 'nothing but messages, and those on stderr')
})

test('SIGINT says goodbye to who is connected, and ends with 0', async t => {
  const running = start(t, ['-c', place(t, two).file])
  await started(running)
  const socket = connect(portsOf(running)['smtpd'] ?? 0, '127.0.0.1')
  let got = ''
  let closed = false
  socket.on('data', chunk => {
    got += chunk
  })
  socket.on('close', () => {
    closed = true
  })
  await until(() => got !== '')
  running.child.kill('SIGINT')
  await ended(running)
  await until(() => closed)
  assert.match(got, /\r\n421 /)
  assert.equal(running.status, 0)
})

test('two SIGINTs at once, as a terminal and npm send them, are one', async t => {
  const running = start(t, ['-c', place(t, two).file])
  await started(running)
  running.child.kill('SIGINT')
  running.child.kill('SIGINT')
  await ended(running)
  assert.equal(running.status, 0)
  assert.match(running.stderr, /event=stopped/)
})

test('SIGHUP reads the configuration again', async t => {
  const { file } = place(t, two)
  const running = start(t, ['-c', file])
  await started(running)
  running.child.kill('SIGHUP')
  await until(() => /event=reloaded/.test(running.stderr))
  writeFileSync(file, `${head}${two}nonsense = true\n`)
  await until(() => /event=reload-failed reason=".*nonsense is unknown/.test(running.stderr))
  writeFileSync(file, head.replace('localhost', 'other.example.org') + two)
  await until(async () => /^220 other/.test(await greeting(portsOf(running)['smtpd'] ?? 0)))
})

test('nothing to serve, a broken configuration, none: exit 78', async t => {
  const cases = [
    [place(t, none).file, /names no listener/],
    [place(t, `${none}nonsense = 1`).file, /mail.toml:10: imapd.nonsense is unknown/],
    ['/nowhere/mail.toml', /\/nowhere\/mail.toml: there is no such file/],
    [
      place(t, '[[smtpd.listen]]\naddress = "0.0.0.0:2525"\ntrusted = ["0.0.0.0/0"]').file,
      /would be an open relay/,
    ],
  ] as const
  for (const [file, message] of cases) {
    const running = start(t, ['-c', file])
    await ended(running)
    assert.equal(running.status, 78)
    assert.match(running.stderr, message)
    assert.doesNotMatch(running.stderr, /\bat /, 'no stack')
  }
})

test('options of the demonstration alone are a wrong call', async t => {
  for (const argv of [
    ['--state', '/tmp'],
    ['--port-offset', '1'],
    ['--demo', '--port-offset', 'x'],
    ['operand'],
  ]) {
    const running = start(t, argv)
    await ended(running)
    assert.equal(running.status, 64, argv.join(' '))
  }
})

/** Starts the suite as systemd does: with sockets from 3 up, and their names. */
async function activated(
  t: TestContext,
  listeners: (ports: number[]) => string,
  names: string,
): Promise<[Running, Server[]]> {
  const servers = await Promise.all([listening(), listening()])
  t.after(() => {
    for (const server of servers) server.close()
  })
  const { file } = place(t, listeners(servers.map(portOf)))
  const script = `LISTEN_PID=$$ exec "${process.execPath}" dist/bin/mail-suite.cjs -c "${file}"`
  const fds = servers.map(server => (server as unknown as { _handle: { fd: number } })._handle.fd)
  const child = spawn('sh', ['-c', script], {
    stdio: ['ignore', 'pipe', 'pipe', ...fds],
    env: { ...process.env, LISTEN_FDS: '2', LISTEN_FDNAMES: names },
  })
  const running: Running = { child, stdout: '', stderr: '', status: undefined }
  child.stderr?.on('data', chunk => {
    running.stderr += chunk
  })
  child.on('close', code => {
    running.status = code ?? ''
  })
  t.after(() => child.kill('SIGKILL'))
  await until(() => /event=started/.test(running.stderr) || running.status !== undefined, 30_000)
  return [running, servers]
}

const door = (table: string, port: number, more = '') =>
  `[[${table}.listen]]\naddress = "127.0.0.1:${port}"\n${more}`
const noImap = '[imapd]\nlisten = []\n'

test("systemd's sockets are taken by name, and the rest in order; none is opened twice", async t => {
  const [running, servers] = await activated(
    t,
    ([a = 0, b = 0]) =>
      noImap + door('smtpd', b, 'socket = "submission"\nauth = "required"\n') + door('pop3d', a),
    'pop3:submission',
  )
  const [a = 0, b = 0] = servers.map(portOf)
  assert.deepEqual(portsOf(running), { smtpd: b, pop3d: a }, running.stderr)
})

test("systemd's sockets in another order than the listeners: exit 78", async t => {
  const [running] = await activated(
    t,
    ([a = 0, b = 0]) => noImap + door('smtpd', b) + door('pop3d', a),
    'x:x',
  )
  assert.equal(running.status, 78)
  assert.match(
    running.stderr,
    /systemd handed over port \d+ for the listener 127.0.0.1:\d+; put the ListenStream/,
  )
})

test('a process that systemd started goes when nobody comes', async t => {
  const idle = 'idle_exit = "50ms"\n'
  const [running, servers] = await activated(
    t,
    ([a = 0, b = 0]) => `${noImap}[smtpd]\n${idle}[pop3d]\n${idle}${door('smtpd', a)}${door('pop3d', b)}`,
    'x:x',
  )
  await ended(running)
  assert.equal(running.status, 0, running.stderr)
  assert.match(running.stderr, /event=stopping reason=idle/)
  // The sockets are systemd's: who comes now waits for the next start.
  assert.ok(servers.every(server => server.listening))
})

async function listening(): Promise<Server> {
  const server = createServer()
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  return server
}

function portOf(server: Server): number {
  const address = server.address()
  return typeof address === 'object' && address ? address.port : 0
}
