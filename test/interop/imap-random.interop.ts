/**
 * Ten sessions on one mailbox store, copy, move, append and expunge at random, while another program renames,
 * removes and adds files. At the end all agree with each other and with the disk, no UID ever stood for two
 * messages, and nothing is lost that nobody removed. SECONDS and SEED may be given in the environment.
 */
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { randomFrom } from '../support/generator.js'
import { ImapClient } from '../support/imap-client.js'
import { makePlace } from '../support/place.js'
import { Program } from '../support/program.js'

const seconds = Number(process.env['SECONDS'] ?? 30)
const seed = Number(process.env['SEED'] ?? Date.now() % 1_000_000)

/** Messages named keep-… are removed by nobody; of those named gone-… anything may become. */
const kept = 100
const message = (id: string) => `Message-ID: <${id}>\nSubject: ${id}\n\n${'line\n'.repeat(20)}`

/** The other program: it knows no IMAP, no locks and no mercy. */
const vandal = `
const fs = require('fs'), path = require('path')
const [dir, seconds] = process.argv.slice(1)
const pick = list => list[Math.floor(Math.random() * list.length)]
const end = Date.now() + seconds * 1000
const idle = new Int32Array(new SharedArrayBuffer(4))
let made = 0
const counts = { flagged: 0, removed: 0, added: 0, missed: 0 }
while (Date.now() < end) {
  Atomics.wait(idle, 0, 0, 1 + Math.random() * 8)
  const names = fs.readdirSync(dir + '/cur')
  const name = pick(names)
  try {
    const what = Math.random()
    if (what < 0.6 && name) {
      const flags = ['F', 'R', 'S', 'D'].filter(() => Math.random() < 0.4).sort().join('')
      fs.renameSync(dir + '/cur/' + name, dir + '/cur/' + name.replace(/:2,.*/, '') + ':2,' + flags)
      counts.flagged++
    } else if (what < 0.75 && name && fs.readFileSync(dir + '/cur/' + name, 'latin1').startsWith('Message-ID: <gone-')) {
      fs.unlinkSync(dir + '/cur/' + name)
      counts.removed++
    } else if (what < 0.9) {
      const id = 'gone-vandal-' + ++made
      const unique = Math.floor(Date.now() / 1000) + '.M' + made + 'V' + process.pid + '.vandal'
      fs.writeFileSync(dir + '/tmp/' + unique, 'Message-ID: <' + id + '>\\n\\nbody\\n')
      fs.renameSync(dir + '/tmp/' + unique, dir + '/new/' + unique)
      counts.added++
    }
  } catch (error) { if (error.code !== 'ENOENT') throw error; counts.missed++ }
}
console.log(JSON.stringify(counts))
`

class Chance {
  readonly #next: () => number

  constructor(seed: number) {
    this.#next = randomFrom(seed)
  }

  below(limit: number): number {
    return Math.floor(this.#next() * limit)
  }

  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)] as T
  }
}

interface World {
  /** Which message a UID of INBOX stands for, as any session was ever told. */
  readonly messages: Map<number, string>
  readonly chance: Chance
  readonly counts: Map<string, number>
  appended: number
}

test(`ten sessions and another program, at random for ${seconds} s (seed ${seed})`, async t => {
  const place = makePlace('[[imapd.listen]]\naddress = "127.0.0.1:0"\ntls = "off"\n')
  const inbox = place.maildir('alice')
  for (const part of ['cur', 'new', 'tmp']) mkdirSync(join(inbox, part), { recursive: true })
  for (let i = 0; i < kept; i++)
    for (const kind of ['keep', 'gone'])
      writeFileSync(
        join(inbox, 'cur', `1700000${String(i).padStart(3, '0')}.${kind}.host:2,`),
        message(`${kind}-${i}`),
      )
  const imapd = await Program.start('mail-imapd', place.config)
  try {
    const port = imapd.ports('imapd')[0] as number
    const world: World = { messages: new Map(), chance: new Chance(seed), counts: new Map(), appended: 0 }
    const sessions = await Promise.all(Array.from({ length: 10 }, () => enter(port)))
    const other = spawn(process.execPath, ['-e', vandal, inbox, String(seconds)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const told = outputOf(other)
    const end = Date.now() + seconds * 1000
    await Promise.all(sessions.map(session => wander(session, world, end)))
    t.diagnostic(`the other program: ${(await told).trim()}`)
    t.diagnostic(`the sessions: ${JSON.stringify(Object.fromEntries(world.counts))}`)
    await agree(sessions, inbox, world)
    for (const session of sessions) session.close()
  } finally {
    await imapd.stop()
    assert.doesNotMatch(imapd.log, /session-failed|SERVERBUG|command-failed/)
    place.remove()
  }
})

async function enter(port: number): Promise<ImapClient> {
  const client = await ImapClient.login(port, 'alice', 'wonderland')
  await client.ok('SELECT INBOX')
  return client
}

async function outputOf(child: ChildProcess): Promise<string> {
  let text = ''
  child.stdout?.on('data', chunk => {
    text += chunk
  })
  const code = await new Promise(resolve => child.on('exit', resolve))
  assert.equal(code, 0)
  return text
}

/** Does one thing after another until the time is over. */
async function wander(client: ImapClient, world: World, end: number): Promise<void> {
  const { chance } = world
  await learn(client, world)
  while (Date.now() < end) {
    const deed = chance.pick(deeds)
    world.counts.set(deed.name, (world.counts.get(deed.name) ?? 0) + 1)
    await deed(client, world)
    if (client.uids.includes(0)) await learn(client, world)
  }
}

/** Asks which messages there are. A UID that was told before must stand for the same message. */
async function learn(client: ImapClient, { messages }: World): Promise<void> {
  const lines = await client.ok('FETCH 1:* (UID BODY.PEEK[HEADER.FIELDS (Message-ID)])').catch(error => {
    // Others expunged meanwhile: what is there has been told all the same.
    if (!/EXPUNGEISSUED/.test(String(error))) throw error
    return []
  })
  for (const line of lines) {
    const [, uid, id = ''] = /UID (\d+).*Message-ID: <([^>]*)>/s.exec(line) ?? []
    if (uid === undefined) continue
    const known = messages.get(Number(uid))
    if (known !== undefined) assert.equal(id, known, `UID ${uid} stands for another message`)
    messages.set(Number(uid), id)
  }
  // Messages that are gone have no Message-ID any more; an answer that allows it takes them away.
  if (client.uids.includes(0)) await client.ok('NOOP')
}

/** UIDs that this session counts, of messages that may be removed (or of any). */
function some(client: ImapClient, { chance, messages }: World, kind: 'gone' | 'any'): string {
  const known = client.uids.filter(
    uid => uid !== 0 && (kind === 'any' || messages.get(uid)?.startsWith('gone-') === true),
  )
  if (known.length === 0) return ''
  return Array.from({ length: 1 + chance.below(4) }, () => chance.pick(known)).join(',')
}

const flags = ['\\Seen', '\\Flagged', '\\Answered', '\\Draft', '$Label1', '$Forwarded', 'Old']

const deeds: readonly ((client: ImapClient, world: World) => Promise<unknown>)[] = [
  async function store(client, world) {
    const set = some(client, world, 'any')
    const { chance } = world
    const mode = chance.pick(['+FLAGS', '-FLAGS', 'FLAGS', '+FLAGS.SILENT', '-FLAGS.SILENT', 'FLAGS.SILENT'])
    if (set !== '') await client.ok(`UID STORE ${set} ${mode} (${chance.pick(flags)} ${chance.pick(flags)})`)
  },
  async function storeByNumber(client, { chance }) {
    const number = 1 + chance.below(Math.max(1, client.uids.length))
    if (client.uids.length > 0) await client.command(`STORE ${number} +FLAGS (${chance.pick(flags)})`)
  },
  async function remove(client, world) {
    const set = some(client, world, 'gone')
    if (set === '') return
    await client.ok(`UID STORE ${set} +FLAGS.SILENT (\\Deleted)`)
    await client.ok(world.chance.below(2) === 0 ? 'EXPUNGE' : `UID EXPUNGE ${set}`)
  },
  async function copy(client, world) {
    const set = some(client, world, 'gone')
    if (set !== '' && client.uids.length < 400) await client.ok(`UID COPY ${set} INBOX`)
  },
  async function away(client, world) {
    const set = some(client, world, 'any')
    if (set !== '' && world.chance.below(4) === 0) await client.ok(`UID MOVE ${set} Archive`)
  },
  async function append(client, world) {
    const id = `gone-appended-${++world.appended}`
    await client.ok('APPEND INBOX (\\Seen)', Buffer.from(message(id).replaceAll('\n', '\r\n')))
  },
  async function fetch(client) {
    await client.command('FETCH 1:* (FLAGS)')
  },
  async function read(client, world) {
    const set = some(client, world, 'any')
    if (set !== '') await client.ok(`UID FETCH ${set} (FLAGS RFC822.SIZE ENVELOPE BODYSTRUCTURE BODY[TEXT])`)
  },
  async function search(client) {
    await client.ok('SEARCH UNSEEN')
  },
  async function noop(client) {
    await client.ok('NOOP')
  },
  async function idle(client, { chance }) {
    await client.idle(chance.below(300))
  },
  async function again(client) {
    client.uids.length = 0
    await client.ok('SELECT INBOX')
  },
]

/** All sessions and the disk tell the same. */
async function agree(sessions: readonly ImapClient[], inbox: string, world: World): Promise<void> {
  // A rename in the last moment may have been missed by a look at the directory; the next one is certain.
  await delay(3_000)
  for (const session of sessions) await session.ok('NOOP')
  const views = await Promise.all(sessions.map(flagsByUid))
  for (const view of views) assert.deepEqual(view, views[0])
  const fresh = sessions[0] as ImapClient
  fresh.uids.length = 0
  await fresh.ok('SELECT INBOX')
  assert.deepEqual(await flagsByUid(fresh), views[0])
  await learn(fresh, world)

  const names = ['cur', 'new'].flatMap(part => readdirSync(join(inbox, part)).map(name => `${part}/${name}`))
  assert.equal(names.length, views[0]?.size, 'each file is a message')
  const listed = new Map(
    readFileSync(join(inbox, 'dovecot-uidlist'), 'utf8')
      .split('\n')
      .slice(1)
      .flatMap(line => {
        const [, uid, unique = ''] = /^(\d+).* :(.*)$/.exec(line) ?? []
        return uid === undefined ? [] : [[unique, Number(uid)] as const]
      }),
  )
  for (const name of names) {
    const [unique = '', letters = ''] = name.slice(4).split(':2,')
    const uid = listed.get(unique)
    assert.ok(uid !== undefined, `${name} has no UID`)
    const flagsThere = views[0]?.get(uid)
    for (const [letter, flag] of Object.entries({
      F: '\\Flagged',
      R: '\\Answered',
      S: '\\Seen',
      D: '\\Draft',
    }))
      assert.equal(letters.includes(letter), flagsThere?.includes(flag) === true, `${name}: ${flagsThere}`)
    const id = /^Message-ID: <(.*)>/.exec(readFileSync(join(inbox, name), 'latin1'))?.[1]
    assert.equal(id, world.messages.get(uid), `UID ${uid} is another message on disk`)
  }
  const there = [inbox, join(inbox, '.Archive')].flatMap(box =>
    ['cur', 'new'].flatMap(part =>
      readdirSync(join(box, part)).map(
        name => /^Message-ID: <(.*)>/.exec(readFileSync(join(box, part, name), 'latin1'))?.[1],
      ),
    ),
  )
  for (let i = 0; i < kept; i++) assert.equal(there.filter(id => id === `keep-${i}`).length, 1, `keep-${i}`)
}

async function flagsByUid(client: ImapClient): Promise<Map<number, string>> {
  const found = new Map<number, string>()
  for (const line of await client.ok('UID FETCH 1:* (FLAGS)')) {
    const [, uid, list = ''] = /UID (\d+) FLAGS \(([^)]*)\)/.exec(line) ?? []
    const words = list.split(' ').filter(flag => flag !== '\\Recent')
    if (uid !== undefined) found.set(Number(uid), words.sort().join(' '))
  }
  return found
}
