/** Which blocks of our code have run, as V8 counts them: an input that reaches new ones is worth keeping. */
import { type Profiler, Session } from 'node:inspector'

export class Coverage {
  readonly #session = new Session()
  readonly #seen = new Set<string>()

  constructor() {
    this.#session.connect()
    this.#session.post('Profiler.enable')
  }

  /** Counting makes the code slower. */
  start(): void {
    this.#session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true })
  }

  stop(): void {
    this.#session.post('Profiler.stopPreciseCoverage')
  }

  get blocks(): number {
    return this.#seen.size
  }

  /** How many blocks ran since the last look that had never run before. */
  take(): number {
    let fresh = 0
    this.#session.post('Profiler.takePreciseCoverage', (_, told?: Profiler.TakePreciseCoverageReturnType) => {
      for (const { url, functions } of told?.result ?? []) {
        const at = url.indexOf('/dist/tree/lib/')
        if (at < 0) continue
        for (const { ranges } of functions)
          for (const { startOffset, endOffset, count } of ranges) {
            if (count === 0) continue
            const key = `${url.slice(at)}:${startOffset}-${endOffset}`
            if (this.#seen.has(key)) continue
            this.#seen.add(key)
            fresh++
          }
      }
    })
    return fresh
  }
}
