/** Searching texts, as it is done on a thread: what the main thread asks, and how it is answered. */
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs'
import { pathOf } from '../maildir/name.js'
import { bodyTexts, headerText } from '../message/searchable.js'
import { scanMessage } from '../message/structure.js'
import { isMissing } from '../sys/error.js'
import { type Finds, type Needle, TextFile } from './text-file.js'
import { largestText, TextBatch } from './text-record.js'

/** Octets of texts gathered before they are written. */
const writtenAtOnce = 1 << 20
/** A larger message does not stay in memory for the next. */
const usualMessage = 1 << 20

/** Whose texts. */
interface Where {
  readonly directory: string
  readonly validity: number
}

/** A message whose texts are not kept: where its file is, or was. */
export interface TextSource {
  readonly uid: number
  /** `new` or `cur`. */
  readonly folder: string
  /** Latin1. */
  readonly name: string
}

/** What a thread is asked: to look through what is kept, to read messages, to clean up, to let go of a mailbox. */
export type TextWork = Where &
  (
    | { readonly kind: 'find'; readonly needles: readonly Needle[]; readonly uids: Uint32Array }
    | { readonly kind: 'read'; readonly needles: readonly Needle[]; readonly messages: readonly TextSource[] }
    | { readonly kind: 'clean'; readonly uids: Uint32Array }
    | { readonly kind: 'close' }
  )

/** Mailboxes this thread knows, by directory. */
const files = new Map<string, { validity: number; file: TextFile }>()

/** Does one piece of work. `missing` are messages that are not kept, or for `read` whose files are not there. */
export function workOnTexts(work: TextWork): Finds {
  const nothing = { found: [], missing: [] }
  switch (work.kind) {
    case 'find':
      return fileOf(work).find(work.needles, work.uids)
    case 'read':
      return readMessages(work.directory, work.messages, work.needles, fileOf(work))
    case 'clean':
      fileOf(work).rewrite(work.uids)
      return nothing
    case 'close':
      files.get(work.directory)?.file.close()
      files.delete(work.directory)
      return nothing
  }
}

function fileOf({ directory, validity }: Where): TextFile {
  const known = files.get(directory)
  if (known?.validity === validity) return known.file
  known?.file.close()
  const file = new TextFile(directory, validity)
  files.set(directory, { validity, file })
  return file
}

function readMessages(
  directory: string,
  messages: readonly TextSource[],
  needles: readonly Needle[],
  file: TextFile,
): Finds {
  const finds: Finds = { found: needles.map(() => []), missing: [] }
  const write = () => {
    if (batch.octets.length > 0) file.append(batch.octets)
    batch.clear()
  }
  for (const { uid, folder, name } of messages) {
    const octets = readFile(pathOf(`${directory}/${folder}`, name))
    if (!octets) {
      finds.missing.push(uid)
      continue
    }
    const message = scanMessage(octets)
    const texts = batch.add(uid, headerText(message.header), [...bodyTexts(octets, message)])
    for (const [i, { octets, header }] of needles.entries())
      if (texts.octets.indexOf(octets, header ? 0 : texts.header + 1) >= 0) finds.found[i]!.push(uid)
    if (texts.octets.length >= largestText) batch.drop(texts.octets)
    if (batch.octets.length > writtenAtOnce) write()
  }
  write()
  return finds
}

const batch = new TextBatch()
let room = Buffer.alloc(0)

/** The octets of a file, good until the next one is read. */
function readFile(path: string | Buffer): Buffer | undefined {
  let fd: number
  try {
    fd = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
  } catch (error) {
    if (isMissing(error)) return undefined
    throw error
  }
  try {
    const { size } = fstatSync(fd)
    if (room.length < size || (room.length > usualMessage && size < usualMessage))
      room = Buffer.allocUnsafeSlow(Math.max(size, 65_536))
    let filled = 0
    while (filled < size) {
      const count = readSync(fd, room, filled, size - filled, filled)
      if (count === 0) break
      filled += count
    }
    return room.subarray(0, filled)
  } finally {
    closeSync(fd)
  }
}
