/**
 * The drop directory, `drop/` in the queue's: how users without any right on the queue hand messages in, with no
 * program of higher rights in between. It may be written and not read (mode 3733): a user makes files there, cannot
 * see those of others, and cannot remove them (sticky); files take the directory's group, whose members (the mail
 * programs) may read them. Names come from chance, so that nobody finds by guessing what he cannot list.
 *
 * An entry is two files, ID.message and then ID.envelope, as in `mail/`. What stands there is somebody's word: it is
 * read without following links, only from plain files, and only the parts a submission may have are taken over.
 */
import { constants, type Stats } from 'node:fs'
import { access, type FileHandle, open, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, errorCode, isMissing } from '../sys/error.js'
import { Draft } from './draft.js'
import { type Envelope, isIdentifier, newIdentifier, type Submission } from './entry.js'
import { parseEnvelope } from './envelope-text.js'
import { entryPaths, removeAll } from './files.js'
import type { Queue } from './queue.js'

/** The largest envelope taken from the drop directory, in octets. */
const largestEnvelope = 4 * 1024 * 1024

/** Whether this user may write into the queue itself; who may not, drops. */
export async function mayEnqueue(directory: string): Promise<boolean> {
  try {
    await access(join(directory, 'mail'), constants.R_OK | constants.W_OK | constants.X_OK)
    return true
  } catch (error) {
    if (errorCode(error) === 'EACCES') return false
    if (isMissing(error)) return process.geteuid?.() === 0 || mayCreate(join(directory, '..'))
    throw error
  }
}

async function mayCreate(parent: string): Promise<boolean> {
  return access(parent, constants.W_OK | constants.X_OK).then(
    () => true,
    () => false,
  )
}

/** Begins an entry in the drop directory. */
export function beginDrop(directory: string, submission: Submission, clock: () => number = Date.now): Draft {
  return new Draft(submission, {
    directory: join(directory, 'drop'),
    id: newIdentifier(clock()),
    owner: undefined,
    mode: 0o640,
    clock,
  })
}

/** What {@link collect} met. */
export interface Collected {
  readonly accepted: readonly string[]
  /** Files that were no message, by identifier, with the reason; they were removed. */
  readonly refused: readonly Trouble[]
  /** What could not be taken and was left where it is: files this process may not read, a full disk. */
  readonly left: readonly Trouble[]
}

export interface Trouble {
  readonly id: string
  readonly reason: string
}

/**
 * Takes what was dropped into the queue. A crash on the way does not double a message: it keeps its identifier, and
 * is in the queue before it leaves the drop directory.
 *
 * @param maxSize the largest message taken, in octets
 */
export async function collect(queue: Queue, maxSize = Number.POSITIVE_INFINITY): Promise<Collected> {
  const accepted: string[] = []
  const refused: Trouble[] = []
  const left: Trouble[] = []
  for (const name of (await readdir(queue.dropDirectory)).sort()) {
    const id = name.endsWith('.envelope') ? name.slice(0, -'.envelope'.length) : ''
    if (!isIdentifier(id)) continue
    await queue.reserve(id, async () => {
      try {
        await take(queue, id, maxSize, { accepted, refused })
      } catch (error) {
        // One user's mischief, or one file's trouble, is not in the way of others.
        if (!isMissing(error)) left.push({ id, reason: explain(error) })
      }
    })
  }
  return { accepted, refused, left }
}

class Refusal extends Error {}

async function take(
  queue: Queue,
  id: string,
  maxSize: number,
  lists: { accepted: string[]; refused: Trouble[] },
): Promise<void> {
  const { message, envelope } = entryPaths(queue.dropDirectory, id)
  try {
    if (await takeOver(queue, id, maxSize)) lists.accepted.push(id)
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    lists.refused.push({ id, reason: error.message })
  }
  await removeAll(envelope)
  await removeAll(message)
}

function explain(error: unknown): string {
  if (errorCode(error) !== 'EACCES') return describe(error)
  return 'it may not be read or removed; is drop/ set-group-ID, and its group one of mine?'
}

/** @returns false when it is in the queue already */
async function takeOver(queue: Queue, id: string, maxSize: number): Promise<boolean> {
  const paths = entryPaths(queue.dropDirectory, id)
  const { text, user } = await readDropped(paths.envelope)
  const envelope = parseEnvelope(text)
  if (!envelope) throw new Refusal('its envelope cannot be read')
  if (envelope.recipients.length === 0) throw new Refusal('it has no recipients')
  const file = await openDropped(paths.message)
  try {
    if (file.stats.size > maxSize) throw new Refusal(`it is larger than ${maxSize} octets`)
    const draft = await queue.beginOnce(submissionOf(envelope, user), id)
    if (!draft) return false
    try {
      for await (const chunk of file.handle.createReadStream({ autoClose: false }))
        await draft.write(chunk as Buffer)
      await draft.commit()
    } catch (error) {
      await draft.abort()
      throw error
    }
    return true
  } finally {
    await file.handle.close()
  }
}

/** Only what a user may say: who and whom, and how reports are wanted. */
function submissionOf({ sender, recipients, envid, ret, utf8 }: Envelope, user: number): Submission {
  return {
    sender,
    recipients: recipients.map(({ address, original, notify }) => ({
      address,
      ...(original !== undefined && { original }),
      ...(notify && { notify }),
    })),
    ...(envid !== undefined && { envid }),
    ...(ret && { ret }),
    ...(utf8 && { utf8 }),
    origin: `mail-send uid ${user}`,
  }
}

async function readDropped(path: string): Promise<{ text: string; user: number }> {
  const { handle, stats } = await openDropped(path)
  try {
    if (stats.size > largestEnvelope) throw new Refusal('its envelope is too large')
    return { text: await handle.readFile('utf8'), user: stats.uid }
  } finally {
    await handle.close()
  }
}

/** @throws Refusal for anything but a plain file with one name */
async function openDropped(path: string): Promise<{ handle: FileHandle; stats: Stats }> {
  let handle: FileHandle
  try {
    handle = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  } catch (error) {
    if (isMissing(error) || errorCode(error) === 'EACCES') throw error
    throw new Refusal(`it cannot be opened (${errorCode(error)})`)
  }
  const stats = await handle.stat()
  if (stats.isFile() && stats.nlink === 1) return { handle, stats }
  await handle.close()
  throw new Refusal('it is no plain file')
}
