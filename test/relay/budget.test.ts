import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { Budgets, nextFree } from '../../lib/relay/budget.js'
import { temporaryDirectory } from '../support/world.js'

const hour = 3_600_000
const cases: [Record<string, number>, number, number, number, string][] = [
  [{}, 1, 100, 0, 'nothing sent'],
  [{ 100: 2 }, 3, 100, 0, 'room left'],
  [{ 100: 3 }, 3, 100, 124, 'used up in this hour: when it is a day old'],
  [{ 90: 1, 95: 2 }, 3, 100, 114, 'when the first of them is a day old'],
  [{ 90: 1, 95: 5 }, 3, 100, 119, 'when enough of them are'],
  [{ 76: 5 }, 3, 100, 0, 'a day old'],
  [{ 77: 5 }, 3, 100, 101, 'not quite a day old'],
  [{ 101: 5 }, 3, 100, 0, 'in the future: the clock was set back'],
]
for (const [counts, limit, now, expected, why] of cases)
  test(`nextFree() - ${why}`, () => assert.equal(nextFree(counts, limit, now * hour + 5), expected * hour))

test('counts are shared by all who count, and survive', async t => {
  const directory = temporaryDirectory(t)
  const [one, two] = [new Budgets(directory), new Budgets(directory)]
  const now = 1000 * hour
  const taken = await Promise.all(Array.from({ length: 10 }, (_, i) => (i % 2 ? one : two).take('x', 7, now)))
  assert.equal(taken.filter(free => free === 0).length, 7)
  assert.equal(one.used(now).get('x'), 7)
  await one.giveBack('x', now)
  assert.equal(await two.take('x', 7, now), 0)
  assert.equal(await two.take('y', 7, now), 0)
  assert.equal(one.used(now + 25 * hour).get('x'), 0)
})

test('a file cut short costs a count and nothing else', async t => {
  const directory = temporaryDirectory(t)
  writeFileSync(join(directory, 'budgets.json'), '{"x":{"1')
  assert.equal(await new Budgets(directory).take('x', 1, 0), 0)
})
