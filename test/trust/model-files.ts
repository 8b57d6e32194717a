/** Who delivers, and programs that work on the files themselves: mblaze, and one that does as mutt does. */
import { existsSync, readdirSync, readFileSync, renameSync, unlinkSync } from 'node:fs'
import { join } from 'node:path'
import { isMissing } from '../../lib/sys/error.js'
import { Lmtp } from '../support/lmtp.js'
import type { Entry, Ledger } from './ledger.js'
import { Lines, reply } from './load.js'
import { Copy, folders, keywords } from './model-copy.js'
import { type Doing, note, pick, type Stage } from './model-stage.js'
import { user } from './model-world.js'

type Numbers = readonly [number, number, number]
const plenty = 40

/** Flags that every program knows, by their letters. */
const letters = { D: '\\Draft', F: '\\Flagged', R: '\\Answered', S: '\\Seen', T: '\\Deleted' } as const
type Letter = keyof typeof letters

/** A message as a delivery brings it: one in eight has CRLF on disk. */
function newMessage(ledger: Ledger, kind: string, number: number): Entry & { readonly octets: string } {
  const entry = ledger.make(kind)
  return { ...entry, octets: number % 8 === 0 ? entry.text.replace(/\n/g, '\r\n') : entry.text }
}

/** A message is delivered to a folder, and has come when that succeeds. */
async function arrive(
  stage: Stage,
  who: string,
  folder: string,
  id: string,
  flags: readonly string[],
  deed: () => Promise<boolean>,
): Promise<void> {
  const { book } = stage
  const copy = new Copy(id, folder, false)
  copy.start(flags)
  book.copies.add(copy)
  const isDone = await deed()
  note(stage, who, `${folder}: ${id} ${isDone ? 'came' : 'was refused'}`)
  if (isDone) copy.came = true
  else book.faults.push(`${who}: ${id} was refused`)
}

const kinds: Readonly<Record<string, (stage: Stage, entry: Entry) => Promise<boolean>>> = {
  async 'mail-deliver'({ world }, { text }) {
    return (await world.command('mail-deliver', ['-d', user], text)).code === 0
  },
  async lmtp({ world }, { text }) {
    const client = await Lmtp.open(world.lmtp as number)
    const [answer = ''] = await client.send({ from: 'sender@example.org', to: [user], text })
    await client.end()
    return answer.startsWith('2')
  },
  async smtp({ world }, { text }) {
    const client = await Lines.open(world.smtp as number)
    const say = (line: string) => {
      client.say(`${line}\r\n`)
      return client.until(reply)
    }
    await client.until(reply)
    for (const line of [
      'EHLO model',
      'MAIL FROM:<sender@example.org>',
      `RCPT TO:<${user}@x.internal>`,
      'DATA',
    ])
      await say(line)
    const answer = (await say(`${text.replace(/\n/g, '\r\n')}.`)).trim()
    client.say('QUIT\r\n')
    client.close()
    return answer.startsWith('2')
  },
}

export const delivery: Doing = async (stage, { what }) => {
  const { cast } = stage.world
  if (stage.book.in('INBOX').length > plenty) return
  const how = cast === 'dovecot' ? 'lmtp' : cast === 'ours' && what === 'lmtp' ? 'smtp' : what
  const entry = stage.ledger.make(how)
  await arrive(stage, how, 'INBOX', entry.id, [], () =>
    (kinds[how] as never as typeof kinds.smtp)!(stage, entry),
  )
}

/** A message file that a program finds. */
interface Seen {
  readonly folder: string
  readonly part: 'new' | 'cur'
  readonly name: string
  readonly path: string
  readonly copies: readonly Copy[]
}

/** Some file of a folder; undefined where there is none, or where it was gone before it was read. */
function someFile(
  { world, book }: Stage,
  [a, b]: Numbers,
  parts: readonly ('new' | 'cur')[],
): Seen | undefined {
  const folder = pick(folders, a) as string
  const files = parts.flatMap(part =>
    list(join(world.folder(folder), part)).map(name => ({
      part,
      name,
      path: join(world.folder(folder), part, name),
    })),
  )
  const file = pick(files, b)
  const id = file && idIn(file.path)
  if (!file || id === undefined) return undefined
  return { folder, ...file, copies: book.files(folder, file.name.split(':')[0] as string, id) }
}

export function list(directory: string): string[] {
  try {
    return readdirSync(directory, 'latin1').filter(name => !name.startsWith('.'))
  } catch (error) {
    if (isMissing(error)) return []
    throw error
  }
}

export function idIn(path: string): string | undefined {
  try {
    return /^X-Trust: (\S+?)\r?$/m.exec(readFileSync(path, 'latin1'))?.[1]
  } catch (error) {
    if (isMissing(error)) return undefined
    throw error
  }
}

function lettersOf(name: string): string {
  return /:2,(.*)$/.exec(name)?.[1] ?? ''
}

function named(name: string, flags: Iterable<string>): string {
  return `${name.split(':')[0]}:2,${[...new Set(flags)].sort().join('')}`
}

function toggled(name: string, letter: Letter, isSet: boolean): string {
  const others = [...lettersOf(name)].filter(each => each !== letter)
  return named(name, isSet ? [...others, letter] : others)
}

/** Gives a file another name. @returns false when it has another one already */
function moved(from: string, to: string): boolean {
  try {
    renameSync(from, to)
    return true
  } catch (error) {
    if (isMissing(error)) return false
    throw error
  }
}

/** What mutt does to a Maildir that it has open: it knows no lock, and no index. */
export const mutt: Doing = async (stage, { what, numbers }) => {
  const { book, world } = stage
  const seen = someFile(stage, numbers, what === 'seen' ? ['new'] : ['cur', 'new'])
  if (!seen) return
  const { folder, name, path, copies } = seen
  book.disturbed.add(folder)
  const cur = join(world.folder(folder), 'cur')
  const isSure = copies.length === 1
  const span = book.begin()
  if (what === 'unlink') {
    for (const copy of copies) copy.remove(false)
    try {
      unlinkSync(path)
    } catch (error) {
      if (!isMissing(error)) throw error
      return
    }
    if (isSure) copies[0]?.remove(true)
    return note(stage, 'mutt', `${folder}: removed ${name} (${copies.map(copy => copy.id)})`)
  }
  const letter = pick(
    Object.keys(letters).filter(each => each !== 'T'),
    numbers[2],
  ) as Letter
  const isSet = !lettersOf(name).includes(letter)
  const next = what === 'seen' ? named(name, lettersOf(name)) : toggled(name, letter, isSet)
  const ops = what === 'seen' ? [] : copies.map(copy => copy.change(letters[letter], isSet, span))
  const isDone = moved(path, join(cur, next))
  book.end(span)
  if (isDone && isSure) for (const op of ops) op.isSure = true
  if (isDone) note(stage, 'mutt', `${folder}: ${name} is now ${lettersOf(next)}`)
}

const mblazeDeeds: Readonly<Record<string, (stage: Stage, numbers: Numbers) => Promise<void>>> = {
  async mdeliver(stage, [a, b, c]) {
    const folder = pick(folders, a) as string
    if (stage.book.in(folder).length > plenty) return
    const { id, octets } = newMessage(stage.ledger, 'mdeliver', c)
    const given = Object.keys(letters).filter((each, i) => each !== 'T' && (b >> i) % 3 === 0) as Letter[]
    const args = given.length === 0 || b % 2 === 0 ? [] : ['-c', '-X', given.join('')]
    const flags = args.length === 0 ? [] : given.map(letter => letters[letter])
    const deed = async () =>
      (await stage.world.run('mdeliver', [...args, stage.world.folder(folder)], octets)).code === 0
    await arrive(stage, 'mdeliver', folder, id, flags, deed)
  },
  async mflag(stage, numbers) {
    const seen = someFile(stage, numbers, ['cur', 'new'])
    if (seen) await flagged(stage, seen, numbers[2])
  },
  /** Through a sequence that was made a moment ago, whose names have changed meanwhile. */
  async mseq(stage, numbers) {
    const { world } = stage
    const folder = pick(folders, numbers[0]) as string
    if (numbers[2] % 2 === 0) {
      await world.run('sh', ['-c', `mlist "${world.folder(folder)}" | mseq -S >/dev/null`])
      return
    }
    const { out } = await world.run('mseq', ['-f', String(1 + (numbers[1] % 20))])
    const path = out.trim()
    if (path === '' || !existsSync(path)) return
    const [name = '', part, at = ''] = path.split('/').reverse()
    const id = idIn(path)
    if (id === undefined) return
    const where = at === 'Maildir' ? 'INBOX' : at.slice(1)
    const copies = stage.book.files(where, name.split(':')[0] as string, id)
    await flagged(stage, { folder: where, part: part as 'cur', name, path, copies }, numbers[2] >> 1)
  },
  async mrefile(stage, numbers) {
    const { book, world } = stage
    const seen = someFile(stage, numbers, ['cur'])
    const target = pick(folders, numbers[2]) as string
    if (!seen || target === seen.folder || book.in(target).length > plenty) return
    const [from] = seen.copies
    if (!from) return
    const coming = new Copy(from.id, target, false)
    coming.start([...lettersOf(seen.name)].flatMap(letter => letters[letter as Letter] ?? []))
    // Letters of keywords have other names there.
    if (/[a-z]/.test(lettersOf(seen.name))) coming.doubt(keywords)
    book.copies.add(coming)
    for (const copy of seen.copies) copy.remove(false)
    book.disturbed.add(seen.folder)
    book.disturbed.add(target)
    const { out } = await world.run('mrefile', ['-v', seen.path, world.folder(target)])
    const name = out.trim().split('/').at(-1)
    note(stage, 'mrefile', `${seen.folder}: ${seen.name} to ${target} ${name}`)
    if (!name) {
      if (coming.uids.size === 0) book.copies.delete(coming)
      return
    }
    coming.came = true
    coming.unique = name.split(':')[0]
    if (seen.copies.length === 1) from.remove(true)
  },
}

async function flagged(stage: Stage, { folder, name, path, copies }: Seen, number: number): Promise<void> {
  const { book, world } = stage
  const letter = pick(['S', 'F', 'R', 'D'] as const, number) as Letter
  const isSet = !lettersOf(name).includes(letter)
  book.disturbed.add(folder)
  const span = book.begin()
  const ops = copies.map(copy => copy.change(letters[letter], isSet, span))
  await world.run('mflag', [`-${isSet ? letter : letter.toLowerCase()}`, path])
  // It says nothing when the file had another name already.
  const isDone = existsSync(join(world.folder(folder), 'cur', toggled(name, letter, isSet)))
  book.end(span)
  note(stage, 'mflag', `${folder}: ${name} ${isSet ? '+' : '-'}${letter} ${isDone ? 'done' : 'missed'}`)
  if (isDone && copies.length === 1) for (const op of ops) op.isSure = true
}

export const mblaze: Doing = (stage, { what, numbers }) =>
  (mblazeDeeds[what] as NonNullable<(typeof mblazeDeeds)[string]>)(stage, numbers)
