import assert from 'node:assert/strict'
import { afterEach, beforeEach, mock, test } from 'node:test'
import { enter, isCalm, leave, waitHere } from '../../lib/sys/calm.js'

/** The clock of these tests in milliseconds; it goes on from one to the next. */
let now = 0

beforeEach(() => {
  now += 1_000_000
  mock.method(process, 'hrtime', () => [Math.floor(now / 1000), (now % 1000) * 1e6])
})
afterEach(() => mock.restoreAll())

/** A call to a disk that takes so long, in milliseconds. */
function wait(time: number): void {
  waitHere(() => {
    now += time
  })
}

test('the disk is waited for in place by one alone', () => {
  assert.equal(isCalm(), false, 'nobody has entered')
  enter()
  assert.equal(isCalm(), true)
  enter()
  assert.equal(isCalm(), false, 'two are under way')
  leave()
  assert.equal(isCalm(), true)
  leave()
})

test('a slow disk is left to threads for twenty times as long as it took', () => {
  enter()
  for (const time of [5, 50, 400]) {
    wait(3)
    assert.equal(isCalm(), true, 'a quick call changes nothing')
    wait(time)
    assert.equal(isCalm(), false, `after ${time} ms`)
    now += 20 * time - 1
    assert.equal(isCalm(), false, `still, after ${time} ms`)
    now += 1
    assert.equal(isCalm(), true, `again, after ${time} ms`)
  }
  leave()
})

test('a call that fails slowly counts as slow, and its error arrives', () => {
  enter()
  const fail = () =>
    waitHere(() => {
      now += 10
      throw new Error('no space left')
    })
  assert.throws(fail, /no space left/)
  assert.equal(isCalm(), false)
  leave()
})
