/**
 * How the last runs of an account went, for whoever watches over it: in `fetch/NAME.outcome` of the user's home, one
 * JSON object, written anew after each run.
 */
import { readFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { writeAtomic } from '../sys/atomic.js'
import { makeDirectory } from '../sys/directory.js'

export interface FetchOutcome {
  /** When a run last got through all folders; milliseconds since 1970. */
  readonly succeeded?: number
  /** When the last run failed; absent when it did not. */
  readonly failed?: number
  /** What the failure was. */
  readonly reason?: string
  /** Whether the login itself was refused: that mends itself never. */
  readonly refused?: boolean
  /** Messages fetched since the file was begun. */
  readonly messages: number
}

/** Where the outcome of an account stands. @param home the user's */
export function outcomePath(home: string, account: string): string {
  return `${home}/fetch/${account}.outcome`
}

/** What the last run left; nothing where there was none. */
export function readOutcome(path: string): FetchOutcome {
  try {
    const read = JSON.parse(readFileSync(path, 'utf8')) as FetchOutcome
    return { ...read, messages: Number(read.messages) || 0 }
  } catch {
    return { messages: 0 }
  }
}

/** Notes a run. @param fetched how many messages it brought */
export async function noteOutcome(
  path: string,
  { fetched, now, failure }: { fetched: number; now: number; failure?: { reason: string; refused: boolean } },
): Promise<void> {
  const before = readOutcome(path)
  const succeeded = failure ? before.succeeded : now
  const outcome: FetchOutcome = {
    ...(succeeded === undefined ? {} : { succeeded }),
    ...(failure ? { failed: now, ...failure } : {}),
    messages: before.messages + fetched,
  }
  makeDirectory(dirname(path), 0o700)
  await writeAtomic(path, `${JSON.stringify(outcome)}\n`)
}
