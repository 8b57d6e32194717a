/** mbsync, which keeps a second Maildir in step both ways, and a session of POP3 that reads and deletes. */
import { chownSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { mailUser } from '../support/dovecot.js'
import { Lines } from './load.js'
import { Copy, type Span } from './model-copy.js'
import { idIn, list } from './model-files.js'
import { type Doing, note, pick, type Stage } from './model-stage.js'
import { password, user } from './model-world.js'

type Numbers = readonly [number, number, number]

const nearFlags = { F: '\\Flagged', R: '\\Answered', S: '\\Seen' } as const
type Letter = keyof typeof nearFlags

/** What was changed in the second Maildir and not yet synchronised. */
export class Near {
  readonly flags: { id: string; flag: string; value: boolean }[] = []
  readonly removed: string[] = []
  /** Messages that are new there; undefined for none. */
  readonly made: Copy[] = []

  files(stage: Stage): { path: string; name: string; id: string }[] {
    return ['cur', 'new'].flatMap(part => {
      const directory = join(stage.world.mirror, 'INBOX', part)
      return list(directory).flatMap(name => {
        const path = join(directory, name)
        const id = idIn(path)
        return id === undefined ? [] : [{ path, name, id }]
      })
    })
  }

  /** Those that mbsync has seen. */
  known(stage: Stage) {
    return this.files(stage).filter(({ id }) => !this.made.some(copy => copy.id === id))
  }

  /** @returns whether mbsync found nothing to complain of */
  async sync(stage: Stage): Promise<boolean> {
    const { book, world } = stage
    const span = book.begin()
    const purge = book.purge('INBOX')
    const ops = this.flags.flatMap(({ id, flag, value }) => change(stage, id, flag, value, span))
    const removed = this.removed.map(id => book.in('INBOX').filter(copy => copy.id === id))
    for (const copy of removed.flat()) copy.remove(false)
    for (const copy of this.made) book.copies.add(copy)
    const { code, said } = await world.run('mbsync', ['-c', world.mbsyncrc, 'all'])
    book.end(span)
    book.end(purge.span)
    note(stage, 'mbsync', `${code} ${said.trim().replace(/\n/g, ' / ')}`)
    // What failed is tried again the next time; what is done twice is done.
    if (code !== 0) return false
    for (const { op, isOnly } of ops) op.isSure = isOnly
    for (const copies of removed) if (copies.length === 1) copies[0]?.remove(true)
    for (const copy of this.made) copy.came = true
    this.flags.length = this.removed.length = this.made.length = 0
    return true
  }
}

function change({ book }: Stage, id: string, flag: string, value: boolean, span: Span) {
  const copies = book.in('INBOX').filter(copy => copy.id === id && copy.gone !== 'yes')
  return copies.map(copy => ({ op: copy.change(flag, value, span), isOnly: copies.length === 1 }))
}

const deeds: Readonly<Record<string, (stage: Stage, near: Near, numbers: Numbers) => Promise<void>>> = {
  async sync(stage, near) {
    await near.sync(stage)
  },
  async 'near flag'(stage, near, [a, b]) {
    const file = pick(near.known(stage), a)
    if (!file) return
    const letter = pick(Object.keys(nearFlags), b) as Letter
    const [base, had = ''] = file.name.split(':2,')
    const value = !had.includes(letter)
    const flags = value ? [...had, letter] : [...had].filter(each => each !== letter)
    const cur = join(stage.world.mirror, 'INBOX', 'cur')
    renameSync(file.path, join(cur, `${base}:2,${flags.sort().join('')}`))
    near.flags.push({ id: file.id, flag: nearFlags[letter], value })
    note(stage, 'near', `${file.id} ${value ? '+' : '-'}${letter}`)
  },
  async 'near remove'(stage, near, [a]) {
    const file = pick(near.known(stage), a)
    if (!file) return
    rmSync(file.path)
    near.removed.push(file.id)
    note(stage, 'near', `${file.id} removed`)
  },
  async 'near new'(stage, near, [a]) {
    if (near.files(stage).length > 40) return
    const { id, text } = stage.ledger.make('near')
    const inbox = join(stage.world.mirror, 'INBOX')
    if (list(stage.world.mirror).length === 0) return
    for (const part of ['cur', 'new', 'tmp']) mkdirSync(join(inbox, part), { recursive: true })
    const flags = a % 2 === 0 ? '' : 'S'
    const path = join(inbox, 'cur', `${Math.floor(Date.now() / 1000)}.M${id}P1.near:2,${flags}`)
    writeFileSync(path, text)
    chownSync(path, mailUser, mailUser)
    const copy = new Copy(id, 'INBOX', false)
    copy.start(flags === '' ? [] : ['\\Seen'])
    near.made.push(copy)
    note(stage, 'near', `${id} made`)
  },
}

const nears = new WeakMap<Stage, Near>()

export function nearOf(stage: Stage): Near {
  const near = nears.get(stage) ?? new Near()
  nears.set(stage, near)
  return near
}

export const mbsync: Doing = (stage, { what, numbers }) =>
  (deeds[what] as NonNullable<(typeof deeds)[string]>)(stage, nearOf(stage), numbers)

/** Reads some and deletes some; what is deleted is gone with QUIT. */
export const pop3: Doing = async (stage, { numbers: [a, b] }) => {
  const { book, world } = stage
  const client = await Lines.open(world.pop3)
  const say = async (line: string, end = /\r\n/) => {
    client.say(`${line}\r\n`)
    return await client.until(end)
  }
  try {
    await client.until(/\r\n/)
    await say(`USER ${user}`)
    const login = await say(`PASS ${password}`)
    if (!login.startsWith('+OK')) return note(stage, 'pop3', login.trim())
    const listing = await say('UIDL', /^-ERR.*\r\n|\r\n\.\r\n/m)
    const numbers = [...listing.matchAll(/^(\d+) (\S+)\r$/gm)].map(match => match[1] as string)
    const chosen: Copy[] = []
    for (let i = 0; i <= b % 3 && numbers.length > 4; i++) {
      const number = pick(numbers, a + i) as string
      const head = await say(`TOP ${number} 0`, /^-ERR.*\r\n|\r\n\.\r\n/m)
      const id = /X-Trust: (\S+)/.exec(head)?.[1]
      const copies = id === undefined ? [] : book.in('INBOX').filter(copy => copy.id === id)
      // Which of several copies it is, POP3 does not tell.
      if (copies.length !== 1 || chosen.includes(copies[0] as Copy)) continue
      if ((await say(`DELE ${number}`)).startsWith('+OK')) chosen.push(copies[0] as Copy)
    }
    for (const copy of chosen) copy.remove(false)
    const answer = await say('QUIT')
    note(stage, 'pop3', `INBOX: deleted ${chosen.map(copy => copy.id)}: ${answer.trim()}`)
    if (answer.startsWith('+OK')) for (const copy of chosen) copy.remove(true)
    else book.faults.push(`pop3: QUIT: ${answer.trim()}`)
  } finally {
    client.close()
  }
}
