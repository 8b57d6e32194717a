/** What fuzzing found once, or what reached furthest: all of it is read again, without harm. */
import { test } from 'node:test'
import { sessionTargets } from './sessions.js'
import { keptInputs, targets } from './targets.js'

for (const target of targets) {
  // Whole sessions are for the fuzzer and its time.
  if (sessionTargets.includes(target)) continue
  test(`the kept inputs of ${target.name} do no harm`, async () => {
    for (const input of [...target.seeds(), ...keptInputs(target.name)]) await target.run(input)
  })
}
