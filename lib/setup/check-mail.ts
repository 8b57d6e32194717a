/** Checks of mail: what stands in Maildirs, and what waits in the queue. */
import { createReadStream } from 'node:fs'
import { readdir, readFile, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Config } from '../config/load.js'
import { Account } from '../mailbox/account.js'
import { folderOf } from '../maildir/layout.js'
import { isMessageName, parseName, pathOf } from '../maildir/name.js'
import { parseEnvelope } from '../queue/envelope-text.js'
import { errorCode, exits, isMissing, MailError } from '../sys/error.js'
import { type Finding, type Findings, formatAge } from './check.js'

/** Unfinished deliveries are removed after this (maildir(5)), in milliseconds. */
const tmpAge = 36 * 3_600_000

export interface MailOptions {
  readonly now: Date
  /** Whether each message is read, to compare its size on the wire too. */
  readonly thorough: boolean
}

/** All folders of one Maildir. @param root HOME/Maildir; one that is not there yet is well */
export async function* checkMaildir(root: string, options: MailOptions): Findings {
  const names = await entriesOf(root)
  if (!names) return
  yield* checkFolder(root, 'INBOX', root, options)
  for (const name of names.filter(each => each.startsWith('.'))) {
    const folder = folderOf(name)
    if (folder === undefined || !(await entriesOf(join(root, name, 'cur')))) continue
    yield* checkFolder(root, folder, join(root, name), options)
  }
}

async function* checkFolder(root: string, folder: string, directory: string, options: MailOptions): Findings {
  yield* checkOwner(directory)
  yield* checkTmp(directory, options.now)
  yield* checkUidList(root, folder, directory)
  const letters = yield* checkMessages(directory, options)
  yield* checkKeywords(directory, letters)
}

/** One process serves all: what belongs to others it can neither flag nor remove. */
async function* checkOwner(directory: string): Findings {
  const { uid } = await stat(directory)
  for (const part of ['cur', 'new', 'tmp']) {
    const path = join(directory, part)
    const found = await stat(path).catch(() => undefined)
    if (!found) yield problem(path, 'is not there', `mkdir ${path}, as the owner of ${directory}`)
    else if (found.uid !== uid)
      yield problem(
        path,
        `belongs to user ${found.uid}, its Maildir to user ${uid}`,
        `chown -R ${uid} ${directory}`,
      )
  }
}

async function* checkTmp(directory: string, now: Date): Findings {
  const tmp = join(directory, 'tmp')
  const old: string[] = []
  for (const name of (await entriesOf(tmp)) ?? []) {
    const found = await stat(join(tmp, name)).catch(() => undefined)
    if (found?.isFile() && now.getTime() - Math.max(found.mtimeMs, found.ctimeMs) > tmpAge) old.push(name)
  }
  if (old.length === 0) return
  yield {
    ...problem(
      tmp,
      `holds ${old.length} deliveries that were never finished`,
      'mail-check --repair removes them',
    ),
    level: 'warning',
    repair: async () => {
      for (const name of old) await rm(join(tmp, name), { force: true })
    },
  }
}

/** dovecot-uidlist: a header, and UIDs that rise (see lib/mailbox/uidlist.ts). */
async function* checkUidList(root: string, folder: string, directory: string): Findings {
  const path = join(directory, 'dovecot-uidlist')
  const text = await readFile(path, 'latin1').catch(error => {
    if (isMissing(error)) return undefined
    throw error
  })
  if (text === undefined) return
  const wrong = wrongLine(text)
  if (wrong === undefined) return
  yield {
    ...problem(
      path,
      wrong === 1
        ? 'its header makes no sense, so every client would download the folder again'
        : `line ${wrong} makes no sense, so its message gets a new UID`,
      wrong === 1
        ? 'put it back from a backup'
        : 'mail-check --repair writes the file anew; all other UIDs stay',
    ),
    // Without a header there is nothing to keep, and a backup may still have it.
    ...(wrong === 1 ? {} : { repair: () => openOnce(root, folder) }),
  }
}

/** @returns the first line that is wrong, from 1; undefined for a file that is well */
export function wrongLine(text: string): number | undefined {
  const lines = text.split('\n')
  if (!/^(3 V\d+ N\d+( .*)?|1 \d+ \d+)$/.test(lines[0] ?? '')) return 1
  const isOld = lines[0]?.startsWith('1 ')
  // The last one is empty where the file ends as it must.
  const last = lines.pop()
  let before = 0
  for (const [i, line] of lines.entries()) {
    if (i === 0) continue
    const match = (isOld ? /^(\d+) ([^/]+)$/ : /^(\d+) (?:[^ :]\S* )*:([^/]+)$/).exec(line)
    const uid = Number(match?.[1])
    if (!match || uid <= before || uid >= 0xffff_ffff) return i + 1
    before = uid
  }
  return last === '' ? undefined : lines.length + 1
}

/** Opening a mailbox mends its list, under its lock. */
async function openOnce(root: string, folder: string): Promise<void> {
  const account = await Account.open(root)
  try {
    const mailbox = await account.open(folder)
    mailbox.close()
  } finally {
    await account.close()
  }
}

/** Sizes in names that are not the files'. @returns the keyword letters in use */
async function* checkMessages(
  directory: string,
  { thorough }: MailOptions,
): AsyncGenerator<Finding, Set<string>> {
  const letters = new Set<string>()
  const seen = new Set<string>()
  for (const part of ['cur', 'new'])
    for (const octets of await readdir(join(directory, part), 'buffer').catch(() => [])) {
      const name = octets.toString('latin1')
      if (!isMessageName(name)) continue
      const { unique, flags, storedSize, size } = parseName(name)
      const path = pathOf(join(directory, part), name)
      const shown = join(directory, part, name)
      for (const letter of flags) if (letter >= 'a') letters.add(letter)
      if (seen.has(unique))
        yield problem(
          shown,
          'is there twice, under the same unique name',
          'move one of them to another folder',
        )
      seen.add(unique)
      const found = await stat(path).catch(() => undefined)
      if (!found) continue
      if (storedSize !== undefined && storedSize !== found.size)
        yield problem(
          shown,
          `is ${found.size} octets long, but its name says ${storedSize}`,
          'it was changed or cut: compare it with a backup',
        )
      else if (thorough && size !== undefined && size !== (await wireSize(path)))
        yield problem(
          shown,
          `its name says ${size} octets on the wire, which is wrong`,
          'compare it with a backup',
        )
    }
  return letters
}

/** Octets, each LF without its CR counted as two. */
async function wireSize(path: string | Buffer): Promise<number> {
  let size = 0
  let previous = 0
  for await (const chunk of createReadStream(path)) {
    for (const octet of chunk as Buffer) {
      size += octet === 10 && previous !== 13 ? 2 : 1
      previous = octet
    }
  }
  return size
}

async function* checkKeywords(directory: string, letters: ReadonlySet<string>): Findings {
  const path = join(directory, 'dovecot-keywords')
  const text = await readFile(path, 'utf8').catch(() => '')
  const named = new Set<string>()
  for (const [i, line] of text.split('\n').entries()) {
    if (line === '') continue
    const [, digits = ''] = /^(\d{1,2}) \S+$/.exec(line) ?? []
    if (digits === '' || Number(digits) > 25 || named.has(letterOf(digits)))
      yield {
        ...problem(path, `line ${i + 1} makes no sense`, 'write NUMBER KEYWORD, each number once'),
        level: 'warning',
      }
    else named.add(letterOf(digits))
  }
  const nameless = [...letters].filter(letter => !named.has(letter)).sort()
  if (nameless.length === 0) return
  yield {
    ...problem(
      path,
      `does not say which keywords the letters ${nameless.join('')} are, so clients do not see them`,
      'put the file back from a backup',
    ),
    level: 'warning',
  }
}

const letterOf = (digits: string) => String.fromCharCode(97 + Number(digits))

/** What waits too long, and what nobody can send. */
export async function* checkQueue({ queue, relay }: Config, now: Date): Findings {
  const { directory } = queue
  const mail = join(directory, 'mail')
  const names = await entriesOf(mail)
  if (!names) return
  const envelopes = names.filter(name => name.endsWith('.envelope') && !name.startsWith('.'))
  let oldest = now.getTime()
  let late = 0
  for (const name of envelopes) {
    const text = await readFile(join(mail, name), 'utf8').catch(() => '')
    const envelope = text === '' ? undefined : parseEnvelope(text)
    if (!envelope) continue
    oldest = Math.min(oldest, envelope.arrived)
    if (now.getTime() - envelope.arrived > queue.warn_after) late++
  }
  const advice = relay
    ? 'mail-queue list says why; journalctl -u mail-relay has what was said'
    : 'the configuration has no [relay], so it cannot go out: add one, or mail-queue delete'
  if (late > 0)
    yield {
      ...problem(
        directory,
        `${late} messages wait, the oldest for ${formatAge(now.getTime() - oldest)}`,
        advice,
      ),
      check: 'queue',
    }
  const broken = (await entriesOf(join(directory, 'broken')))?.length ?? 0
  if (broken > 0)
    yield {
      ...problem(
        join(directory, 'broken'),
        `holds ${broken} files that no program can use`,
        'look at them, then remove them',
      ),
      check: 'queue',
      level: 'warning',
    }
}

/** @returns undefined for a directory that is not there @throws MailError (77) for one that may not be read */
async function entriesOf(directory: string): Promise<string[] | undefined> {
  try {
    return await readdir(directory)
  } catch (error) {
    if (isMissing(error)) return undefined
    if (errorCode(error) !== 'EACCES') throw error
    throw new MailError(`this user may not read ${directory}: run this as root, or as the servers' user`, {
      exit: exits.notAllowed,
    })
  }
}

function problem(where: string, what: string, advice: string): Finding {
  return { level: 'error', check: 'mail', where, what, advice }
}
