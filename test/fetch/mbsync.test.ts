import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseMbsyncState } from '../../lib/fetch/mbsync.js'

test('parseMbsyncState() reads what mbsync 1.4 writes', () => {
  const text =
    'FarUidValidity 7\nNearUidValidity 9\nMaxPulledUid 12\nMaxPushedUid 0\n\n3 1 FS\n5 0 \n12 2\n0 4 \n'
  assert.deepEqual(parseMbsyncState(text), {
    validity: '7',
    near: '9',
    pulled: 12,
    pairs: new Map([
      [3, 1],
      [5, 0],
      [12, 2],
    ]),
  })
})

test('parseMbsyncState() reads what mbsync 1.3 writes, and a folder without messages', () => {
  assert.equal(parseMbsyncState('MasterUidValidity 7\nSlaveUidValidity 9\nMaxPulledUid 0\n\n')?.validity, '7')
  assert.equal(parseMbsyncState('FarUidValidity 7\nMaxPulledUid 0\n')?.pairs.size, 0)
})

for (const text of ['', 'hello', 'FarUidValidity x\n\n', 'FarUidValidity 1\n\nwhat\n'])
  test(`parseMbsyncState() does not take ${JSON.stringify(text)}`, () =>
    assert.equal(parseMbsyncState(text), undefined))
