/** What somebody may have meant who wrote a name that does not exist. */

/** The candidate that is most like `word`, where one is like it at all. */
export function nearest(word: string, candidates: Iterable<string>): string | undefined {
  let best: string | undefined
  let least = Math.max(2, Math.floor(word.length / 3)) + 1
  for (const candidate of candidates) {
    const distance = alike(word, candidate) ? 1 : distanceOf(word.toLowerCase(), candidate.toLowerCase())
    if (distance < least) {
      best = candidate
      least = distance
    }
  }
  return best
}

/** `password` for `password_file`, `hostname` for `host`, `max-size` for `max_size`. */
function alike(word: string, candidate: string): boolean {
  const plain = word.toLowerCase().replaceAll('-', '_')
  if (plain === candidate) return true
  return (
    Math.min(plain.length, candidate.length) > 3 &&
    (plain.startsWith(candidate) || candidate.startsWith(plain))
  )
}

/** How many letters must be put in, left out, changed or exchanged with their neighbour (optimal string alignment). */
function distanceOf(a: string, b: string): number {
  let beforeLast: number[] = []
  let last = Array.from({ length: b.length + 1 }, (_, i) => i)
  for (let i = 1; i <= a.length; i++) {
    const row = [i]
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1
      let least = Math.min(
        (last[j] as number) + 1,
        (row[j - 1] as number) + 1,
        (last[j - 1] as number) + same,
      )
      if (a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        least = Math.min(least, (beforeLast[j - 2] ?? 0) + 1)
      row.push(least)
    }
    beforeLast = last
    last = row
  }
  return last[b.length] as number
}
