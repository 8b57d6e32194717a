/**
 * What is fuzzed: each target takes any octets, and throws only if something is wrong. Refusals that a parser is meant to
 * give are none.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileTargets } from './files.js'
import { messageTargets } from './messages.js'
import { sessionTargets } from './sessions.js'
import { textTargets } from './texts.js'

export interface Target {
  readonly name: string
  /** What to begin with. */
  seeds(): Buffer[]
  /** Words of the grammar. */
  readonly words?: readonly string[]
  run(input: Buffer): void | Promise<void>
  close?(): Promise<void>
  /** Longest time for one input, in milliseconds, where 100 is not enough: a whole session, say. */
  readonly limit?: number
  /** What each line of the input adds to that, in milliseconds: a command that makes a folder writes to a disk. */
  readonly lineLimit?: number
}

/** All of them. */
export const targets: readonly Target[] = [
  ...messageTargets,
  ...textTargets,
  ...fileTargets,
  ...sessionTargets,
]

/** Where inputs are kept that reached something new, and those that once were a failure: in base64, one a line. */
const corpusFolder = 'fixtures/fuzz'

export function keptInputs(name: string): Buffer[] {
  const path = join(corpusFolder, `${name}.txt`)
  if (!existsSync(path)) return []
  const lines = readFileSync(path, 'latin1').split('\n')
  return lines.filter(line => line !== '').map(line => Buffer.from(line, 'base64'))
}

export function keepInputs(name: string, inputs: readonly Buffer[]): void {
  if (inputs.length === 0) return
  mkdirSync(corpusFolder, { recursive: true })
  const lines = [...keptInputs(name), ...inputs].map(input => input.toString('base64'))
  writeFileSync(join(corpusFolder, `${name}.txt`), `${[...new Set(lines)].sort().join('\n')}\n`)
}
