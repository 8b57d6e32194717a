/**
 * SMTP in to Maildirs, synced: mail-smtpd, and Debian's Postfix with Dovecot's LMTP, by turns under Postfix's own
 * smtp-source. The time runs until the last message is in its mailbox; CPU is that of all the servers' processes. The
 * floor of one session, below which nobody comes on this machine: the client's own time, as smtp-sink keeps nothing,
 * and the disk's, as each message waits for both in turn.
 * `npm run bench:smtp [-- COUNT [ROUNDS [LINES]]]`: LINES is a pattern of the lines wanted. Needs root.
 */
import { execFile, spawn, spawnSync } from 'node:child_process'
import {
  closeSync,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
  writeSync,
} from 'node:fs'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { bringOutHere } from '../../lib/sys/direct.js'
import { Dovecot, mailUser, noDovecot } from '../support/dovecot.js'
import { cpuSeconds, type Figure, median, peakOf } from '../support/measure.js'
import { makePlace } from '../support/place.js'
import { noPostfix, Postfix } from '../support/postfix.js'
import { Program } from '../support/program.js'

const count = Number(process.argv[2] ?? 1_000)
const rounds = Number(process.argv[3] ?? 3)
const wanted = new RegExp(process.argv[4] ?? '')
const users = Math.max(count, 100)
const domain = 'ilnmors.internal'
const run = promisify(execFile)

const skip = noPostfix() || noDovecot()
if (skip) {
  process.stdout.write(`bench:smtp is skipped: ${skip}\n`)
  process.exit(0)
}

// smtp-source numbers its recipients: u, 1u, 2u …
const names = Array.from({ length: users + 1 }, (_, i) => `${i || ''}u`)
const place = makePlace('[[smtpd.listen]]\naddress = "127.0.0.1:0"\ntls = "off"\nauth = "off"')
writeFileSync(join(place.directory, 'users'), names.map(name => `${name}:{PLAIN}pw\n`).join(''))
spawnSync('chown', ['-R', `${mailUser}:${mailUser}`, place.directory])
const peerHome = (name: string) => join(place.directory, 'peer', name)

const smtpd = await Program.start('mail-smtpd', place.config, { owner: mailUser })
const dovecot = await Dovecot.start({ homes: Object.fromEntries(names.map(name => [name, peerHome(name)])) })
const postfix = await Postfix.start({
  main: `virtual_mailbox_domains = ${domain}
virtual_mailbox_maps = static:here
virtual_transport = lmtp:inet:127.0.0.1:${dovecot.lmtp}
smtpd_tls_security_level = none`,
  listeners: { smtp: '127.0.0.1:PORT inet n - n - - smtpd' },
})
const postfixPid = Number(readFileSync(join(postfix.directory, 'spool', 'pid', 'master.pid'), 'latin1'))

interface Server {
  readonly port: number
  readonly roots: readonly number[]
  /** Resolves when all that was accepted is in its mailbox. */
  settled(): Promise<void>
  newMail(name: string): string
  log(): string
}

const servers: readonly [Server, Server] = [
  {
    port: smtpd.ports('smtpd')[0] as number,
    roots: [smtpd.pid],
    settled: async () => {},
    newMail: name => join(place.maildir(name), 'new'),
    log: () => smtpd.log,
  },
  {
    port: postfix.ports.smtp as number,
    roots: [postfixPid, dovecot.pid],
    settled: async () => {
      while (['maildrop', 'incoming', 'active'].some(queue => queued(queue)))
        await new Promise(resolve => setTimeout(resolve, 5))
    },
    newMail: name => join(peerHome(name), 'Maildir', 'new'),
    log: () => postfix.log + dovecot.log,
  },
]

function queued(queue: string): boolean {
  const directory = join(postfix.directory, 'spool', queue)
  return existsSync(directory) && readdirSync(directory).length > 0
}

function delivered(server: Server): number {
  let sum = 0
  for (const name of names)
    if (existsSync(server.newMail(name))) sum += readdirSync(server.newMail(name)).length
  return sum
}

interface Load {
  readonly sessions: number
  readonly size: number
  readonly messages: number
  /** Recipients of each message; each message has its own one otherwise. */
  readonly recipients?: number
}

async function send(server: Server, load: Load): Promise<Figure> {
  const before = delivered(server)
  const cpu = cpuOf(server)
  const start = performance.now()
  await run('/usr/sbin/smtp-source', [
    ...['-d', '-s', String(load.sessions), '-m', String(load.messages), '-l', String(load.size)],
    ...(load.recipients === undefined ? ['-N'] : ['-r', String(load.recipients)]),
    ...['-f', 'sender@x.example', '-t', `u@${domain}`, `127.0.0.1:${server.port}`],
  ])
  await server.settled()
  const wall = (performance.now() - start) / 1000
  await new Promise(resolve => setTimeout(resolve, 50))
  const figure = { wall, cpu: cpuOf(server) - cpu }
  const arrived = delivered(server) - before
  const expected = load.messages * (load.recipients ?? 1)
  if (arrived !== expected)
    throw new Error(`${arrived} of ${expected} messages arrived\n${server.log().slice(-2_000)}`)
  return figure
}

function cpuOf({ roots }: Server): number {
  return roots.reduce((sum, root) => sum + cpuSeconds(root), 0)
}

async function compare(what: string, load: Load): Promise<void> {
  if (!wanted.test(what)) return
  const figures: [Figure[], Figure[]] = [[], []]
  for (let round = 0; round < rounds; round++)
    for (const [i, server] of servers.entries()) figures[i]?.push(await send(server, load))
  const deliveries = load.messages * (load.recipients ?? 1)
  const [ours, theirs] = figures.map(each => ({
    rate: deliveries / median(each.map(({ wall }) => wall)),
    cpu: (median(each.map(({ cpu }) => cpu)) * 1000) / deliveries,
  })) as [Rate, Rate]
  const show = ({ rate, cpu }: Rate) => `${rate.toFixed(0)}/s ${cpu.toFixed(2)} ms`
  process.stdout.write(
    `${what.padEnd(32)} postern ${show(ours).padEnd(18)} postfix+dovecot ${show(theirs).padEnd(18)} ` +
      `delivered x${(ours.rate / theirs.rate).toFixed(1)}  cpu x${(ours.cpu / theirs.cpu).toFixed(2)}\n`,
  )
}

interface Rate {
  readonly rate: number
  readonly cpu: number
}

/** Milliseconds a message that smtp-source takes in one session with a server that keeps nothing. */
async function clientFloor(size: number): Promise<number> {
  const port = await freePort()
  const sink = spawn('/usr/sbin/smtp-sink', ['-u', 'nobody', `127.0.0.1:${port}`, '100'], { stdio: 'ignore' })
  const ended = new Promise(resolve => sink.once('exit', resolve))
  try {
    while (!(await answers(port))) {
      if (sink.exitCode !== null) throw new Error(`smtp-sink ended with ${sink.exitCode}`)
      await new Promise(resolve => setTimeout(resolve, 20))
    }
    const times: number[] = []
    for (let round = 0; round < rounds; round++) {
      const start = performance.now()
      await run('/usr/sbin/smtp-source', [
        ...['-d', '-s', '1', '-m', String(count), '-l', String(size), '-N'],
        ...['-f', 'sender@x.example', '-t', `u@${domain}`, `127.0.0.1:${port}`],
      ])
      times.push((performance.now() - start) / count)
    }
    return median(times)
  } finally {
    sink.kill()
    await ended
  }
}

/** Milliseconds a file takes that is written, brought to disk, renamed and synced, each in a directory of its own. */
function diskFloor(size: number): number {
  const directory = join(place.directory, 'floor')
  const octets = Buffer.alloc(size, 'x')
  for (const name of names) mkdirSync(join(directory, name), { recursive: true })
  const times: number[] = []
  for (let round = 0; round < rounds; round++) {
    const start = performance.now()
    for (let i = 0; i < count; i++) {
      const path = join(directory, names[i] as string, `tmp-${round}`)
      const fd = openSync(path, 'wx', 0o600)
      writeSync(fd, octets)
      bringOutHere(path, size)
      renameSync(path, join(directory, names[i] as string, `new-${round}`))
      fsyncSync(fd)
      closeSync(fd)
    }
    times.push((performance.now() - start) / count)
  }
  rmSync(directory, { recursive: true })
  return median(times)
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const address = server.address()
      server.close(() => resolve(typeof address === 'object' && address ? address.port : 0))
    })
  })
}

function answers(port: number): Promise<boolean> {
  return new Promise(resolve => {
    const socket = connect(port, '127.0.0.1')
    const end = (answered: boolean) => {
      socket.destroy()
      resolve(answered)
    }
    socket.once('data', () => end(true)).once('error', () => end(false))
  })
}

async function showFloor(): Promise<void> {
  const client = await clientFloor(4_096)
  const disk = diskFloor(4_400)
  process.stdout.write(
    `${'floor of 1 session, 4 KiB'.padEnd(32)} ${(1000 / (client + disk)).toFixed(0)}/s: ` +
      `client ${client.toFixed(2)} ms, disk ${disk.toFixed(2)} ms a message\n`,
  )
}

process.stdout.write(`${count} messages, ${rounds} rounds, medians; deliveries a second, CPU a delivery\n`)
try {
  // Makes the mailboxes, and the servers warm.
  for (const server of servers) await send(server, { sessions: 10, size: 4_096, messages: users })
  for (const sessions of [1, 20, 100])
    await compare(`4 KiB, ${sessions} session${sessions > 1 ? 's' : ''}`, {
      sessions,
      size: 4_096,
      messages: count,
    })
  if (wanted.test('4 KiB, 1 session')) await showFloor()
  const few = Math.ceil(count / 10)
  await compare('4 KiB, 50 recipients, 4 sessions', {
    sessions: 4,
    size: 4_096,
    messages: few,
    recipients: 50,
  })
  await compare('100 KiB, 20 sessions', { sessions: 20, size: 102_400, messages: Math.ceil(count / 2) })
  process.stdout.write(`postern's memory at its highest: ${(peakOf(smtpd.pid) / 2 ** 20).toFixed(0)} MiB\n`)
} finally {
  await smtpd.stop()
  await postfix.stop()
  await dovecot.stop()
  place.remove()
}
