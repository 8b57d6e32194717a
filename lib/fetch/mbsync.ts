/**
 * What mbsync (isync 1.3 to 1.5) remembers of a folder: a file `.mbsyncstate` in it, with lines `Key value`, an empty
 * line, and a line `FAR NEAR FLAGS` for each message: its UID there and here. Here its UID stands in its file's name
 * as `,U=NEAR`. Unless it is told to, mbsync keeps the file elsewhere, `~/.mbsync/:far:BOX_:near:BOX`; a file
 * `.uidvalidity` in the folder, whose first line is the folder's UIDVALIDITY, tells then which folder it is of.
 */

export interface MbsyncState {
  /** UIDVALIDITY there. */
  readonly validity: string
  /** UIDVALIDITY here, as mbsync counts: the first line of the folder's `.uidvalidity`. */
  readonly near: string | undefined
  /** All up to this UID was pulled, or is not wanted. */
  readonly pulled: number
  /** UIDs here by UIDs there; 0 for what is not here. */
  readonly pairs: ReadonlyMap<number, number>
}

/** Reads a state file. @returns undefined for what is none */
export function parseMbsyncState(text: string): MbsyncState | undefined {
  const [head = '', ...rest] = text.split(/\n\n/)
  const keys = new Map(head.split('\n').map(line => line.split(' ', 2) as [string, string]))
  // Until 1.3 the sides were called master and slave.
  const validity = keys.get('FarUidValidity') ?? keys.get('MasterUidValidity')
  if (validity === undefined || !/^\d+$/.test(validity)) return undefined
  const near = keys.get('NearUidValidity') ?? keys.get('SlaveUidValidity')
  const pairs = new Map<number, number>()
  let highest = 0
  for (const line of rest.join('\n').split('\n')) {
    if (line === '') continue
    const [, far, near] = /^(\d+) (\d+)(?: |$)/.exec(line) ?? []
    if (far === undefined) return undefined
    // Far 0 is a message that is here only.
    if (Number(far) > 0) pairs.set(Number(far), Number(near))
    highest = Math.max(highest, Number(far))
  }
  const pulled = Number(keys.get('MaxPulledUid') ?? highest)
  return Number.isSafeInteger(pulled) ? { validity, near, pulled, pairs } : undefined
}
