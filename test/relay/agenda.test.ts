import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Agenda } from '../../lib/relay/agenda.js'

type Step = { id: string; time: number } | { id: string; time: undefined } | { now: number }

const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ id: fc.constantFrom(...'abcdefgh'), time: fc.integer({ min: 0, max: 50 }) }),
  fc.record({ id: fc.constantFrom(...'abcdefgh'), time: fc.constant(undefined) }),
  fc.record({ now: fc.integer({ min: 0, max: 50 }) }),
)

test('an agenda gives what is due, the earliest first, as a sorted list would', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), steps => {
      const agenda = new Agenda()
      const model = new Map<string, number>()
      for (const each of steps) {
        if ('now' in each) {
          const due = [...model].filter(([, time]) => time <= each.now)
          const earliest = Math.min(...due.map(([, time]) => time))
          const taken = agenda.take(each.now)
          assert.equal(taken === undefined, due.length === 0)
          if (taken === undefined) continue
          assert.equal(model.get(taken), earliest)
          model.set(taken, Number.POSITIVE_INFINITY)
        } else if (each.time === undefined) {
          agenda.delete(each.id)
          model.delete(each.id)
        } else {
          agenda.set(each.id, each.time)
          model.set(each.id, each.time)
        }
        assert.equal(agenda.next, Math.min(Number.POSITIVE_INFINITY, ...model.values()))
        assert.equal(agenda.size, model.size)
      }
    }),
  )
})

test('setting the same entry again and again does not grow it', () => {
  const agenda = new Agenda()
  for (let i = 0; i < 100_000; i++) agenda.set('x', 1_000_000 - i)
  assert.equal(agenda.next, 900_001)
  assert.equal(agenda.take(1_000_000), 'x')
  assert.equal(agenda.take(1_000_000), undefined)
})
