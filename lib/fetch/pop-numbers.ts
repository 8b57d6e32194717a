/**
 * POP3 knows no UIDs, but unique ids (RFC 1939 §7, UIDL). Each gets a number here when it is first seen, and the
 * memory keeps which.
 */

/** What is remembered of the one folder there is. */
export interface PopMemory {
  readonly validity: string
  readonly floor: number
  /** Whether a message with this number was fetched. */
  has(uid: number): boolean
  /** The highest number that was given. */
  readonly highest: number
  /** The number of a unique id. */
  numberOf(id: string): number | undefined
}

/** A message of a session. */
export interface PopListed {
  /** Its number in the session. */
  readonly place: number
  readonly id: string
  readonly size: number
}

export interface Numbered extends PopListed {
  readonly uid: number
}

/**
 * Numbers the messages of a session. Where a server gave all of them other ids, as one does that was moved to
 * another machine, the numbers begin a new life: what is here is then found again by what it is.
 */
export function numberMessages(
  listed: readonly PopListed[],
  memory: PopMemory | undefined,
): { readonly validity: string; readonly messages: Numbered[] } {
  const { validity = '1', floor = 0, highest = 0 } = memory ?? {}
  const seen = new Set<string>()
  // Two messages with one id are alike (RFC 1939 §7): one of them is enough.
  const unique = listed.filter(({ id }) => !seen.has(id) && seen.add(id))
  const old = unique.map(({ id }) => {
    const uid = memory?.numberOf(id)
    // An id that went away and came back belongs to a message that is to be looked at again.
    return uid !== undefined && (memory?.has(uid) || uid > floor) ? uid : undefined
  })
  const isOther = highest > 0 && unique.length > 0 && !old.some(uid => uid !== undefined)
  let next = old.reduce<number>((most, uid) => Math.max(most, uid ?? 0), Math.max(highest, floor))
  const messages = unique.map((each, i) => ({ ...each, uid: old[i] ?? ++next }))
  messages.sort((a, b) => a.uid - b.uid)
  return { validity: isOther ? `${Number(validity) + 1}` : validity, messages }
}
