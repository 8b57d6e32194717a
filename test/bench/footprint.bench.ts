/**
 * Memory (PSS) of idle servers: mail-suite with every daemon, the daemons apart, and Postfix with Dovecot. Ours run on a
 * copy of node, so that other programs of this machine share no page with them; "used" is after a message in, a login by
 * IMAP, by POP3 and by ManageSieve each, and the time it takes until helpers have gone home.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { copyFileSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Dovecot, noDovecot } from '../support/dovecot.js'
import { pssKiB } from '../support/measure.js'
import { makePlace } from '../support/place.js'
import { noPostfix, Postfix } from '../support/postfix.js'
import { commandPath } from '../support/program.js'
import { until } from '../support/world.js'

const daemons = ['smtpd', 'imapd', 'pop3d', 'sieved', 'relay'] as const
const ports = { smtpd: 0, imapd: 0, pop3d: 0, sieved: 0 }
const settle = Number(process.argv[2] ?? 60) * 1_000
/** What the project has promised, in MiB. */
const limits = { suite: 85, daemon: 60 }

const copies = mkdtempSync(join(tmpdir(), 'footprint-'))
const node = join(copies, 'node')
copyFileSync(process.execPath, node)

async function freePort(): Promise<number> {
  const { createServer } = await import('node:net')
  const server = createServer()
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  await new Promise(resolve => server.close(resolve))
  return port
}

async function makeServer() {
  for (const name of ['smtpd', 'imapd', 'pop3d', 'sieved'] as const) ports[name] = await freePort()
  const doors = Object.entries(ports).map(
    ([name, port]) => `[[${name}.listen]]\naddress = "127.0.0.1:${port}"\ntls = "offered"\n`,
  )
  const place = makePlace(
    `${doors.join('')}[queue]\ndirectory = "queue"\n[runtime]\ndirectory = "run"\n` +
      '[relay]\nhost = "127.0.0.1:9"\ntls = "off"\n[metrics]\ntextfile = "postern.prom"\n',
  )
  const hash = spawnSync(process.execPath, [commandPath('mail-user'), 'add', '-c', place.config, 'carol'], {
    input: 'pw\n',
  })
  if (hash.status !== 0) throw new Error(String(hash.stderr))
  return place
}

async function start(name: string, config: string): Promise<ChildProcess> {
  const child = spawn(node, [...flags(), commandPath(`mail-${name}`), '-c', config], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let log = ''
  child.stderr?.on('data', chunk => {
    log += chunk
  })
  await until(() => / event=started /.test(log) || child.exitCode !== null, 30_000)
  if (child.exitCode !== null) throw new Error(log)
  return child
}

function flags(): string[] {
  return (process.env['FOOTPRINT_FLAGS'] ?? '').split(' ').filter(Boolean)
}

/** Says lines, each after an answer to the one before. */
async function talk(port: number, lines: readonly string[]): Promise<void> {
  const socket = connect(port, '127.0.0.1')
  let heard = 0
  socket.on('data', () => heard++)
  socket.on('error', () => {})
  await until(() => heard > 0, 20_000)
  for (const line of lines) {
    const before = heard
    socket.write(`${line}\r\n`)
    await until(() => heard > before || socket.destroyed, 20_000)
  }
  socket.destroy()
}

async function use(): Promise<void> {
  const plain = Buffer.from('\0carol\0pw').toString('base64')
  const to = '<carol@ilnmors.internal>'
  await talk(ports.smtpd, [
    'EHLO x',
    `AUTH PLAIN ${plain}`,
    `MAIL FROM:${to}`,
    `RCPT TO:${to}`,
    'DATA',
    'Subject: x\r\n\r\nx\r\n.',
    'QUIT',
  ])
  await talk(ports.imapd, ['a LOGIN carol pw', 'b SELECT INBOX', 'c FETCH 1 (ENVELOPE BODY[])', 'd LOGOUT'])
  await talk(ports.pop3d, ['USER carol', 'PASS pw', 'RETR 1', 'QUIT'])
  await talk(ports.sieved, [`AUTHENTICATE "PLAIN" "${plain}"`, 'LISTSCRIPTS', 'LOGOUT'])
}

const sleep = (ms: number) => new Promise(resolve => setTimeout(resolve, ms))

async function ours(names: readonly string[]): Promise<void> {
  const place = await makeServer()
  const children: ChildProcess[] = []
  try {
    for (const name of names) children.push(await start(name, place.config))
    await sleep(5_000)
    const fresh = children.map(child => pssKiB(child.pid as number))
    await use()
    await sleep(settle)
    const used = children.map(child => pssKiB(child.pid as number))
    const resident = children.map(child => residentKiB(child.pid as number))
    for (const [i, name] of names.entries())
      row(`mail-${name}`, fresh[i] as number, used[i] as number, resident[i] as number, limitOf(name))
    if (names.length > 1) row('together', sum(fresh), sum(used))
  } finally {
    for (const child of children) {
      child.kill('SIGTERM')
      await until(() => child.exitCode !== null || child.signalCode !== null, 20_000)
    }
    place.remove()
  }
}

function limitOf(name: string): number {
  return name === 'suite' ? limits.suite : limits.daemon
}

function residentKiB(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1])
}

const sum = (numbers: readonly number[]) => numbers.reduce((total, each) => total + each, 0)
const mib = (kib: number | undefined) => (kib === undefined ? '' : (kib / 1_024).toFixed(1)).padStart(8)

function row(name: string, fresh: number, used: number, resident?: number, limit?: number): void {
  const verdict =
    limit === undefined ? '' : `  ${Math.max(fresh, used) / 1_024 <= limit ? 'within' : 'OVER'} ${limit}`
  process.stdout.write(`${name.padEnd(22)}${mib(fresh)}${mib(used)}${mib(resident)}${verdict}\n`)
}

async function theirs(): Promise<void> {
  const reason = noPostfix() || noDovecot()
  if (reason) return void process.stdout.write(`Postfix + Dovecot: ${reason}\n`)
  const dovecot = await Dovecot.start({ homes: { carol: join(copies, 'carol') } })
  const postfix = await Postfix.start({ listeners: { smtp: 'PORT inet n - n - - smtpd' } })
  try {
    const master = Number(readFileSync(join(postfix.directory, 'spool/pid/master.pid'), 'latin1'))
    await sleep(5_000)
    const fresh = [pssKiB(master), pssKiB(dovecot.pid)]
    await talk(postfix.ports['smtp'] as number, ['EHLO x', 'QUIT'])
    await talk(dovecot.imap, ['a LOGIN carol pw', 'b SELECT INBOX', 'd LOGOUT'])
    await talk(dovecot.pop3, ['USER carol', 'PASS pw', 'QUIT'])
    await sleep(Math.min(settle, 15_000))
    const used = [pssKiB(master), pssKiB(dovecot.pid)]
    row('Postfix', fresh[0] as number, used[0] as number)
    row('Dovecot', fresh[1] as number, used[1] as number)
    row('together', sum(fresh), sum(used))
  } finally {
    await postfix.stop()
    await dovecot.stop()
  }
}

process.stdout.write(
  `${'MiB of PSS'.padEnd(22)}${'fresh'.padStart(8)}${'used'.padStart(8)}${'RSS'.padStart(8)}\n`,
)
try {
  await ours(['suite'])
  await ours(daemons)
  await theirs()
} finally {
  rmSync(copies, { recursive: true, force: true })
}
