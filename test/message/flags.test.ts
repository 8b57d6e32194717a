import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Flag, flagBit, flagLetters, flagNames, flagsOfLetters, systemMask } from '../../lib/message/flags.js'

test('flagBit() knows the five names in any case and no other', () => {
  assert.equal(flagBit('\\Seen'), Flag.seen)
  assert.equal(flagBit('\\ANSWERED'), Flag.answered)
  assert.equal(flagBit('\\Recent'), undefined)
  assert.equal(flagBit('Seen'), undefined)
})

test('flagLetters() are in ASCII order', () => assert.equal(flagLetters(systemMask), 'DFRST'))

test('flagLetters() and flagNames() pass over keyword bits', () => {
  assert.equal(flagLetters(Flag.seen | (1 << 5) | (1 << 30)), 'S')
  assert.deepEqual(flagNames(Flag.seen | (1 << 5)), ['\\Seen'])
})

test('every mask survives its letters, in any order, among others', () => {
  for (let mask = 0; mask <= systemMask; mask++) {
    const letters = [...flagLetters(mask)].reverse().join('a')
    assert.equal(flagsOfLetters(`P${letters}z`), mask)
    assert.equal(
      flagNames(mask).reduce((sum, name) => sum + (flagBit(name) ?? 0), 0),
      mask,
    )
  }
})
