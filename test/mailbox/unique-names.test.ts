import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { UniqueNames } from '../../lib/mailbox/unique-names.js'

const name = fc.string({ unit: fc.constantFrom('a', 'b', '1', '\xe9', ',', '.'), maxLength: 6 })

test('names are found as a Map finds them, whatever came and went', () => {
  const step = fc.record({ name, uid: fc.integer({ min: 1, max: 0xffff_fffe }), goes: fc.boolean() })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 400 }), steps => {
      const names = new UniqueNames()
      const map = new Map<string, number>()
      for (const { name, uid, goes } of steps) {
        if (goes) {
          names.delete(name)
          map.delete(name)
        } else {
          names.set(name, uid)
          map.set(name, uid)
        }
        assert.equal(names.get(name), map.get(name))
      }
      assert.equal(names.size, map.size)
      assert.deepEqual(new Map(names), map)
      assert.deepEqual([...names.values()].sort(), [...map.values()].sort())
    }),
  )
})

test('a file is found by what stands before the colon', () => {
  const names = new UniqueNames()
  names.setFile('1.M2P3.host,S=4:2,S', 7)
  names.setFile('2.M2P3.host', 8)
  assert.deepEqual(
    new Map(names),
    new Map([
      ['1.M2P3.host,S=4', 7],
      ['2.M2P3.host', 8],
    ]),
  )
  assert.equal(names.ofFile('1.M2P3.host,S=4:2,FS'), 7)
  assert.equal(names.ofFile('2.M2P3.host'), 8)
  assert.equal(names.ofFile('1.M2P3.host'), undefined)
  assert.equal(names.get('1.M2P3.host,S=4:2,S'), undefined)
  names.clear()
  assert.deepEqual([names.size, names.ofFile('2.M2P3.host')], [0, undefined])
})
