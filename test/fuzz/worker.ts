/**
 * A thread that runs one target on one input after the other. What it works on stands in shared memory, so that whoever
 * watches it knows what it hangs on.
 */
import { parentPort, workerData } from 'node:worker_threads'
import { Coverage } from './coverage.js'
import { Mutator } from './mutate.js'
import { keepInputs, keptInputs, type Target, targets } from './targets.js'

/** What the watcher gives. */
export interface Task {
  readonly name: string
  /** CPU time to spend. */
  readonly seconds: number
  readonly seed: number
  /** Whether inputs that reach something new are kept for other runs. */
  readonly keep: boolean
  /** More inputs to begin with. */
  readonly grown: readonly Uint8Array[]
  /** A counter, the length of the input, then the input. */
  readonly shared: SharedArrayBuffer
}

export interface Report {
  readonly runs: number
  readonly blocks: number
  readonly corpus: number
  readonly slowest: number
  /** Blocks that the inputs to begin with did not reach. */
  readonly fresh: number
  /** Inputs that joined those to begin with. */
  readonly grown: readonly Uint8Array[]
  readonly failures: readonly { readonly what: string; readonly input: Buffer }[]
}

/** Longest for one input, in milliseconds of CPU time, unless the target says otherwise. */
const limit = 100
/** Inputs between two looks at what was reached. */
const batchSize = 200
/** Inputs of a target that one run keeps at most, and how long they may be. */
const mostKept = 10
const longestKept = 600

const task = workerData as Task
const words = new Int32Array(task.shared, 0, 2)
const place = Buffer.from(task.shared, 8)
const coverage = new Coverage()
const target = targets.find(({ name }) => name === task.name) as Target

/**
 * Milliseconds of CPU that the process has used. The clock would count the time that a busy machine gave to others, or
 * that the fuzzer was stopped.
 */
function used(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1_000
}

async function attempt(input: Buffer): Promise<{ time: number; failure?: string }> {
  input.copy(place)
  words[1] = input.length
  Atomics.add(words, 0, 1)
  const start = used()
  try {
    await target.run(Buffer.from(input))
  } catch (error) {
    return {
      time: used() - start,
      failure: error instanceof Error ? (error.stack ?? error.message) : String(error),
    }
  }
  return { time: used() - start }
}

/** Longest time for an input, in milliseconds. */
function limitOf(input: Buffer): number {
  const { limit: whole = limit, lineLimit = 0 } = target as Target
  return whole + (lineLimit === 0 ? 0 : lineLimit * input.toString('latin1').split('\n').length)
}

/** Slow by itself, not because memory was tidied up or the blocks were counted: every time of some tries. */
async function isSlow(input: Buffer): Promise<boolean> {
  coverage.stop()
  try {
    for (let i = 0; i < 5; i++) {
      const { time } = await attempt(input)
      if (time <= limitOf(input)) return false
    }
    return true
  } finally {
    coverage.start()
  }
}

async function fuzz(): Promise<Report> {
  const mutator = new Mutator(task.seed, target.words)
  const grown = task.grown.map(octets => Buffer.from(octets))
  const corpus = [...target.seeds(), ...keptInputs(target.name), ...grown].filter(
    input => input.length < 65_536,
  )
  if (corpus.length === 0) corpus.push(Buffer.from('x'))
  const given = corpus.length
  const failures = new Map<string, { what: string; input: Buffer }>()
  let [runs, slowest] = [0, 0]
  const one = async (input: Buffer) => {
    const { time, failure } = await attempt(input)
    runs++
    slowest = Math.max(slowest, time)
    const what =
      failure ?? (time > limitOf(input) && (await isSlow(input)) ? `took ${Math.round(time)} ms` : undefined)
    if (what === undefined) return
    // One of a kind is enough.
    const kind = failure === undefined ? 'slow' : what.split('\n    at ').slice(1, 4).join('\n')
    const known = failures.get(kind)
    if (!known || known.input.length > input.length) failures.set(kind, { what, input: Buffer.from(input) })
  }
  coverage.start()
  for (const input of corpus) await one(input)
  coverage.take()
  const reached = coverage.blocks
  const base = process.memoryUsage().rss
  const fresh: Buffer[] = []
  const end = used() + task.seconds * 1_000
  while (used() < end) {
    const batch: Buffer[] = []
    const count = target.limit === undefined ? batchSize : batchSize / 10
    for (let i = 0; i < count && used() < end; i++) {
      const input = mutator.make(corpus)
      batch.push(input)
      await one(input)
    }
    if (coverage.take() > 0) {
      // Whichever of them it was, all are candidates; the shortest third stays.
      for (const input of batch.sort((a, b) => a.length - b.length).slice(0, 3)) corpus.push(input)
      const last = batch.at(-1)
      if (last && last.length < longestKept) fresh.push(last)
    }
    if (process.memoryUsage().rss > base + 1_000_000_000)
      failures.set('memory', { what: 'memory grows', input: batch[0] as Buffer })
  }
  await target.close?.()
  keepInputs(
    target.name,
    [...failures.values()].slice(0, mostKept).map(({ input }) => input),
  )
  if (task.keep) keepInputs(target.name, fresh.slice(0, mostKept))
  return {
    runs,
    blocks: coverage.blocks,
    corpus: corpus.length,
    slowest,
    fresh: coverage.blocks - reached,
    grown: corpus.slice(given),
    failures: [...failures.values()],
  }
}

parentPort?.postMessage(await fuzz())
