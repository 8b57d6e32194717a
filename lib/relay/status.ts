/**
 * Which destinations rest, and why: told by the relay to whoever lists the queue, in `destinations.json` of the
 * queue's directory. It is rewritten whenever it changes, and says nothing once the relay that wrote it is gone.
 */
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Said } from '../queue/entry.js'
import { describe } from '../sys/error.js'
import type { Log } from '../sys/log.js'
import type { Destination } from './destination.js'

export interface Rest {
  readonly name: string
  /** Milliseconds since 1970. */
  readonly since: number
  readonly until: number
  readonly said: Said
  /** How many entries wait for it. */
  readonly waiting: number
}

const written = new Map<string, string>()

/** Writes what has changed; that it cannot be written changes nothing for the mail. */
export function writeStatus(directory: string, destinations: readonly Destination[], log: Log): void {
  const rests = destinations.flatMap(({ endpoint, pause, waiting }): Rest[] =>
    pause ? [{ name: endpoint.name, ...pause, waiting: waiting.size }] : [],
  )
  const text = `${JSON.stringify(rests)}\n`
  if (written.get(directory) === text) return
  const path = join(directory, 'destinations.json')
  try {
    writeFileSync(`${path}.new`, text, { mode: 0o644 })
    renameSync(`${path}.new`, path)
    written.set(directory, text)
  } catch (error) {
    log.warning('status-not-written', { reason: describe(error) })
  }
}

/** Takes the word back, when the relay ends. */
export function removeStatus(directory: string): void {
  written.delete(directory)
  rmSync(join(directory, 'destinations.json'), { force: true })
}

/** What the last relay wrote; nothing when there is nothing to be read. */
export function readStatus(directory: string): Rest[] {
  try {
    return JSON.parse(readFileSync(join(directory, 'destinations.json'), 'utf8')) as Rest[]
  } catch {
    return []
  }
}
