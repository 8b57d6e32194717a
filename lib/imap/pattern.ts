/** The patterns of LIST and LSUB (RFC 3501 §6.3.8): `*` is anything, `%` anything within one level. */

/** Between levels, on the wire and in our names. */
export const separator = '.'

/** Longer patterns match nothing; names are shorter than this. */
const longest = 1_000

/**
 * Makes a test of a pattern. It walks over the name once and keeps all places in the pattern that may be reached,
 * so that no pattern, however many wildcards it holds, takes longer than its length times the name's.
 */
export function patternTest(pattern: string): (name: string) => boolean {
  if (pattern.length > longest) return () => false
  const collapsed = pattern.replace(/[*%]{2,}/g, run => (run.includes('*') ? '*' : '%'))
  return name => matches(collapsed, name)
}

function matches(pattern: string, name: string): boolean {
  const isInbox = /^INBOX($|\.)/.test(name)
  let reached = skipWildcards(pattern, new Uint8Array(pattern.length + 1).fill(1, 0, 1))
  for (let at = 0; at < name.length; at++) {
    const char = name[at] as string
    const next = new Uint8Array(pattern.length + 1)
    let alive = false
    for (let place = 0; place < pattern.length; place++) {
      if (reached[place] === 0) continue
      const wanted = pattern[place] as string
      if (wanted === '*' || (wanted === '%' && char !== separator)) next[place] = 1
      else if (wanted === char || (isInbox && at < 5 && wanted.toUpperCase() === char)) next[place + 1] = 1
      else continue
      alive = true
    }
    if (!alive) return false
    reached = skipWildcards(pattern, next)
  }
  return reached[pattern.length] === 1
}

/** A wildcard may stand for nothing. */
function skipWildcards(pattern: string, reached: Uint8Array): Uint8Array {
  for (let place = 0; place < pattern.length; place++)
    if (reached[place] === 1 && (pattern[place] === '*' || pattern[place] === '%')) reached[place + 1] = 1
  return reached
}

/** All levels above a name: `a`, `a.b` for `a.b.c`. */
export function parentsOf(name: string): string[] {
  const parents: string[] = []
  for (let at = name.indexOf(separator); at > 0; at = name.indexOf(separator, at + 1))
    parents.push(name.slice(0, at))
  return parents
}

/** INBOX first, then each mailbox before what stands below it. */
export function compareNames(a: string, b: string): number {
  const [first, second] = [a, b].map(name => (name === 'INBOX' ? '' : name.replaceAll(separator, '\0'))) as [
    string,
    string,
  ]
  return first < second ? -1 : first > second ? 1 : 0
}
