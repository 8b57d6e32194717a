/**
 * npm run fuzz [-- --seconds N] [--only NAME,NAME] [--seed N] [--keep]: every target for ten minutes unless told. Fails
 * when an input makes one throw what it should not, takes longer than 100 ms, or takes more and more memory; such
 * inputs are put under fixtures/fuzz/, where a test finds them.
 */
import { parseArgs } from 'node:util'
import { Worker } from 'node:worker_threads'
import { targets } from './targets.js'
import type { Report, Task } from './worker.js'

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '600' },
    only: { type: 'string' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    keep: { type: 'boolean', default: false },
  },
})

/** How long one input may hang before it counts as endless, in milliseconds. */
const endless = 15_000

/** Runs a target in a thread of bounded memory. */
function run(name: string): Promise<Report> {
  const shared = new SharedArrayBuffer(8 + 65_536)
  const task: Task = {
    name,
    seconds: Number(values.seconds),
    seed: Number(values.seed),
    keep: values.keep,
    shared,
  }
  const worker = new Worker(new URL('./worker.js', import.meta.url), {
    workerData: task,
    resourceLimits: { maxOldGenerationSizeMb: 512 },
  })
  const counters = new Int32Array(shared, 0, 2)
  const failed = (what: string): Report => ({
    runs: counters[0] as number,
    blocks: 0,
    corpus: 0,
    slowest: 0,
    failures: [{ what, input: Buffer.from(Buffer.from(shared, 8, counters[1])) }],
  })
  return new Promise(resolve => {
    let [last, since] = [-1, Date.now()]
    const watch = setInterval(() => {
      if (counters[0] !== last) [last, since] = [counters[0] as number, Date.now()]
      else if (Date.now() - since > endless && last > 0) finish(failed('does not come to an end'))
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

const chosen = targets.filter(
  ({ name }) => values.only === undefined || values.only.split(',').includes(name),
)
if (chosen.length === 0)
  throw new Error(`no such target; there are ${targets.map(({ name }) => name).join(', ')}`)
let failures = 0
for (const { name } of chosen) {
  const report = await run(name)
  const figures = `${report.runs} inputs, ${report.blocks} blocks reached, slowest ${report.slowest.toFixed(0)} ms`
  process.stdout.write(`${name}: ${figures}, ${report.failures.length} failures\n`)
  for (const { what, input } of report.failures)
    process.stdout.write(
      `  ${JSON.stringify(Buffer.from(input).toString('latin1').slice(0, 200))} (${input.length} octets)\n  ${what.slice(0, 500)}\n`,
    )
  failures += report.failures.length
}
process.stdout.write(`seed ${values.seed}\n`)
process.exitCode = failures > 0 ? 1 : 0
