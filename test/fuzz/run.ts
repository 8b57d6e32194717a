/** One turn of a target, in a thread that can be given up when it hangs. */
import { Worker } from 'node:worker_threads'
import { keepInputs } from './targets.js'
import type { Report, Task } from './worker.js'

/** What one input may take before it counts as endless, in milliseconds of CPU time. */
const endless = 15_000

/** Runs a target in a thread of bounded memory. */
export function run(rest: Omit<Task, 'shared'>): Promise<Report> {
  const shared = new SharedArrayBuffer(8 + 65_536)
  const task: Task = { ...rest, shared }
  const worker = new Worker(new URL('./worker.js', import.meta.url), {
    workerData: task,
    resourceLimits: { maxOldGenerationSizeMb: 512 },
  })
  const counters = new Int32Array(shared, 0, 2)
  const failed = (what: string): Report => {
    const input = Buffer.from(Buffer.from(shared, 8, counters[1]))
    keepInputs(task.name, [input])
    return {
      runs: counters[0] as number,
      blocks: 0,
      corpus: 0,
      slowest: 0,
      fresh: 0,
      grown: [],
      failures: [{ what, input }],
    }
  }
  return new Promise(resolve => {
    const used = () => process.cpuUsage().user / 1_000
    let [last, since] = [-1, used()]
    const watch = setInterval(() => {
      if (counters[0] !== last) [last, since] = [counters[0] as number, used()]
      else if (used() - since > endless && last > 0) finish(failed('does not come to an end'))
    }, 500)
    const finish = (report: Report) => {
      clearInterval(watch)
      void worker.terminate()
      resolve(report)
    }
    worker.on('message', finish)
    worker.on('error', error =>
      finish(failed(error instanceof Error ? (error.stack ?? error.message) : String(error))),
    )
  })
}
