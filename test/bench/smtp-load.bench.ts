/**
 * SMTP to Maildir, and the steps on the way. Prints `name value unit`; asserts nothing.
 * `node dist/tree/test/bench/smtp-load.bench.js [COUNT]` after `npm run build && npm run build:tree`.
 */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DotDecoder, DotEncoder } from '../../lib/wire/dot.js'
import { type Load, sendLoad } from '../smtp/sender.js'
import { peakOf } from '../support/measure.js'
import { makePlace } from '../support/place.js'
import { Program } from '../support/program.js'

const count = Number(process.argv[2] ?? 2_000)
const line = `${'x'.repeat(70)}\r\n`

function report(name: string, value: number, unit: string): void {
  console.log(`${name} ${value.toFixed(value < 10 ? 2 : 0)} ${unit}`)
}

function throughput(name: string, octets: number, work: () => void): void {
  const rounds = Math.ceil(2e8 / octets)
  for (let i = 0; i < rounds / 4; i++) work()
  const start = process.hrtime.bigint()
  for (let i = 0; i < rounds; i++) work()
  report(name, (rounds * octets) / 1e6 / (Number(process.hrtime.bigint() - start) / 1e9), 'MB/s')
}

function benchDots(): void {
  const wire = Buffer.from(line.repeat(900))
  const stored = Buffer.from(line.repeat(900).replaceAll('\r\n', '\n'))
  throughput('dot.decode.64k', wire.length, () => new DotDecoder().push(wire))
  throughput('dot.decode.4k', 4_032, () => new DotDecoder().push(wire.subarray(0, 4_032)))
  throughput('dot.encode.64k', stored.length, () => new DotEncoder().push(stored))
}

/** Seconds of CPU that a process has used. */
function cpuOf(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1]?.split(' ') ?? []
  return (Number(fields[11]) + Number(fields[12])) / 100
}

function text(size: number): Buffer {
  const head =
    'From: a@x.example\r\nTo: u@ilnmors.internal\r\nSubject: bench\r\nDate: Thu, 1 Jan 2026 00:00:00 +0000\r\n\r\n'
  return Buffer.from(head + line.repeat(Math.floor((size - head.length) / line.length)))
}

async function benchServer(): Promise<void> {
  const users = 200
  const place = makePlace(
    '[smtpd]\ntrusted = ["127.0.0.0/8"]\n[[smtpd.listen]]\naddress = "127.0.0.1:0"\ntls = "off"\nauth = "off"',
  )
  writeFileSync(
    join(place.directory, 'users'),
    Array.from({ length: users }, (_, i) => `u${i}:{PLAIN}x:::::\n`).join(''),
  )
  for (let i = 0; i < users; i++)
    for (const part of ['cur', 'new', 'tmp'])
      mkdirSync(join(place.maildir(`u${i}`), part), { recursive: true })
  const server = await Program.start('mail-smtpd', place.config)
  const [port = 0] = server.ports('smtpd')
  const run = async (name: string, load: Omit<Load, 'port'>) => {
    const cpu = cpuOf(server.pid)
    const start = process.hrtime.bigint()
    const accepted = await sendLoad({ port, ...load })
    const seconds = Number(process.hrtime.bigint() - start) / 1e9
    const deliveries = accepted.length * load.recipients(0).length
    report(`smtp.${name}.accepted`, accepted.length / seconds, 'msg/s')
    if (deliveries > accepted.length) report(`smtp.${name}.delivered`, deliveries / seconds, 'deliveries/s')
    report(`smtp.${name}.cpu`, ((cpuOf(server.pid) - cpu) * 1000) / deliveries, 'ms/delivery')
    if (accepted.length < load.count) console.log(`smtp.${name}.FAILED ${accepted.length} of ${load.count}`)
  }
  const one = (i: number) => [`u${i % users}@ilnmors.internal`]
  const small = text(4_096)
  const large = text(102_400)
  await run('warmup', { sessions: 20, count: count / 4, recipients: one, text: () => small })
  await run('4k.s1.many', { sessions: 1, count: count / 2, recipients: one, text: () => small })
  await run('4k.s20.many', { sessions: 20, count, recipients: one, text: () => small })
  await run('4k.s20.many.pipelined', {
    sessions: 20,
    count,
    recipients: one,
    text: () => small,
    pipelined: true,
  })
  await run('4k.s20.one', { sessions: 20, count, recipients: one, text: () => small, reconnect: true })
  await run('4k.s100.many', { sessions: 100, count, recipients: one, text: () => small })
  await run('4k.s20.one-mailbox', {
    sessions: 20,
    count,
    recipients: () => ['u0@ilnmors.internal'],
    text: () => small,
  })
  await run('100k.s20.many', { sessions: 20, count: count / 2, recipients: one, text: () => large })
  const fifty = Array.from({ length: 50 }, (_, i) => `u${i}@ilnmors.internal`)
  await run('4k.s4.50-recipients', {
    sessions: 4,
    count: count / 10,
    recipients: () => fifty,
    text: () => small,
  })
  report('smtp.memory', peakOf(server.pid) / 2 ** 20, 'MiB')
  await server.stop()
  let stored = 0
  for (let i = 0; i < users; i++) stored += readdirSync(join(place.maildir(`u${i}`), 'new')).length
  report('smtp.stored', stored, 'files')
  place.remove()
}

benchDots()
await benchServer()
