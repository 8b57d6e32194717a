/** What is there when all are quiet, as every server and the files tell it, held against the model. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { parseInternalDate } from '../../lib/message/date.js'
import { ImapClient } from '../support/imap-client.js'
import type { Found } from './model-book.js'
import { Copy, folders, isPassing, passing } from './model-copy.js'
import { list } from './model-files.js'
import { flagText } from './model-session.js'
import { hashOf, type Stage } from './model-stage.js'
import { nearOf } from './model-sync.js'
import { password, user } from './model-world.js'
import { known, messageName } from './survey.js'

/** How long it may take until all agree: a look at a directory that has just changed may have missed something. */
const patience = 15_000

/** What a Maildir may hold besides, once Dovecot was there. */
const dovecots =
  /^(?:dovecot\.(?:index(?:\.(?:log(?:\.2)?|cache|vsize\.lock))?|list\.index(?:\.log(?:\.2)?)?|mailbox\.log(?:\.2)?)|dovecot-acl-list)$/

/** One folder as a server tells it. */
interface Told {
  readonly validity: string
  readonly next: number
  readonly highest: bigint
  /** A line for each message, to be compared. */
  readonly lines: string[]
  readonly found: Found[]
}

/** Compares until all is as it should be. @returns what never came to be */
export async function survey(stage: Stage): Promise<string[]> {
  const { book, uids, constants, world } = stage
  const near = nearOf(stage)
  let isSynced = false
  for (let tries = 0; !isSynced && tries < 6; tries++) {
    isSynced = await near.sync(stage)
    if (!isSynced) await delay(300)
  }
  const end = Date.now() + patience
  const excuses = (folder: string) => world.cast !== 'ours' && book.disturbed.has(folder)
  for (;;) {
    const told = await all(stage)
    const [first] = told.values()
    const found = [...(first as Map<string, Told>).values()].flatMap(each => each.found)
    const faults = [
      ...differences(told),
      ...book.compare(found, excuses),
      ...files(stage, found),
      ...debris(stage),
    ]
    if (faults.length === 0 || Date.now() > end) {
      for (const [server, each] of told)
        for (const [folder, { validity, next, highest, found }] of each) {
          const key = isPassing(folder) ? `${folder}/${validity}` : folder
          const ids = new Map(found.map(({ uid, id }) => [uid, id]))
          uids.get(server)?.survey(key, { validity, next, highest }, ids)
        }
      if (!isSynced) faults.push('mbsync never came to an end')
      faults.push(...mirror(stage, found), ...(await sessions(stage)))
      faults.push(...constants.faults.splice(0), ...book.faults.splice(0))
      for (const each of uids.values()) faults.push(...each.faults.splice(0))
      if (faults.length === 0)
        book.adopt(found, one => {
          const copy = Copy.found(one.id, one.folder, one.flags)
          copy.uids.add(one.uid)
          copy.unique = one.unique
          return copy
        })
      return faults
    }
    await delay(300)
  }
}

/** What each server tells of each folder. */
async function all(stage: Stage): Promise<Map<string, Map<string, Told>>> {
  const told = new Map<string, Map<string, Told>>()
  for (const server of stage.world.servers) {
    const client = await ImapClient.login(stage.world.imap(server), user, password)
    const names = (await client.ok('LIST "" "*"')).join('\n')
    const here = new Map<string, Told>()
    for (const folder of [
      ...folders,
      ...passing.filter(name => new RegExp(`"?\\.?"? "?${name}"?$`, 'm').test(names)),
    ])
      here.set(folder, await look(stage, client, server, folder))
    client.close()
    told.set(server, here)
  }
  return told
}

async function look(stage: Stage, client: ImapClient, server: string, folder: string): Promise<Told> {
  const { constants, ledger } = stage
  client.uids.length = 0
  const { status, text, untagged } = await client.command(`SELECT ${folder}`)
  const said = `${untagged.join('\n')}\n${text}`
  const number = (name: string) => new RegExp(`${name} (\\d+)`).exec(said)?.[1] ?? '0'
  const validity = number('UIDVALIDITY')
  const [lines, found]: [string[], Found[]] = [[], []]
  if (status !== 'OK') lines.push(`${status} ${text}`)
  const names = uniques(stage, folder)
  const fetched =
    client.uids.length === 0
      ? []
      : await client.ok('UID FETCH 1:* (UID FLAGS RFC822.SIZE INTERNALDATE BODY.PEEK[])')
  for (const line of fetched) {
    const match =
      /^\d+ FETCH \(UID (\d+) FLAGS \(([^)]*)\) RFC822\.SIZE (\d+) INTERNALDATE "([^"]+)" BODY\[\] (.*)\)$/s.exec(
        line,
      )
    if (!match) continue
    const [, digits, list = '', size = '', date = '', octets = ''] = match
    const uid = Number(digits)
    const plain = octets.replace(/\r\n/g, '\n').replace(/^X-TUID: .*\n/m, '')
    const id = /^X-Trust: (\S+)$/m.exec(plain)?.[1] ?? '?'
    const text = ledger.entries.get(id)?.text
    if (text === undefined) lines.push(`${folder} ${uid}: nobody sent ${id}`)
    else if (!plain.endsWith(text)) lines.push(`${folder} ${uid}: ${id} is not whole (${server})`)
    const values = { ID: id, SIZE: size, DATE: String(parseInternalDate(date)?.utc), BODY: hashOf(octets) }
    if (octets.length === Number(size))
      for (const [what, value] of Object.entries(values))
        constants.tell(server, folder, validity, uid, what, value)
    else lines.push(`${folder} ${uid}: ${octets.length} of ${size} octets (${server})`)
    lines.push(`${uid} ${id} (${flagText(list)}) ${size} ${values.DATE} ${values.BODY}`)
    found.push({ folder, uid, id, flags: flagText(list).split(' ').filter(Boolean), unique: names.get(uid) })
  }
  return { validity, next: Number(number('UIDNEXT')), highest: BigInt(number('HIGHESTMODSEQ')), lines, found }
}

/** The names of files by UID, as dovecot-uidlist has them. */
function uniques({ world }: Stage, folder: string): Map<number, string> {
  const path = join(world.folder(folder), 'dovecot-uidlist')
  const lines = existsSync(path) ? readFileSync(path, 'latin1').split('\n').slice(1) : []
  return new Map(
    lines.flatMap(line => {
      const [, uid, unique] = /^(\d+).*? :(.*)$/.exec(line) ?? []
      return unique === undefined ? [] : [[Number(uid), unique] as const]
    }),
  )
}

/** Where servers tell different things. */
function differences(told: ReadonlyMap<string, ReadonlyMap<string, Told>>): string[] {
  const [[name, first] = ['', new Map<string, Told>()], ...others] = [...told]
  return others.flatMap(([other, theirs]) =>
    [...new Set([...first.keys(), ...theirs.keys()])].flatMap(folder => {
      const [a, b] = [first.get(folder), theirs.get(folder)]
      if (!a || !b) return [`${folder} is there for ${a ? name : other} and not for ${a ? other : name}`]
      const heads = [a, b].map(({ validity, next }) => `UIDVALIDITY ${validity} UIDNEXT ${next}`)
      const [ours, rest] = [new Set([heads[0], ...a.lines]), new Set([heads[1], ...b.lines])]
      return [
        ...[...ours].filter(line => !rest.has(line)).map(line => `${folder}: only ${name} says: ${line}`),
        ...[...rest].filter(line => !ours.has(line)).map(line => `${folder}: only ${other} says: ${line}`),
      ]
    }),
  )
}

/** Every file is a message, and every message has one file. */
function files({ world }: Stage, found: readonly Found[]): string[] {
  const faults: string[] = []
  for (const folder of [...folders, ...passing]) {
    const here = ['cur', 'new'].flatMap(part => list(join(world.folder(folder), part)))
    for (const name of here) if (!messageName.test(name)) faults.push(`${folder}: there is ${name}`)
    const names = here.map(name => name.split(':')[0])
    const told = found.filter(one => one.folder === folder).map(one => one.unique)
    for (const name of names) if (!told.includes(name)) faults.push(`${folder}: ${name} is nobody's file`)
    for (const name of told) if (!names.includes(name)) faults.push(`${folder}: ${name} is no file`)
    if (new Set(names).size !== names.length) faults.push(`${folder}: a file is there twice`)
  }
  return faults
}

/** No lock, nothing in tmp/, nothing that nobody knows. */
function debris({ world }: Stage): string[] {
  if (!existsSync(world.maildir)) return []
  const faults: string[] = []
  for (const folder of ['', ...readdirSync(world.maildir).filter(name => /^\.[^.]/.test(name))]) {
    const directory = join(world.maildir, folder)
    for (const name of readdirSync(directory)) {
      const isFolder = folder === '' && /^\.[A-Za-z]\w*(?:\.\w+)?$/.test(name)
      if (!isFolder && !(known.test(name) && !name.endsWith('.tmp')) && !dovecots.test(name))
        faults.push(`${folder}/${name} is left over`)
    }
    const left = existsSync(join(directory, 'tmp')) ? readdirSync(join(directory, 'tmp')) : []
    // What a process that lives keeps ready for its next lock is no debris.
    for (const name of left)
      if (!/^dovecot-uidlist\.lock\.\d+\.\w+\.\d+$/.test(name))
        faults.push(`${folder}/tmp/${name} is left over`)
  }
  return faults
}

/** The second Maildir has what INBOX has. */
function mirror(stage: Stage, found: readonly Found[]): string[] {
  const here = found
    .filter(({ folder }) => folder === 'INBOX')
    .map(
      ({ id, flags }) =>
        `${id} ${['Flagged', 'Answered', 'Seen', 'Draft'].filter(flag => flags.includes(`\\${flag}`)).sort()}`,
    )
    .sort()
  const names = { F: 'Flagged', R: 'Answered', S: 'Seen', D: 'Draft' } as const
  const there = nearOf(stage)
    .files(stage)
    .map(({ id, name }) => {
      const letters = [...(name.split(':2,')[1] ?? '')]
      return `${id} ${letters.flatMap(letter => names[letter as 'F'] ?? []).sort()}`
    })
    .sort()
  if (here.join('\n') === there.join('\n')) return []
  const only = (a: string[], b: string[]) => a.filter(line => !b.includes(line)).join('; ')
  return [
    `mbsync differs: only INBOX has [${only(here, there)}], only the second Maildir [${only(there, here)}]`,
  ]
}

/** What the clients believe, then what they believe after they have resynchronised. */
async function sessions(stage: Stage): Promise<string[]> {
  const faults: string[] = []
  const end = Date.now() + patience
  for (const session of stage.sessions.values()) {
    const settled = async () => {
      for (;;) {
        const doubts = await session.doubts()
        if (doubts.length === 0 || Date.now() > end) return doubts
        await delay(300)
      }
    }
    if (isPassing(session.folder)) continue
    faults.push(...(await settled()))
    for (const folder of folders) {
      await session.resync(folder, folder.length % 2 === 0)
      faults.push(...(await session.doubts()).map(each => `${each}, after a resynchronisation`))
    }
  }
  return faults
}
