/** Whole-core work (password hashing, text search) on threads of its own, so that no session waits for it. */
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parentPort, Worker } from 'node:worker_threads'
import { describe, MailError } from './error.js'

interface Job {
  readonly number: number
  readonly input: unknown
  readonly resolve: (output: never) => void
  readonly reject: (error: Error) => void
}

/** How long a thread waits for work before it ends, in milliseconds: a password's check leaves 50 MiB with it. */
const patience = 15_000

type Reply = { readonly number: number } & ({ readonly output: unknown } | { readonly error: string })

/**
 * A few threads that run one function, the one which lib/NAME/worker.ts gives to {@link answer}.
 * Started when first asked; they keep no process alive.
 */
export class Threads<Input, Output> {
  readonly #entry: URL
  readonly #size: number
  readonly #idle: Worker[] = []
  readonly #patience: number
  #timer: NodeJS.Timeout | undefined
  /** What each thread that has work was given, in that order. */
  readonly #jobs = new Map<Worker, Job[]>()
  readonly #depth: number
  readonly #waiting: Job[] = []
  #number = 0

  /**
   * @param name the folder of lib/ whose worker.ts runs
   * @param size how many threads at most
   * @param wait how long a thread lives without work, in milliseconds
   * @param depth how much a thread is given before it has answered: more than one piece, so that it need not wait for this thread
   */
  constructor(name: string, size = 1, wait = patience, depth = 1) {
    this.#entry = entryOf(name)
    this.#size = size
    this.#patience = wait
    this.#depth = depth
  }

  /** How many threads there are now. */
  get count(): number {
    return this.#idle.length + this.#jobs.size
  }

  /** Runs the function on a thread. @throws MailError with the message of what the function threw */
  run(input: Input): Promise<Output> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ number: this.#number++, input, resolve, reject })
      this.#next()
    })
  }

  /** Ends the threads; work under way is refused. */
  async close(): Promise<void> {
    clearTimeout(this.#timer)
    const workers = [...this.#idle, ...this.#jobs.keys()]
    this.#idle.length = 0
    await Promise.all(workers.map(worker => worker.terminate()))
  }

  #next(): void {
    if (this.#waiting.length === 0) return
    const worker = this.#free()
    if (!worker) return
    const job = this.#waiting.shift() as Job
    const jobs = this.#jobs.get(worker)
    if (jobs) jobs.push(job)
    else this.#jobs.set(worker, [job])
    worker.ref()
    worker.postMessage({ number: job.number, input: job.input })
  }

  /** A thread that can be given something. */
  #free(): Worker | undefined {
    const idle = this.#idle.pop()
    if (idle) return idle
    if (this.#jobs.size < this.#size) return this.#start()
    for (const [worker, jobs] of this.#jobs) if (jobs.length < this.#depth) return worker
    return undefined
  }

  /** A thread has answered. @returns what it had been asked */
  #answered(worker: Worker, number: number): Job | undefined {
    const jobs = this.#jobs.get(worker) ?? []
    const at = jobs.findIndex(job => job.number === number)
    const [job] = at < 0 ? [] : jobs.splice(at, 1)
    if (jobs.length > 0) return job
    this.#jobs.delete(worker)
    worker.unref()
    this.#idle.push(worker)
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => this.#endIdle(), this.#patience).unref()
    return job
  }

  #endIdle(): void {
    for (const worker of this.#idle.splice(0)) void worker.terminate()
  }

  #start(): Worker {
    const worker = new Worker(this.#entry)
    worker.on('message', (reply: Reply) => {
      const job = this.#answered(worker, reply.number)
      if ('error' in reply) job?.reject(new MailError(reply.error))
      else job?.resolve(reply.output as never)
      this.#next()
    })
    const ended = (error: Error) => {
      for (const job of this.#jobs.get(worker) ?? []) job.reject(error)
      this.#jobs.delete(worker)
      const at = this.#idle.indexOf(worker)
      if (at >= 0) this.#idle.splice(at, 1)
      this.#next()
    }
    worker.on('error', ended)
    worker.on('exit', () => ended(new MailError('a worker thread ended')))
    return worker
  }
}

/**
 * Makes this thread answer what {@link Threads.run} asks of it.
 *
 * @param moved what of an answer is handed over instead of copied
 */
export function answer<Input, Output>(
  work: (input: Input) => Output | Promise<Output>,
  moved: (output: Output) => readonly ArrayBuffer[] = () => [],
): void {
  parentPort?.on('message', async ({ number, input }: { number: number; input: Input }) => {
    try {
      const output = await work(input)
      parentPort?.postMessage({ number, output } satisfies Reply, moved(output))
    } catch (error) {
      parentPort?.postMessage({ number, error: describe(error) } satisfies Reply)
    }
  })
}

/** A bundle stands in dist/bin with its workers in dist/worker; in an unbundled tree each stands where its source does. */
function entryOf(name: string): URL {
  const bundled = new URL(`../worker/${name}.cjs`, import.meta.url)
  return existsSync(fileURLToPath(bundled)) ? bundled : new URL(`../${name}/worker.js`, import.meta.url)
}
