/**
 * Line ends: stored messages have LF, the wire has CRLF. A LF without a CR before it ("bare") grows by one octet on
 * its way out, so the wire size of any octets is their length and the number of bare LFs in them.
 */
const CR = 13
const LF = 10
/** Fewer octets than this are copied faster one by one than by a call. */
const shortLine = 24

/**
 * Counts the LFs in `[start, end)` that no CR comes before.
 *
 * @param start the octet before it is looked at too: a CR there belongs to a LF at `start`
 */
export function countBareLf(octets: Buffer, start = 0, end = octets.length): number {
  const stop = Math.min(end, octets.length)
  let count = 0
  for (let at = start; ; at++) {
    if (octets[at] !== LF) at = octets.indexOf(LF, at)
    if (at < 0 || at >= stop) return count
    if (octets[at - 1] !== CR) count++
  }
}

/** The size in octets that `[start, end)` has on the wire. */
export function wireSize(octets: Buffer, start = 0, end = octets.length): number {
  return end - start + countBareLf(octets, start, end)
}

/** The same lines with CRLF ends; the very same buffer when they have these already. */
export function toCrlf(octets: Buffer): Buffer {
  const bare = countBareLf(octets)
  if (bare === 0) return octets
  const wire = Buffer.allocUnsafe(octets.length + bare)
  // Moving lines within one buffer costs half of copying them from another: no view is made for each.
  octets.copy(wire, bare)
  let filled = 0
  let from = 0
  for (let at = octets.indexOf(LF); at >= 0; at = octets.indexOf(LF, at + 1)) {
    if (octets[at - 1] === CR) continue
    if (at - from < shortLine) while (from < at) wire[filled++] = octets[from++] as number
    else {
      wire.copyWithin(filled, bare + from, bare + at)
      filled += at - from
      from = at
    }
    wire[filled++] = CR
  }
  // The rest stands where it belongs already.
  return wire
}

/** The same lines with LF ends: every CRLF becomes LF. The very same buffer when there is none. */
export function toLf(octets: Buffer): Buffer {
  let at = findCrlf(octets, 0)
  if (at < 0) return octets
  const stored = Buffer.from(octets)
  let filled = at
  while (at >= 0) {
    const next = findCrlf(octets, at + 1)
    const end = next < 0 ? octets.length : next
    if (end - at < shortLine) while (++at < end) stored[filled++] = octets[at] as number
    else {
      stored.copyWithin(filled, at + 1, end)
      filled += end - at - 1
    }
    at = next
  }
  return stored.subarray(0, filled)
}

function findCrlf(octets: Buffer, from: number): number {
  let at = octets.indexOf(CR, from)
  while (at >= 0 && octets[at + 1] !== LF) at = octets.indexOf(CR, at + 1)
  return at
}
