/** mail-user who, kick and last, as they are typed, beside a real mail-imapd. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { Daemon } from '../../lib/command/daemon.js'
import { imapService } from '../../lib/command/imapd.js'
import { LastLogins, readLastLogins } from '../../lib/command/last-logins.js'
import { temporaryDirectory, until } from '../support/world.js'

async function stage(t: TestContext) {
  const directory = temporaryDirectory(t)
  const file = join(directory, 'mail.toml')
  writeFileSync(
    file,
    'hostname = "localhost"\ndomains = ["example.org"]\n[users]\nhome = "home/%n"\n[runtime]\ndirectory = "run"\n' +
      '[[imapd.listen]]\naddress = "127.0.0.1:0"\ntls = "off"\n',
  )
  writeFileSync(
    join(directory, 'users'),
    'me:{PLAIN}one::::::\nme:{PLAIN}two::::::postern_label=phone\nyou:{PLAIN}three::::::\n',
  )
  const daemon = await Daemon.start({ services: [imapService], file, log: { write: () => {} }, watch: false })
  t.after(() => daemon.stop(0))
  const port = daemon.ports('imapd')[0] as number
  const run = (...words: string[]): Promise<{ status: number; stdout: string; stderr: string }> =>
    new Promise(resolve => {
      execFile(process.execPath, ['dist/bin/mail-user.cjs', ...words, '-c', file], (error, stdout, stderr) =>
        resolve({ status: error ? Number(error.code) : 0, stdout, stderr }),
      )
    })
  return { directory, daemon, port, run }
}

/** An IMAP session that has logged in and said something more; `said` grows. */
async function session(t: TestContext, port: number, login: string, more = 'NOOP') {
  const socket: Socket = connect(port, '127.0.0.1')
  t.after(() => socket.destroy())
  const heard = { said: '', ended: false }
  socket.on('data', chunk => {
    heard.said += chunk
  })
  socket.on('error', () => {})
  socket.on('close', () => {
    heard.ended = true
  })
  socket.write(`a LOGIN ${login}\r\nb ${more}\r\n`)
  await until(() => /^(b OK|\+ )/m.test(heard.said), 20_000)
  return heard
}

test('who lists sessions, kick ends them, last remembers them', async t => {
  const { directory, daemon, port, run } = await stage(t)
  const first = await session(t, port, 'me two', 'IDLE')
  const second = await session(t, port, 'you@example.org three')
  const third = await session(t, port, 'you three')
  const list = await run('who')
  assert.deepEqual([list.status, list.stderr], [0, ''])
  const rows = list.stdout
    .trimEnd()
    .split('\n')
    .map(line => line.split('\t'))
  assert.deepEqual(
    rows.map(([user, name, address, , , special]) => [user, name, address, special]),
    [
      ['me@example.org', 'imapd', '127.0.0.1', 'app=phone idle'],
      ['you@example.org', 'imapd', '127.0.0.1', '-'],
      ['you@example.org', 'imapd', '127.0.0.1', '-'],
    ],
  )
  assert.match(rows[0]?.[3] ?? '', /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$/)
  assert.equal(JSON.parse((await run('who', '--json', 'ME')).stdout).app, 'phone')
  const gone = await run('kick', rows[2]?.[4] as string)
  assert.deepEqual([gone.status, gone.stderr.split(' ')[1]], [0, '1'])
  await until(() => third.ended)
  assert.match(third.said, /^\* BYE /m)
  assert.equal(second.ended, false)
  await run('kick', 'you', 'me')
  await until(() => first.ended && second.ended)
  assert.equal((await run('kick', 'you')).status, 67)
  await daemon.stop(0)
  const nobody = await run('who')
  assert.deepEqual([nobody.status, nobody.stdout], [0, ''])
  assert.match(nobody.stderr, /no server answers/)
  const last = await run('last', 'me')
  assert.match(last.stdout, /^me@example\.org\timap\t127\.0\.0\.1\t[\d-]{10} [\d:]{8}\tphone\n$/)
  assert.equal((await run('last')).stdout.split('\n').length, 3)
  assert.equal((await run('last', 'nobody')).status, 67)
  assert.match(readFileSync(join(directory, 'home/you/logins/imap'), 'utf8'), /^\{"protocol":"imap"/)
})

test('of logins the newest fifty are kept, one from each place', async t => {
  const home = temporaryDirectory(t)
  mkdirSync(join(home, 'logins'))
  writeFileSync(join(home, 'logins/imap'), '{"protocol":"imap","address":"::1","time":5}\nnonsense\n')
  let now = 0
  const logins = new LastLogins(
    () => home,
    () => ++now,
  )
  const login = (address: string, how?: string) =>
    logins.observe('login', { user: 'me', protocol: 'imap', address, how }, {})
  for (let i = 0; i < 60; i++) login(`192.0.2.${i}`, 'password')
  login('192.0.2.59', 'memory')
  login('192.0.2.200')
  await logins.write()
  const all = await readLastLogins(home)
  assert.equal(all.length, 50)
  assert.deepEqual(all[0], { protocol: 'imap', address: '192.0.2.59', time: 61 })
  assert.ok(!all.some(({ address }) => address === '::1' || address === '192.0.2.200'))
})
