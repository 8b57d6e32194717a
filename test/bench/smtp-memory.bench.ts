/**
 * Whether mail-smtpd's memory stays what it is over many messages: 200,000 of them, in sessions of a hundred each,
 * and what the process holds after every tenth. `npm run bench:smtp-memory [-- COUNT]`.
 */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { sendLoad } from '../smtp/sender.js'
import { peakOf } from '../support/measure.js'
import { makePlace } from '../support/place.js'
import { Program } from '../support/program.js'

const count = Number(process.argv[2] ?? 200_000)
const steps = 10
const users = 50
const place = makePlace('[[smtpd.listen]]\naddress = "127.0.0.1:0"\ntls = "off"\nauth = "off"')
const name = (i: number) => `u${i % users}`
writeFileSync(
  join(place.directory, 'users'),
  Array.from({ length: users }, (_, i) => `${name(i)}:{PLAIN}x\n`).join(''),
)
const text = Buffer.from(
  `From: a@x.example\r\nSubject: bench\r\nDate: Thu, 1 Jan 2026 00:00:00 +0000\r\n\r\n${`${'x'.repeat(70)}\r\n`.repeat(26)}`,
)

/** Removes what was delivered. @returns how many messages it was */
function empty(): number {
  let sum = 0
  for (let i = 0; i < users; i++) {
    const directory = join(place.maildir(name(i)), 'new')
    sum += readdirSync(directory).length
    rmSync(directory, { recursive: true })
    mkdirSync(directory)
  }
  return sum
}

function residentOf(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1]) * 1024
}

const smtpd = await Program.start('mail-smtpd', place.config)
const [port = 0] = smtpd.ports('smtpd')
const mib = (octets: number) => `${(octets / 2 ** 20).toFixed(0).padStart(4)} MiB`
process.stdout.write(`started: resident ${mib(residentOf(smtpd.pid))}\n`)
try {
  for (let step = 1; step <= steps; step++) {
    const start = performance.now()
    let accepted = 0
    for (let batch = 0; batch < count / steps; batch += 2_000) {
      const load = { port, sessions: 20, count: Math.min(2_000, count / steps - batch) }
      accepted += (
        await sendLoad({ ...load, recipients: i => [`${name(i)}@ilnmors.internal`], text: () => text })
      ).length
    }
    const rate = (accepted * 1000) / (performance.now() - start)
    const stored = empty()
    if (stored !== accepted) throw new Error(`${accepted} accepted, ${stored} stored`)
    process.stdout.write(
      `${String((step * count) / steps).padStart(7)} messages: resident ${mib(residentOf(smtpd.pid))}, ` +
        `highest ${mib(peakOf(smtpd.pid))}, ${rate.toFixed(0)}/s\n`,
    )
  }
} finally {
  await smtpd.stop()
  place.remove()
}
