/**
 * Fetching 10,000 messages (176 MB) from Debian's Dovecot into an empty Maildir: mail-fetch and mbsync by turns, both
 * with every file on disk before it counts; then a run with nothing new; then how long a new message takes with
 * --watch, and the memory that all of it needs.
 *
 *     node dist/tree/test/bench/fetch.bench.js [messages [rounds [many]]]
 *
 * With `many`, at last the most memory that so many small messages need, and a tenth of them, first and again.
 */
import { spawn, spawnSync } from 'node:child_process'
import { chmodSync, existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { put } from '../fetch/world.js'
import { Dovecot, mailUser, noDovecot } from '../support/dovecot.js'
import { fillMaildir } from '../support/generator.js'
import { type Figure, measure, median, report } from '../support/measure.js'
import { makePlace, type Place } from '../support/place.js'
import { commandPath, has, Program } from '../support/program.js'
import { until } from '../support/world.js'

const count = Number(process.argv[2] ?? 10_000)
const rounds = Number(process.argv[3] ?? 3)
const many = Number(process.argv[4] ?? 0)

const why = noDovecot() || (has('mbsync') ? '' : 'mbsync is not installed')
if (why) {
  process.stdout.write(`not measured: ${why}\n`)
  process.exit(0)
}

// Nothing is removed before the end: for minutes after, ext4 looks at each file that was removed nearby before it
// makes a new one, and whoever comes next pays for it.
const root = mkdtempSync(join(tmpdir(), 'fetch-bench-'))
chmodSync(root, 0o755)
process.env.TMPDIR = root
const remote = join(root, 'provider')
const crowds = [many / 10, many].filter(each => each > 0)
const homes = Object.fromEntries(crowds.map((_, i) => [`crowd${i}`, join(root, `crowd${i}`)]))
const dovecot = await Dovecot.start({ homes: { alice: remote, ...homes } })
const size = fillMaildir(join(remote, 'Maildir'), count, { owner: mailUser, sizes: true })
spawnSync('chown', ['-R', `${mailUser}:${mailUser}`, remote])
process.stdout.write(`${count} messages, ${(size / 1e6).toFixed(0)} MB\n`)

/** A program that is waited for. @returns the most memory it had, in KiB */
function run(command: string, args: readonly string[]): Promise<number> {
  const child = spawn('/usr/bin/time', ['-f', '%M', command, ...args], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let said = ''
  child.stderr.on('data', chunk => {
    said += chunk
  })
  return new Promise((resolve, reject) => {
    child.on('exit', code => {
      if (code === 0) resolve(Number(said.trim().split('\n').at(-1)))
      else reject(new Error(`${command} ended with ${code}: ${said}`))
    })
  })
}

interface Side {
  readonly first: Figure[]
  readonly again: Figure[]
  readonly memory: number[]
}
const ours: Side = { first: [], again: [], memory: [] }
const theirs: Side = { first: [], again: [], memory: [] }

async function measureSide(side: Side, fetch: () => Promise<number>): Promise<void> {
  let memory = 0
  const kept = async () => {
    memory = await fetch()
  }
  side.first.push(await measure(process.pid, kept))
  side.memory.push(memory)
  side.again.push(await measure(process.pid, kept))
}

function ourPlace(user = 'alice', port = dovecot.imap, password = 'pw'): Place {
  return makePlace(`
[fetch.bench]
host = "127.0.0.1:${port}"
tls = "off"
user = "${user}"
password_command = "echo ${password}"
into = "alice@ilnmors.internal"
every = "1h"
`)
}

function mbsyncConfig(place: string): string {
  const config = join(place, 'mbsyncrc')
  writeFileSync(
    config,
    `FSync yes
IMAPStore far
Host 127.0.0.1
Port ${dovecot.imap}
User alice
Pass pw
SSLType None
AuthMechs LOGIN

MaildirStore near
Path ${place}/
Inbox ${place}/INBOX
SubFolders Verbatim

Channel all
Far :far:
Near :near:
Patterns INBOX
Sync Pull
Create Near
CopyArrivalDate yes
SyncState *
`,
  )
  return config
}

for (let round = 0; round < rounds; round++) {
  const place = ourPlace()
  await measureSide(ours, () => run(process.execPath, [commandPath('mail-fetch'), '-c', place.config]))
  const here = readdirSync(join(place.maildir('alice'), 'cur')).length
  if (here !== count) throw new Error(`there are ${here} messages`)
  const other = mkdtempSync(join(root, 'mbsync-'))
  const config = mbsyncConfig(other)
  await measureSide(theirs, () => run('mbsync', ['-c', config, '-q', 'all']))
}
report(`${count} messages`, ours.first, theirs.first, 'mbsync')
report('nothing new', ours.again, theirs.again, 'mbsync')
const memory = (side: Side) => `${(median(side.memory) / 1024).toFixed(0)} MiB`
process.stdout.write(`most memory: postern ${memory(ours)}, mbsync ${memory(theirs)}\n`)

/** A provider whose INBOX is watched. */
interface Watched {
  readonly port: number
  readonly user: string
  readonly password: string
  /** What is there already. */
  readonly count: number
  /** Lets a message arrive. @returns when, in milliseconds since 1970 */
  deliver(number: number): number
}

/** Tells when a server says in IDLE that something came: what of the time is not ours. */
async function listen({ port, user, password }: Watched): Promise<{ heard(): number; close(): void }> {
  const socket = connect(port, '127.0.0.1')
  let said = ''
  let heard = 0
  socket.on('data', chunk => {
    said += chunk
    if (chunk.includes(' EXISTS')) heard = Date.now()
  })
  socket.write(`1 LOGIN ${user} "${password}"\r\n2 EXAMINE INBOX\r\n`)
  await until(() => said.includes('2 OK'), 20_000)
  socket.write('3 IDLE\r\n')
  await until(() => /^\+/m.test(said.slice(said.indexOf('2 OK'))), 20_000)
  return { heard: () => heard, close: () => socket.destroy() }
}

/** From a message's arrival at the provider: until the provider tells, and until it is in the Maildir here. */
async function watchLatency(provider: Watched): Promise<{ told: number[]; here: number[] }> {
  const place = ourPlace(provider.user, provider.port, provider.password)
  const child = spawn(process.execPath, [commandPath('mail-fetch'), '-c', place.config, '--watch'], {
    stdio: 'ignore',
  })
  const directory = join(place.maildir('alice'), 'cur')
  const number = () => (existsSync(directory) ? readdirSync(directory).length : 0)
  await until(() => number() === provider.count, 120_000)
  const { heard, close } = await listen(provider)
  await delay(1_000)
  const times: { told: number[]; here: number[] } = { told: [], here: [] }
  for (let i = 0; i < 9; i++) {
    const before = number()
    const began = provider.deliver(i)
    await until(() => number() > before, 20_000)
    times.here.push(Date.now() - began)
    await until(() => heard() > began, 20_000)
    times.told.push(heard() - began)
    await delay(300)
  }
  close()
  child.kill()
  await new Promise(resolve => child.on('exit', resolve))
  place.remove()
  return times
}

function byLmtp(number: number): number {
  const script = `import smtplib,time
s=smtplib.LMTP('127.0.0.1',${dovecot.lmtp});s.sendmail('a@b',['alice'],'Subject: ${number}\\r\\n\\r\\nx\\r\\n');print(time.time())`
  return Number(spawnSync('python3', ['-c', script], { encoding: 'utf8' }).stdout) * 1000
}

async function reportLatency(name: string, provider: Watched): Promise<void> {
  const { told, here } = await watchLatency(provider)
  const ours = here.map((time, i) => time - (told[i] as number))
  process.stdout.write(
    `--watch, ${name}: told after ${Math.round(median(told))} ms, here after ${Math.round(median(here))} ms, ` +
      `ours ${Math.round(median(ours))} ms (${ours.map(Math.round).join(' ')})\n`,
  )
}

await reportLatency('Dovecot', {
  port: dovecot.imap,
  user: 'alice',
  password: 'pw',
  count,
  deliver: byLmtp,
})
const far = makePlace('[imapd]\nlisten = [{ address = "127.0.0.1:0", tls = "off" }]')
fillMaildir(far.maildir('alice'), 1_000)
const server = await Program.start('mail-imapd', far.config)
await reportLatency('mail-imapd', {
  port: server.ports('imapd')[0] as number,
  user: 'alice',
  password: 'wonderland',
  count: 1_000,
  deliver: number => {
    writeFileSync(join(far.maildir('alice'), 'new', `190000000${number}.M1P1.there`), 'Subject: new\n\nx\n')
    return Date.now()
  },
})
await server.stop()
far.remove()

/** The most memory of a first run over many small messages, and of one that finds nothing new, in MiB. */
async function crowd(user: string, size: number): Promise<number[]> {
  put(
    join(root, user, 'Maildir'),
    (function* () {
      for (let number = 1; number <= size; number++) yield number
    })(),
  )
  const place = ourPlace(user)
  const fetch = () => run(process.execPath, [commandPath('mail-fetch'), '-c', place.config])
  const peaks = [await fetch(), await fetch()]
  place.remove()
  return peaks.map(peak => Math.round(peak / 1024))
}
for (const [i, size] of crowds.entries()) {
  const [first, again] = await crowd(`crowd${i}`, size)
  process.stdout.write(`${size} small messages: most memory ${first} MiB, with nothing new ${again} MiB\n`)
}
await dovecot.stop()
rmSync(root, { recursive: true, force: true })
