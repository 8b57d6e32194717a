/** mail-suite --demo as people run it: the built command, on ports that are free. */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { connect } from 'node:tls'
import { demoPorts } from '../../lib/setup/demo.js'
import { temporaryDirectory, until } from '../support/world.js'

interface Run {
  readonly child: ChildProcess
  readonly offset: number
  out: string
  err: string
  status: number | string | undefined
}

function launch(t: TestContext, state: string, offset: number): Run {
  const argv = ['dist/bin/mail-suite.cjs', '--demo', '--state', state, '--port-offset', String(offset)]
  const child = spawn(process.execPath, argv, { stdio: ['ignore', 'pipe', 'pipe'] })
  const run: Run = { child, offset, out: '', err: '', status: undefined }
  child.stdout.on('data', chunk => {
    run.out += chunk
  })
  child.stderr.on('data', chunk => {
    run.err += chunk
  })
  child.on('close', (code, signal) => {
    run.status = code ?? signal ?? ''
  })
  t.after(() => child.kill('SIGKILL'))
  return run
}

/** Starts on other ports until all of them are free. */
async function start(t: TestContext, state: string): Promise<Run> {
  for (;;) {
    const run = launch(t, state, 10_000 + Math.floor(Math.random() * 20_000))
    await until(() => run.out.includes('Ctrl-C ends it') || run.status !== undefined, 60_000)
    if (run.status !== 69) return run
  }
}

async function stop(run: Run, signal: NodeJS.Signals): Promise<number | string | undefined> {
  run.child.kill(signal)
  await until(() => run.status !== undefined, 30_000)
  return run.status
}

/** One IMAP session over TLS, all commands at once. */
function imap(run: Run, ca: string, ...commands: string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: 'localhost', port: 2993 + run.offset, ca: readFileSync(ca) })
    let got = ''
    socket.on('data', chunk => {
      got += chunk
    })
    socket.on('end', () => resolve(got))
    socket.on('error', reject)
    socket.write(commands.map((command, i) => `a${i} ${command}\r\n`).join(''))
  })
}

test('a first start shows all one needs; a second goes on with the same users and mail', async t => {
  const state = join(temporaryDirectory(t), 'demo')
  const first = await start(t, state)
  assert.equal(first.status, undefined, first.err)
  const [, password = ''] = /^ {2}Password +(\S+)$/m.exec(first.out) ?? []
  for (const port of [2465, 2587, 2993, 2143])
    assert.match(first.out, new RegExp(`port ${port + first.offset}\\b`))
  const ca = join(state, 'tls/ca.crt')
  const login = `LOGIN alice@ilnmors.internal ${password}`
  const seen = await imap(
    first,
    ca,
    login,
    'SELECT INBOX',
    'FETCH 1 BODY[HEADER.FIELDS (SUBJECT)]',
    'CREATE Kept',
    'LOGOUT',
  )
  assert.match(seen, /\r\nSubject: Welcome to Postern\r\n/)
  assert.match(seen, /\r\na3 OK/)
  assert.equal(await stop(first, 'SIGINT'), 0)

  const second = await start(t, state)
  assert.equal(second.status, undefined, second.err)
  assert.doesNotMatch(second.out + second.err, new RegExp(password), 'the password was shown once')
  const kept = await imap(second, ca, login, 'STATUS INBOX (MESSAGES)', 'STATUS Kept (MESSAGES)', 'LOGOUT')
  assert.match(kept, /STATUS INBOX \(MESSAGES 1\)/)
  assert.match(kept, /STATUS Kept \(MESSAGES 0\)/)

  const rival = launch(t, state, second.offset)
  await until(() => rival.status !== undefined, 30_000)
  assert.equal(rival.status, 69)
  assert.match(rival.err, new RegExp(`port ${2525 + second.offset} on 127.0.0.1 is taken .*--port-offset`))
  assert.equal(await stop(second, 'SIGTERM'), 0)
})

test('the curl line holds no password, and the file it names does', async t => {
  const state = join(temporaryDirectory(t), 'with space')
  const run = await start(t, state)
  const line = /^ {2}(curl .*)$/m.exec(run.out)?.[1] ?? ''
  const [, token = '?'] = /password (\S+)/.exec(readFileSync(join(state, 'netrc'), 'utf8')) ?? []
  assert.ok(line.includes(`--netrc-file '${state}/netrc' --cacert '${state}/tls/ca.crt'`), line)
  assert.ok(!line.includes(token))
  const ca = join(state, 'tls/ca.crt')
  assert.match(await imap(run, ca, `LOGIN alice@ilnmors.internal ${token}`, 'LOGOUT'), /a0 OK/)
  await stop(run, 'SIGINT')
})

test('a port that is taken is named before anything is made', async t => {
  const state = join(temporaryDirectory(t), 'demo')
  const last = demoPorts.filter(({ server }) => server === 'imapd').at(-1)?.port ?? 0
  const other = createServer()
  await new Promise<void>(resolve => other.listen(0, '127.0.0.1', resolve))
  t.after(() => other.close())
  const taken = (other.address() as { port: number }).port
  const run = launch(t, state, taken - last)
  await until(() => run.status !== undefined, 30_000)
  assert.equal(run.status, 69)
  assert.match(run.err, /^mail-suite: port \d+ on 127.0.0.1 is taken by another program/)
  assert.match(run.err, /--port-offset/)
  assert.throws(() => readFileSync(join(state, 'mail.toml')), { code: 'ENOENT' })
})

test('after kill -9 the next start waits for the lock to be let go', async t => {
  const state = join(temporaryDirectory(t), 'demo')
  const first = await start(t, state)
  assert.equal(await stop(first, 'SIGKILL'), 'SIGKILL')
  const second = await start(t, state)
  assert.equal(second.status, undefined, second.err)
  assert.equal(await stop(second, 'SIGINT'), 0)
})
