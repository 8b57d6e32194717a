/** Threads of one subject become one: step 5 of THREAD=REFERENCES (RFC 5256 §3). */
import type { Pacer } from '../sys/pacer.js'
import type { Parents, Threaded } from './thread.js'

/** What stands at the top of a thread: a message, or a dummy. */
interface Root {
  /** A position, or a dummy's number. */
  readonly at: number
  readonly isDummy: boolean
  /** The number of the base subject: of the message, or of the first below the dummy. */
  readonly subject: number
  readonly isReply: boolean
}

/** @param parents changed in place, and more dummies added */
export async function mergeSubjects(messages: Threaded, parents: Parents, pacer: Pacer): Promise<Parents> {
  const roots = await rootsOf(messages, parents, pacer)
  const table = await tableOf(roots, pacer)
  const { above } = parents
  const count = messages.rows.length
  let { dummies } = parents
  /** Dummies whose children went to another one. */
  const moved = new Map<number, number>()
  const isBelow = new Set<number>()
  for (const root of roots) {
    if (pacer.isDue) await pacer.rest()
    const kept = table.get(root.subject)
    if (!kept || kept.at === root.at || isBelow.has(root.at)) continue
    if (root.isDummy) moved.set(root.at, kept.at)
    else if (kept.isDummy || (root.isReply && !kept.isReply)) above[root.at] = kept.at
    else {
      const dummy = { ...kept, at: count + dummies++, isDummy: true }
      above[root.at] = dummy.at
      above[kept.at] = dummy.at
      isBelow.add(kept.at)
      table.set(root.subject, dummy)
    }
  }
  if (moved.size > 0)
    for (let position = 0; position < count; position++)
      above[position] = moved.get(above[position]!) ?? above[position]!
  return { above, dummies }
}

/** Step 4: what stands at the top, by sent date. */
async function rootsOf(
  { columns, rows, byDate }: Threaded,
  { above, dummies }: Parents,
  pacer: Pacer,
): Promise<Root[]> {
  const roots: Root[] = []
  const isSeen = new Uint8Array(dummies)
  for (const position of byDate) {
    if (pacer.isDue) await pacer.rest()
    const parent = above[position]!
    if (parent >= 0 && parent < rows.length) continue
    const isDummy = parent >= 0
    if (isDummy && isSeen[parent - rows.length]) continue
    if (isDummy) isSeen[parent - rows.length] = 1
    const row = rows[position]!
    roots.push({
      at: isDummy ? parent : position,
      isDummy,
      subject: columns.rows.texts.subject[row]!,
      isReply: columns.rows.replies[row] === 1,
    })
  }
  return roots
}

/** Step 5.B: of all with the same subject, a dummy if there is one, or else the first that is no reply. */
async function tableOf(roots: readonly Root[], pacer: Pacer): Promise<Map<number, Root>> {
  const table = new Map<number, Root>()
  for (const root of roots) {
    if (pacer.isDue) await pacer.rest()
    // Number 0 is the empty subject.
    if (root.subject === 0) continue
    const known = table.get(root.subject)
    const isBetter = !known || (!known.isDummy && (root.isDummy || (known.isReply && !root.isReply)))
    if (isBetter) table.set(root.subject, root)
  }
  return table
}
