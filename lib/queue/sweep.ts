/** What dead processes leave in a queue: removed when it is old, put aside when it cannot be used. */
import { readdir, rename, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { isDead } from './claim.js'
import { remove } from './files.js'
import type { Queue } from './queue.js'

/** How old a draft or a half-written file must be, untouched, before it counts as left behind; milliseconds. */
const abandonedAfter = 24 * 60 * 60 * 1000

/** What was found, for the log. */
export interface Swept {
  readonly drafts: number
  /** Entries that were moved to broken/. */
  readonly broken: readonly string[]
}

/** Goes through all files once. The states that they can be in stand at the head of entry.ts. */
export async function sweep(queue: Queue, now: number): Promise<Swept> {
  const swept = { drafts: 0, broken: [] as string[] }
  const names = await readdir(queue.mailDirectory)
  const present = new Set(names)
  for (const [i, name] of names.entries()) {
    const [, dot, id = '', kind] = /^(\.?)([^.]+)\.(\w+)$/.exec(name) ?? []
    const path = join(queue.mailDirectory, name)
    if (dot) await removeOld(path, now)
    else if (kind === 'envelope') {
      if (!present.has(`${id}.message`) || !queue.read(id)) await putAside(queue, id, swept.broken)
    } else if (!present.has(`${id}.envelope`)) {
      if (kind === 'message' && (await removeOld(path, now))) swept.drafts++
      if (kind === 'dialogue' || (kind === 'claim' && isDead(path))) await remove(path)
    }
    // Others have work to do meanwhile.
    if (i % 200 === 199) await new Promise(resolve => setImmediate(resolve))
  }
  await sweepDrop(queue, now)
  await sweepProcesses(join(queue.directory, 'process'))
  return swept
}

async function removeOld(path: string, now: number): Promise<boolean> {
  const { mtimeMs } = await stat(path).catch(() => ({ mtimeMs: Number.POSITIVE_INFINITY }))
  if (now - mtimeMs < abandonedAfter) return false
  await remove(path)
  return true
}

/** Looks again under a claim: between the listing and now the entry may have ended. */
async function putAside(queue: Queue, id: string, broken: string[]): Promise<void> {
  await queue.reserve(id, async () => {
    const { envelope, message } = queue.paths(id)
    const isWhole = await isThere(message)
    if (!(await isThere(envelope)) || (isWhole && queue.read(id))) return
    const aside = join(queue.directory, 'broken')
    await rename(envelope, join(aside, `${id}.envelope`))
    if (isWhole) await rename(message, join(aside, `${id}.message`))
    broken.push(id)
  })
}

function isThere(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  )
}

/** What users began to drop and did not finish. */
async function sweepDrop(queue: Queue, now: number): Promise<void> {
  const names = await readdir(queue.dropDirectory)
  const present = new Set(names)
  for (const name of names) {
    const [, id] = /^([^.]+)\.message$/.exec(name) ?? []
    const isBegun = id !== undefined && !present.has(`${id}.envelope`)
    if (isBegun || name.startsWith('.')) await removeOld(join(queue.dropDirectory, name), now)
  }
}

async function sweepProcesses(directory: string): Promise<void> {
  for (const name of await readdir(directory)) {
    const path = join(directory, name)
    if (isDead(path)) await remove(path)
  }
}
