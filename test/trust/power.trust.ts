/**
 * The power goes: under load, everything that is written to a disk is recorded, with every flush; then the disk is made
 * as it would be had the power gone at some moment, the writes since the last flush there, gone, or there in parts and
 * in another order. What was answered by then is there, once and whole; no UID is given twice. CUTS and SEED may be
 * given; needs root, FUSE and loop devices.
 */
import assert from 'node:assert/strict'
import { copyFileSync, mkdirSync, mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { Program } from '../support/program.js'
import { removeTree } from '../support/world.js'
import { Chance } from './ledger.js'
import { Disk, losses, obstacle } from './power/disk.js'
import { imap, type Load, pop3, smtp } from './power/load.js'
import { look, users } from './power/look.js'
import { Story } from './power/story.js'

const cuts = Number(process.env['CUTS'] ?? 8)
const seconds = Number(process.env['SECONDS'] ?? 4)
const seed = Number(process.env['SEED'] ?? Date.now() % 1_000_000)

function configure(folder: string, root: string): string {
  const door = (name: string, rest = '') =>
    `[[${name}.listen]]\naddress = "127.0.0.1:0"\ntls = "off"\n${rest}`
  const config = join(folder, 'mail.toml')
  writeFileSync(
    config,
    `hostname = "mail.x.internal"
domains = ["x.internal"]
[users]
file = "users"
home = "${root}/home/%n"
[runtime]
directory = "run"
[tls]
certificate = "mail.crt"
key = "mail.key"
[queue]
directory = "${root}/queue"
[relay]
host = "127.0.0.1:9"
tls = "off"
${door('smtpd', 'auth = "off"\n')}${door('imapd')}${door('pop3d')}`,
  )
  writeFileSync(join(folder, 'users'), users.map(user => `${user}:{PLAIN}pw\n`).join(''))
  copyFileSync('fixtures/tls/localhost.pem', join(folder, 'mail.crt'))
  copyFileSync('fixtures/tls/localhost-key.pem', join(folder, 'mail.key'))
  return config
}

/** A few seconds of everything, recorded. */
async function record(disk: Disk, config: string, chance: Chance): Promise<Story> {
  await disk.start()
  for (const part of ['home', 'queue']) mkdirSync(join(disk.mountPoint, part))
  const story = new Story(() => disk.position)
  const programs: Program[] = []
  try {
    for (const name of ['smtpd', 'imapd', 'pop3d']) programs.push(await Program.start(`mail-${name}`, config))
    const [smtpd, imapd, pop3d] = programs as [Program, Program, Program]
    const ports = {
      smtp: smtpd.ports('smtpd')[0] as number,
      imap: imapd.ports('imapd')[0] as number,
      pop3: pop3d.ports('pop3d')[0] as number,
    }
    const end = performance.now() + seconds * 1_000
    const load: Load = { story, chance, ports, isOver: () => performance.now() > end }
    await Promise.all([
      ...[1, 2, 3].map(() => smtp(load)),
      imap(load, 'alice'),
      imap(load, 'alice'),
      imap(load, 'bob'),
      pop3(load),
    ])
  } finally {
    for (const program of programs) await program.stop('SIGKILL')
    await disk.stop()
  }
  return story
}

const missing = obstacle()
test(`the power goes ${cuts} times under load (seed ${seed})`, missing ? { skip: missing } : {}, async t => {
  const folder = mkdtempSync(join(tmpdir(), 'postern-power-'))
  const disk = new Disk(folder)
  const chance = new Chance(seed)
  const faults: string[] = []
  try {
    const config = configure(folder, disk.mountPoint)
    const story = await record(disk, config, chance)
    const writes = disk.writes()
    const flushes = writes.filter(({ isFlush }) => isFlush).length
    t.diagnostic(`${story.answered} answers, ${writes.length} writes, ${flushes} flushes`)
    assert.ok(story.answered > 20 && flushes > 20, 'there was a load')
    let promised = 0
    for (let i = 0; i < cuts && faults.length === 0; i++) {
      const loss = losses[i % losses.length] as (typeof losses)[number]
      // Early cuts hit mailboxes that are being made.
      const from = i % 8 === 0 ? 0 : Math.floor(writes.length / 10)
      const count = from + 1 + chance.below(writes.length - from)
      const at = writes[count - 1]?.end ?? 0
      disk.cut(writes, count, loss, chance)
      promised += [...story.tales.values()].filter(({ steps }) => steps.some(({ done }) => done <= at)).length
      try {
        const wrong = await look(disk.mountPoint, config, story, at)
        faults.push(...wrong.slice(0, 10).map(fault => `cut at write ${count}, ${loss}: ${fault}`))
      } finally {
        const told = disk.away()
        if (told !== undefined) faults.push(`cut at write ${count}, ${loss}: ${told}`)
      }
    }
    t.diagnostic(`${promised} promised messages looked for`)
    assert.deepEqual(faults, [])
  } finally {
    await disk.stop()
    if (!process.env['TRUST_KEEP']) removeTree(folder)
  }
})
