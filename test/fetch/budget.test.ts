import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { Budget } from '../../lib/fetch/budget.js'
import { Memory } from '../../lib/fetch/state.js'
import { temporaryDirectory } from '../support/world.js'

const listed = (...sizes: number[]) => sizes.map((size, i) => ({ uid: i + 1, size }))
const uids = (list: readonly { uid: number }[]) => list.map(({ uid }) => uid)

test('Budget gives each day its share, in order, and a message that is too large a day of its own', async t => {
  const path = join(temporaryDirectory(t), 'a.state')
  let memory = await Memory.open(path, 'test')
  let now = Date.UTC(2026, 2, 15, 23)
  let budget = new Budget(memory, 100, () => now)
  const { now: today, later } = budget.share(listed(60, 30, 30, 5))
  assert.deepEqual(
    [uids(today), uids(later)],
    [
      [1, 2],
      [3, 4],
    ],
  )
  budget.spend(90)
  budget.note()
  await memory.close()
  memory = await Memory.open(path, 'test')
  budget = new Budget(memory, 100, () => now)
  assert.equal(budget.left, 10)
  assert.deepEqual(uids(budget.share(listed(200)).now), [])
  now += 2 * 3_600_000
  assert.equal(budget.left, 100)
  assert.deepEqual(uids(budget.share(listed(200, 1)).now), [1])
  await memory.close()
})
