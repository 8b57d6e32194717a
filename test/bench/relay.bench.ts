/**
 * From the queue to an SMTP sink (Postfix's smtp-sink), ours and Postfix's by turns, and into the queue. Prints
 * `name value unit`; asserts nothing. `node dist/tree/test/bench/relay.bench.js [COUNT]` after
 * `npm run build && npm run build:tree`, as root.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Queue } from '../../lib/queue/queue.js'
import { cpuSeconds } from '../support/measure.js'
import { Postfix } from '../support/postfix.js'
import { Program } from '../support/program.js'
import { freePorts, until } from '../support/world.js'

const count = Number(process.argv[2] ?? 1_000)
const concurrency = 20

function report(name: string, value: number, unit: string): void {
  console.log(`${name} ${value.toFixed(value < 10 ? 2 : 0)} ${unit}`)
}

function text(size: number): Buffer {
  const head =
    'From: a@x.internal\nTo: b@outside.test\nSubject: bench\nDate: Thu, 1 Jan 2026 00:00:00 +0000\n\n'
  return Buffer.from(head + `${'x'.repeat(70)}\n`.repeat(Math.floor((size - head.length) / 71)))
}

async function startSink(port: number): Promise<ChildProcess> {
  const sink = spawn('/usr/sbin/smtp-sink', ['-u', 'postfix', `127.0.0.1:${port}`, '1000'], {
    stdio: 'ignore',
  })
  await until(
    () =>
      new Promise(resolve => {
        const socket = connect(port, '127.0.0.1', () => {
          socket.destroy()
          resolve(true)
        })
        socket.once('error', () => resolve(false))
      }),
  )
  return sink
}

/** What waits since the smarthost was down goes out when it is up again: as Postfix's flush of what it deferred. */
async function ours(size: number): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'postern-bench-'))
  const config = join(directory, 'mail.toml')
  const [port = 0] = await freePorts(1)
  writeFileSync(
    config,
    `hostname = "mail.x.internal"\ndomains = ["x.internal"]\n[users]\nfile = "users"\n[queue]\ndirectory = "queue"\n[relay]\nhost = "127.0.0.1:${port}"\ntls = "off"\nconcurrency = ${concurrency}\n`,
  )
  writeFileSync(join(directory, 'users'), '')
  const relay = await Program.start('mail-relay', config)
  const queue = await Queue.open(join(directory, 'queue'))
  const octets = text(size)
  const start = performance.now()
  for (let i = 0; i < count; i += concurrency)
    await Promise.all(
      Array.from({ length: Math.min(concurrency, count - i) }, async () => {
        const draft = queue.begin({ sender: 'a@x.internal', recipients: [{ address: 'b@outside.test' }] })
        await draft.write(octets)
        await draft.commit()
      }),
    )
  report(`queue.accept.${size}`, (count * 1000) / (performance.now() - start), 'messages/s')
  await until(() => /event=destination-unreachable/.test(relay.log), 60_000)
  const sink = await startSink(port)
  const cpu = cpuSeconds(relay.pid)
  const begun = performance.now()
  process.kill(relay.pid, 'SIGHUP')
  await until(() => filesIn(queue.mailDirectory) === 0, 120_000)
  report(`queue.relay.${size}`, (count * 1000) / (performance.now() - begun), 'messages/s')
  report(`queue.relay.${size}.cpu`, ((cpuSeconds(relay.pid) - cpu) * 1000) / count, 'ms/message')
  await relay.stop()
  sink.kill()
  queue.close()
  rmSync(directory, { recursive: true })
}

async function postfix(port: number, size: number): Promise<void> {
  const server = await Postfix.start({
    main: `relayhost = [127.0.0.1]:${port}\ndefer_transports = smtp\nvirtual_mailbox_domains =\nsmtpd_client_connection_count_limit = 0\nsmtp_tls_security_level = none`,
    listeners: { smtp: '127.0.0.1:PORT inet n - n - - smtpd' },
  })
  try {
    const source = [
      '-m',
      String(count),
      '-s',
      String(concurrency),
      '-l',
      String(size),
      '-d',
      '-f',
      'a@x.internal',
      '-t',
      'b@outside.test',
      `127.0.0.1:${server.ports['smtp']}`,
    ]
    const start = performance.now()
    spawnSync('/usr/sbin/smtp-source', source)
    report(`postfix.accept.${size}`, (count * 1000) / (performance.now() - start), 'messages/s (by SMTP)')
    const deferred = () => filesIn(join(server.directory, 'spool', 'deferred'))
    await until(() => deferred() === count, 60_000)
    spawnSync('/usr/sbin/postconf', ['-c', server.config, 'defer_transports='])
    spawnSync('/usr/sbin/postfix', ['-c', server.config, 'reload'], { stdio: 'ignore' })
    const begun = performance.now()
    spawnSync('/usr/sbin/postqueue', ['-c', server.config, '-f'], { stdio: 'ignore' })
    const left = () =>
      deferred() +
      ['active', 'incoming'].reduce((sum, each) => sum + filesIn(join(server.directory, 'spool', each)), 0)
    await until(() => left() === 0, 120_000)
    report(`postfix.relay.${size}`, (count * 1000) / (performance.now() - begun), 'messages/s')
  } finally {
    await server.stop()
  }
}

function filesIn(directory: string): number {
  return readdirSync(directory, { withFileTypes: true }).reduce(
    (sum, entry) => sum + (entry.isDirectory() ? filesIn(join(directory, entry.name)) : 1),
    0,
  )
}

const [port = 0] = await freePorts(1)
const sink = await startSink(port)
for (const size of [4_096, 102_400])
  for (let turn = 0; turn < 2; turn++) {
    await ours(size)
    await postfix(port, size)
  }
sink.kill()
