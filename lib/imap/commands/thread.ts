/** THREAD and UID THREAD (RFC 5256 §3, §4). */
import type { ThreadAlgorithm } from '../../message/query.js'
import { Pacer } from '../../sys/pacer.js'
import type { ImapThreads } from '../backend.js'
import type { Call } from '../command.js'
import type { Decoder } from '../decode.js'
import { numberer } from '../messages.js'
import { bad } from '../reply.js'
import { readCriteria } from '../search-key.js'
import type { Session } from '../session.js'

const algorithms: ReadonlySet<string> = new Set<ThreadAlgorithm>(['orderedsubject', 'references', 'refs'])

export async function thread(session: Session, args: Decoder, { uid }: Call): Promise<void> {
  args.space()
  const algorithm = args.word('The threading algorithm').toLowerCase()
  if (!algorithms.has(algorithm)) throw bad('There is no such threading algorithm.')
  args.space()
  const program = readCriteria(args, session)
  args.end()
  if (program.asksModseq) session.useCondstore()
  const mailbox = session.selected
  const threads = await mailbox.thread(program.key, algorithm as ThreadAlgorithm, (done, goal) =>
    session.progress?.note(done, goal),
  )
  const number = numberer(mailbox, threads.uids.length)
  const text = await threadText(threads, uid ? each => each : number)
  session.untagged(text === '' ? 'THREAD' : `THREAD ${text}`)
}

/**
 * Threads as RFC 5256 §4 writes them: `(2)(3 6 (4 23)(44 7 96))`; who has one child goes on in line, and several
 * stand in parentheses each.
 *
 * @param number what a UID is called
 */
export async function threadText(
  { uids, parents }: ImapThreads,
  number: (uid: number) => number,
): Promise<string> {
  const children = new Uint32Array(uids.length)
  for (let i = 0; i < uids.length; i++) if ((parents[i] as number) >= 0) children[parents[i] as number]!++
  /** Who opened the innermost parenthesis that each stands in. */
  const openers = new Uint32Array(uids.length)
  const open: number[] = []
  const parts: string[] = []
  const pacer = new Pacer()
  for (let i = 0; i < uids.length; i++) {
    const parent = parents[i] as number
    const within = parent < 0 ? -1 : (openers[parent] as number)
    while (open.length > 0 && open[open.length - 1] !== within) {
      open.pop()
      parts.push(')')
    }
    const isInline = parent >= 0 && children[parent] === 1
    // A blank comes between a number and what follows it.
    if (parent === i - 1 && parent >= 0 && uids[parent] !== 0) parts.push(' ')
    if (!isInline) {
      parts.push('(')
      open.push(i)
    }
    openers[i] = isInline ? within : i
    if (uids[i] !== 0) parts.push(String(number(uids[i] as number)))
    if (pacer.isDue) await pacer.rest()
  }
  return parts.join('') + ')'.repeat(open.length)
}
