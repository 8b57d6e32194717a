import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Forest } from '../../lib/mailbox/forest.js'

test('links and cuts do what walking up the parents would', () => {
  const nodes = 12
  const node = fc.integer({ min: 1, max: nodes })
  const step = fc.tuple(fc.integer({ min: 0, max: 4 }), node, node)
  fc.assert(
    fc.property(fc.array(step, { maxLength: 80 }), steps => {
      const forest = new Forest(nodes)
      const parents = new Array<number>(nodes + 1).fill(0)
      for (const [kind, child, parent] of steps) {
        if (kind === 0 || parents[child] !== 0) {
          forest.cut(child)
          parents[child] = 0
        }
        if (kind === 0) continue
        let at = parent
        while (at !== child && parents[at] !== 0) at = parents[at] as number
        const isLoop = at === child
        assert.equal(forest.link(child, parent), !isLoop)
        if (!isLoop) parents[child] = parent
        assert.deepEqual([...forest.parents], parents)
      }
    }),
    { numRuns: 500 },
  )
})

test('a chain of a hundred thousand is asked for a loop at every link', () => {
  const count = 100_000
  const forest = new Forest(count)
  for (let node = 2; node <= count; node++) assert.ok(forest.link(node, node - 1))
  for (let node = count; node > count / 2; node--) assert.equal(forest.link(1, node), false)
  for (let node = 3; node <= count; node += 2) {
    forest.cut(node)
    assert.ok(forest.link(node, 1))
    assert.equal(forest.link(1, count), false)
  }
})
