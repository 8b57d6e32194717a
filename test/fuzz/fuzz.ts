/**
 * npm run fuzz [-- --seconds N] [--only NAME,NAME] [--seed N] [--keep] [--home DIR [--slice N]]: every target for ten
 * minutes of CPU time unless told. Fails when an input makes one throw what it should not, takes longer than 100 ms, or
 * takes more and more memory; such inputs are put under fixtures/fuzz/, where a test finds them.
 *
 * With --home the targets take turns of --slice seconds (60), and what each has reached stands in DIR: stopped at any
 * moment, it goes on from there the next time.
 */
import { parseArgs } from 'node:util'
import { Home } from './home.js'
import { run } from './run.js'
import { targets } from './targets.js'

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '600' },
    only: { type: 'string' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    keep: { type: 'boolean', default: false },
    home: { type: 'string' },
    slice: { type: 'string', default: '60' },
  },
})

const chosen = targets
  .map(({ name }) => name)
  .filter(name => values.only === undefined || values.only.split(',').includes(name))
if (chosen.length === 0)
  throw new Error(`no such target; there are ${targets.map(({ name }) => name).join(', ')}`)
const seconds = Number(values.seconds)
const home = values.home === undefined ? undefined : new Home(values.home)
const slice = home ? Math.min(seconds, Number(values.slice)) : seconds
let failures = 0

/** One turn of one target. */
async function turn(name: string, seed: number): Promise<void> {
  const grown = home?.grown(name) ?? []
  const report = await run({ name, seconds: slice, seed, keep: values.keep, grown })
  home?.add(name, slice, report)
  const done = home ? `${home.seconds(name)} s, ${report.fresh} new blocks, ` : ''
  const figures = `${report.runs} inputs, ${report.blocks} blocks reached, slowest ${report.slowest.toFixed(0)} ms`
  process.stdout.write(`${name}: ${done}${figures}, ${report.failures.length} failures\n`)
  for (const { what, input } of report.failures)
    process.stdout.write(
      `  ${JSON.stringify(Buffer.from(input).toString('latin1').slice(0, 200))} (${input.length} octets)\n  ${what.slice(0, 500)}\n`,
    )
  failures += report.failures.length
}

let seed = Number(values.seed)
if (home)
  for (;;) {
    const [next] = chosen
      .filter(name => home.seconds(name) < seconds)
      .sort((a, b) => home.seconds(a) - home.seconds(b))
    if (next === undefined) break
    await turn(next, seed++)
  }
else for (const name of chosen) await turn(name, seed)
process.stdout.write(`seed ${values.seed}\n`)
process.exitCode = failures > 0 ? 1 : 0
