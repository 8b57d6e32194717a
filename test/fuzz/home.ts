/** What long fuzzing has reached, in a folder: NAME.txt, inputs in base64, one a line; progress.json, seconds of each target. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Report } from './worker.js'

/** What all turns of a target came to. */
interface Progress {
  seconds: number
  runs: number
  blocks: number
  failures: number
}

export class Home {
  readonly #folder: string
  readonly #progress: Record<string, Progress>

  constructor(folder: string) {
    mkdirSync(folder, { recursive: true })
    this.#folder = folder
    const path = join(folder, 'progress.json')
    this.#progress = existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : {}
  }

  /** CPU time that a target has had. */
  seconds(name: string): number {
    return this.#progress[name]?.seconds ?? 0
  }

  /** Inputs that once reached something new. */
  grown(name: string): Buffer[] {
    const path = join(this.#folder, `${name}.txt`)
    if (!existsSync(path)) return []
    const lines = readFileSync(path, 'latin1').split('\n')
    return lines.filter(line => line !== '').map(line => Buffer.from(line, 'base64'))
  }

  add(name: string, seconds: number, { runs, blocks, grown, failures }: Report): void {
    const before = this.#progress[name] ?? { seconds: 0, runs: 0, blocks: 0, failures: 0 }
    this.#progress[name] = {
      seconds: before.seconds + seconds,
      runs: before.runs + runs,
      blocks: Math.max(before.blocks, blocks),
      failures: before.failures + failures.length,
    }
    const lines = grown.map(input => `${Buffer.from(input).toString('base64')}\n`).join('')
    writeFileSync(join(this.#folder, `${name}.txt`), lines, { flag: 'a' })
    writeFileSync(join(this.#folder, 'progress.json'), `${JSON.stringify(this.#progress, undefined, 2)}\n`)
  }
}
