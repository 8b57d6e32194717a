/**
 * What one account's fetches remember: HOME/fetch/NAME.state, append-only. Each line is the CRC-32 of what follows
 * its space, in 8 hex digits, and a JSON array whose first element says what it is:
 *
 *     ["postern-fetch", 1, account]                 the first line
 *     ["folder", id, path, validity, local, localValidity]
 *                                                   a remote folder and the local mailbox it goes to; what was
 *                                                   known under this id is void
 *     ["intend", id, [[uid, unique, key, flags]…]]  these messages are about to get these file names
 *     ["got", id, [[uid, local]…]]                  they are there, with these local UIDs
 *     ["known", id, [[uid, local, key, flags]…]]    the two in one
 *     ["flags", id, [[uid, flags]…]]                flags as the remote had them last, joined by spaces
 *     ["gone", id, [uid…]]                          gone at the remote
 *     ["pass", id, floor, uidNext, messages, modseq, localNext]
 *                                                   a pass that ended: all up to the UID `floor` is dealt with; what
 *                                                   has a local UID from `localNext` up came later
 *     ["moved", id, path, local]                    the folder has another name there, and here
 *     ["ids", [[provider's id, folder id, uid]…]]   where messages with these ids are
 *     ["login", fingerprint, said]                  these credentials were refused; empty when they were taken
 *     ["later", until, times, said]                 the provider asked, so often in a row, to be left alone until
 *                                                   then (milliseconds since 1970; 0: not any more)
 *     ["day", date, octets, number]                 octets fetched on that day (UTC), the how manieth of a fetch that
 *                                                   takes several; 0 where it takes one
 *
 * Crashes: "intend" is on disk before any of its files has a name in cur/; "got" need not be. The next run looks for
 * the files that were intended and not got: one that is there was fetched, one that is not is fetched again. A line
 * that is cut or wrong ends the file. What is here and not in the file, since that was cut, or is an old copy, is
 * found again by what it is (identity.ts); a file that is lost costs the headers of all messages once more, and
 * forgets what was deleted here.
 *
 * The file is written anew when more than half of it is outdated.
 */
import { crc32 } from 'node:zlib'

/** What is remembered of one remote message. */
export interface Known {
  /** The UID in the local mailbox; 0 where it never got one, or lost it. */
  readonly local: number
  /** {@link keyOf} */
  readonly key: string
  /** As the remote had them last, sorted and joined by spaces. */
  readonly flags: string
}

/** A message about to be stored. */
export interface Intended {
  readonly uid: number
  /** The unique part of its file's name, sizes included; empty where there is no file. */
  readonly unique: string
  readonly key: string
  readonly flags: string
}

/** What is remembered of one remote folder. */
export interface FolderMemory {
  readonly id: number
  readonly path: string
  readonly validity: string
  readonly local: string
  readonly localValidity: number
  readonly known: Map<number, Known>
  /** Intended and not got: by UID. */
  readonly pending: Map<number, Intended>
  floor: number
  uidNext: number
  messages: number
  modseq: string | undefined
  localNext: number
}

/** Where a pass over a folder has come to. */
export type PassEnd = Pick<FolderMemory, 'floor' | 'uidNext' | 'messages' | 'modseq' | 'localNext'>

/** A folder that is begun to be remembered, and where it goes. */
export type Beginning = Pick<FolderMemory, 'path' | 'validity' | 'local' | 'localValidity'>

/** A line of the file. */
export type Line = readonly [string, ...unknown[]]

/** The same few texts of flags stand in all lines: one of each is enough in memory. */
const texts = new Map<string, string>()
function shared(text: string): string {
  const known = texts.get(text)
  if (known !== undefined) return known
  if (texts.size < 10_000) texts.set(text, text)
  return text
}

/** Applies a line about one folder. */
export function takeInto(folder: FolderMemory, kind: string, rest: readonly unknown[]): void {
  const { known, pending } = folder
  if (kind === 'intend')
    for (const [uid, unique, key, flags] of rest[0] as [number, string, string, string][])
      pending.set(uid, { uid, unique, key, flags: shared(flags) })
  else if (kind === 'got')
    for (const [uid, local] of rest[0] as [number, number][]) {
      const { key = '', flags = '' } = pending.get(uid) ?? {}
      pending.delete(uid)
      known.set(uid, { local, key, flags })
    }
  else if (kind === 'known')
    for (const [uid, local, key, flags] of rest[0] as [number, number, string, string][])
      known.set(uid, { local, key, flags: shared(flags) })
  else if (kind === 'flags')
    for (const [uid, flags] of rest[0] as [number, string][]) {
      const old = known.get(uid)
      if (old) known.set(uid, { ...old, flags })
    }
  else if (kind === 'gone') for (const uid of rest[0] as number[]) known.delete(uid)
  else if (kind === 'pass') {
    const [floor, uidNext, messages, modseq, localNext] = rest as [number, number, number, string, number]
    const end: PassEnd = { floor, uidNext, messages, modseq: modseq === '' ? undefined : modseq, localNext }
    Object.assign(folder, end)
    // What was intended by a pass that ended without getting it is asked for again by the next, if it is there.
    for (const uid of pending.keys()) if (uid <= floor) pending.delete(uid)
  }
}

/** Where a pass has come to, as a line. */
export function passLine(id: number, { floor, uidNext, messages, modseq, localNext }: PassEnd): Line {
  return ['pass', id, floor, uidNext, messages, modseq ?? '', localNext]
}

/** A line's octets. */
export function encode(line: Line): Buffer {
  const text = JSON.stringify(line)
  return Buffer.from(`${crc32(text).toString(16).padStart(8, '0')} ${text}\n`)
}

/** @returns undefined for a line that is cut or wrong */
export function decode(octets: Buffer): Line | undefined {
  const text = octets.toString('utf8', 9)
  if (octets.length < 10 || octets[8] !== 0x20) return undefined
  if (crc32(text) !== Number.parseInt(octets.toString('latin1', 0, 8), 16)) return undefined
  return JSON.parse(text) as Line
}

/** The largest; 0 where there is none. */
export function lastOf(uids: Iterable<number>): number {
  let last = 0
  for (const uid of uids) last = Math.max(last, uid)
  return last
}

/** Where messages with a provider's id are, for {@link Memory.ids}. */
export function idsOf(
  folder: FolderMemory,
  messages: readonly { readonly uid: number; readonly id?: string | undefined }[],
): (readonly [id: string, folder: number, uid: number])[] {
  return messages.flatMap(({ uid, id }) => (id === undefined ? [] : [[id, folder.id, uid] as const]))
}
