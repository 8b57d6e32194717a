/** What a session of IMAP does, and what may come of it. */
import { expand } from './load.js'
import { allFlags, Copy, folders, isPassing, keywords, passing, systemFlags } from './model-copy.js'
import type { Session } from './model-session.js'
import { type Doing, hashOf, pick, type Stage } from './model-stage.js'

type Numbers = readonly [number, number, number]
type ImapDeed = (stage: Stage, session: Session, numbers: Numbers) => Promise<void>

/** A folder is kept at about so many messages. */
const plenty = 40

/** One to four messages that the session knows, most of the time next to each other. */
function some({ book, constants }: Stage, session: Session, [a, b]: Numbers): Map<number, Copy> {
  const { uids } = session
  const count = Math.min(uids.length, 1 + (b % 4))
  const from = a % Math.max(1, uids.length)
  const chosen = new Map<number, Copy>()
  for (let i = 0; i < count; i++) {
    const uid = uids[(from + i) % uids.length] as number
    const copy = book.at(session.folder, uid)
    // A folder of the same name may have been here before.
    if (copy && copy.id === constants.idOf(session.folder, session.validity, uid)) chosen.set(uid, copy)
  }
  return new Map([...chosen].sort(([one], [two]) => one - two))
}

/** Opens a folder where none is open. @returns whether one is */
async function opened(session: Session, number: number): Promise<boolean> {
  if (session.folder !== '') return true
  return await session.select(pick(folders, number) as string)
}

/** A refusal that nobody had a reason for. */
function refused(stage: Stage, session: Session, folder: string, what: string, text: string): void {
  const isGone = isPassing(folder) || isPassing(session.folder)
  if (!isGone) stage.book.faults.push(`${session.name} (${session.server}): ${what}: ${text}`)
}

async function change(
  stage: Stage,
  session: Session,
  chosen: ReadonlyMap<number, Copy>,
  values: ReadonlyMap<string, boolean>,
  command: string,
): Promise<boolean> {
  if (chosen.size === 0) return false
  const span = stage.book.begin()
  const { since } = stage.book
  const ops = [...chosen.values()].flatMap(copy =>
    [...values].map(([flag, value]) => {
      const isIdle = session.server === 'dovecot' && copy.possible(flag, { ...span, start: since }).has(value)
      return Object.assign(copy.change(flag, value, span), { isIdle })
    }),
  )
  const isSilent = command.includes('.SILENT')
  if (isSilent) session.forget([...chosen.keys()])
  const reply = await session.say(`UID STORE ${[...chosen.keys()]} ${command}`)
  stage.book.end(span)
  if (isSilent) session.forget([...chosen.keys()])
  if (reply.status === 'OK') for (const op of ops) op.isSure = true
  else refused(stage, session, session.folder, command, `${reply.status} ${reply.text}`)
  return reply.status === 'OK'
}

/** Adds, removes or replaces one flag. */
async function store(stage: Stage, session: Session, numbers: Numbers, pool: readonly string[]) {
  if (!(await opened(session, numbers[0]))) return
  const [, b, c] = numbers
  const flag = pick(pool, c) as string
  const mode = ['+', '-', '+', '-', '+', ''][(b >> 3) % 6] as string
  const silent = (b >> 6) % 2 === 0 ? '' : '.SILENT'
  const values =
    mode === '' ? allFlags.map(each => [each, each === flag] as const) : [[flag, mode === '+'] as const]
  await change(
    stage,
    session,
    some(stage, session, numbers),
    new Map(values),
    `${mode}FLAGS${silent} (${flag})`,
  )
}

/** COPY or MOVE: what the answer names has come, and what was moved has gone. */
async function transfer(stage: Stage, session: Session, numbers: Numbers, verb: 'COPY' | 'MOVE') {
  if (!(await opened(session, numbers[0]))) return
  const { book } = stage
  const others = [...folders, ...passing].filter(folder => folder !== session.folder)
  const target = pick(others, numbers[2]) as string
  const chosen = some(stage, session, numbers)
  if (chosen.size === 0 || (verb === 'COPY' && book.in(target).length > plenty)) return
  const span = book.begin()
  const coming = new Map([...chosen].map(([uid, copy]) => [uid, new Copy(copy.id, target, false)]))
  for (const copy of coming.values()) book.copies.add(copy)
  if (verb === 'MOVE') for (const copy of chosen.values()) copy.remove(false)
  const reply = await session.say(`UID ${verb} ${[...chosen.keys()]} ${target}`)
  book.end(span)
  const [, validity = '', from = '', to = ''] = /COPYUID (\d+) ([\d:,]+) ([\d:,]+)/.exec(reply.all) ?? []
  const targets = expand(to)
  const sources = expand(from)
  if (sources.length !== targets.length) book.faults.push(`${verb}: ${reply.all.slice(-200)}`)
  for (const [i, uid] of sources.entries()) {
    const copy = coming.get(uid)
    if (!copy) book.faults.push(`${session.name}: ${verb} told of ${uid}, which was not asked for`)
    else
      arrived(stage, session, { copy, from: chosen.get(uid) as Copy, span }, validity, targets[i] as number)
    if (verb === 'MOVE' && reply.status === 'OK') chosen.get(uid)?.remove(true)
  }
  for (const [uid, copy] of coming)
    if (!sources.includes(uid) && copy.uids.size === 0) book.copies.delete(copy)
  // What was moved away by somebody else cannot be moved once more, and that is no news to the client.
  if (reply.status !== 'OK' && !/EXPUNGEISSUED/.test(reply.text))
    refused(stage, session, target, `${verb} to ${target}`, `${reply.status} ${reply.text}`)
}

function arrived(
  stage: Stage,
  session: Session,
  { copy, from, span }: { copy: Copy; from: Copy; span: { start: number; end: number } },
  validity: string,
  uid: number,
): void {
  const { book, constants, uids } = stage
  copy.came = true
  copy.inherit(from, span, session.server === 'dovecot' ? book.since : undefined)
  book.name(copy, uid)
  constants.tell(session.name, copy.folder, validity, uid, 'ID', copy.id)
  for (const each of uids.values()) each.tell(`${copy.folder}/${validity}`, validity, uid, copy.id)
}

/** \Deleted, then UID EXPUNGE or EXPUNGE. */
async function remove(stage: Stage, session: Session, numbers: Numbers) {
  if (!(await opened(session, numbers[0]))) return
  const chosen = some(stage, session, numbers)
  if (!(await change(stage, session, chosen, new Map([['\\Deleted', true]]), '+FLAGS (\\Deleted)'))) return
  const uids = [...chosen.keys()]
  await expunge(stage, session, numbers[2] % 3 === 0 ? undefined : uids, [...chosen.values()])
}

async function expunge(stage: Stage, session: Session, uids: number[] | undefined, sure: readonly Copy[]) {
  const purge = stage.book.purge(session.folder, uids, sure)
  const reply = await session.say(uids ? `UID EXPUNGE ${uids}` : 'EXPUNGE')
  stage.book.end(purge.span)
  purge.isDone = reply.status === 'OK'
  if (!purge.isDone) refused(stage, session, session.folder, 'EXPUNGE', `${reply.status} ${reply.text}`)
}

async function append(stage: Stage, session: Session, [a, b, c]: Numbers) {
  const { book, ledger, constants, uids } = stage
  const folder = pick([...folders, ...passing], a) as string
  if (book.in(folder).length > plenty) return
  const { id, text } = ledger.make('append')
  const flags = [pick(allFlags, b), pick(allFlags, b >> 6)].filter(
    (flag, i): flag is string => flag !== undefined && flag !== '\\Deleted' && (c >> i) % 2 === 0,
  )
  const copy = new Copy(id, folder, false)
  const span = book.begin()
  copy.start(flags)
  book.copies.add(copy)
  const date = c % 3 === 0 ? ' "02-Jan-2008 03:04:05 +0000"' : ''
  const literal = Buffer.from(text.replace(/\n/g, '\r\n'))
  const reply = await session.say(`APPEND ${folder} (${[...new Set(flags)].join(' ')})${date}`, literal)
  book.end(span)
  const [, validity, uid] = /APPENDUID (\d+) (\d+)/.exec(reply.text) ?? []
  if (reply.status !== 'OK') {
    if (copy.uids.size === 0) book.copies.delete(copy)
    return refused(stage, session, folder, `APPEND ${folder}`, reply.text)
  }
  copy.came = true
  if (validity === undefined) return
  book.name(copy, Number(uid))
  constants.tell(session.name, folder, validity, Number(uid), 'ID', id)
  for (const each of uids.values()) each.tell(`${folder}/${validity}`, validity, Number(uid), id)
}

/** Messages as they are, whole: they are the same for everybody for ever. */
async function read(stage: Stage, session: Session, numbers: Numbers) {
  if (!(await opened(session, numbers[0]))) return
  const chosen = some(stage, session, numbers)
  if (chosen.size === 0) return
  const { untagged } = await session.say(`UID FETCH ${[...chosen.keys()]} (UID RFC822.SIZE BODY.PEEK[])`)
  for (const line of untagged) {
    const [head, uid, size] = /^\d+ FETCH \(UID (\d+) RFC822\.SIZE (\d+) BODY\[\] (?!NIL)/.exec(line) ?? []
    if (head === undefined) continue
    const octets = line.slice(head.length, -1)
    const tell = (what: string, value: string) =>
      stage.constants.tell(session.name, session.folder, session.validity, Number(uid), what, value)
    // Dovecot's word for a file that is gone.
    if (octets === '' || octets === '""') continue
    tell('BODY', hashOf(octets))
    tell('SIZE', size as string)
    if (octets.length !== Number(size))
      stage.book.faults.push(
        `${session.name}: ${session.folder} ${uid} is ${octets.length} of ${size} octets`,
      )
  }
}

/** Makes, deletes or renames a folder that comes and goes. */
async function folder(stage: Stage, session: Session, [a, b]: Numbers) {
  const [one, other] = a % 2 === 0 ? passing : ([passing[1], passing[0]] as const)
  for (const each of passing) stage.book.shaken.add(each)
  if (isPassing(session.folder)) await session.select('INBOX')
  await session.say(
    [`CREATE ${one}`, `CREATE ${one}`, `DELETE ${one}`, `RENAME ${one} ${other}`][b % 4] as string,
  )
}

const deeds: Readonly<Record<string, ImapDeed>> = {
  store: (stage, session, numbers) => store(stage, session, numbers, systemFlags.slice(0, 4)),
  keyword: (stage, session, numbers) => store(stage, session, numbers, keywords),
  copy: (stage, session, numbers) => transfer(stage, session, numbers, 'COPY'),
  move: (stage, session, numbers) => transfer(stage, session, numbers, 'MOVE'),
  remove,
  doom: (stage, session, numbers) => store(stage, session, numbers, ['\\Deleted']),
  async purge(stage, session, numbers) {
    if (await opened(session, numbers[0])) await expunge(stage, session, undefined, [])
  },
  append,
  read,
  folder,
  async select(_, session, [a]) {
    await session.select(pick([...folders, ...folders, ...passing], a) as string)
  },
  async resync(_, session, [a, b]) {
    await session.resync(pick(folders, a) as string, b % 2 === 0)
  },
  async again(_, session, [a]) {
    await session.connect()
    await session.resync(pick(folders, a) as string, false)
  },
  async noop(_, session, [a]) {
    if (!(await opened(session, a))) return
    await session.say('NOOP')
    await session.learn()
  },
  async idle(_, session, [a, b]) {
    if (!(await opened(session, a))) return
    await session.idle(b % 200)
    await session.learn()
  },
}

/** What Dovecot says where it lost its way, also with no other program there but one that renames files. */
const dovecotsFarewell = /BYE IMAP session state is inconsistent/

/** Does what a session is to do. */
export const imap: Doing = async (stage, { actor, what, numbers }) => {
  const session = stage.sessions.get(actor as never) as Session
  try {
    await (deeds[what] as ImapDeed)(stage, session, numbers)
  } catch (error) {
    // Whose folder was deleted may be sent away (RFC 2180 §3.3).
    const isTheirs = session.server === 'dovecot' && dovecotsFarewell.test(String(error))
    if (isTheirs) stage.book.excuse('said farewell')
    else if (!isPassing(session.folder))
      stage.book.faults.push(`${session.name} (${session.server}): ${what}: ${error}`)
    await session.connect()
  }
}
