/** Base subjects (RFC 5256 §2.1). */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { baseSubject } from '../../lib/message/subject.js'

const subjects = [
  // subject                              base                       reply  why
  ['', '', false, 'nothing'],
  ['plain words', 'plain words', false, 'nothing to take away'],
  ['  two\t words ', 'two words', false, 'white space counts once'],
  ['Re: x', 'x', true, 'a reply'],
  ['RE:x', 'x', true, 'in any case, without a space'],
  ['re : x', 'x', true, 'a space before the colon'],
  ['Fw: x', 'x', true, 'forwarded'],
  ['Fwd: x', 'x', true, 'forwarded'],
  ['fwdd: x', 'fwdd: x', false, 'no word of those'],
  ['Re[2]: x', 'x', true, 'counted replies'],
  ['Re [list] : x', 'x', true, 'a blob before the colon'],
  ['Re: Re: Fwd: x', 'x', true, 'one after the other'],
  ['[list] x', 'x', false, 'a list'],
  ['[list] Re: x', 'x', true, 'a reply on a list'],
  ['Re: [list] x', 'x', true, 'the list after it'],
  ['[a] [b] Re: [c] x', 'x', true, 'several'],
  ['[list]', '[list]', false, 'never nothing'],
  ['[a][b]', '[b]', false, 'the last of them stays'],
  ['[a [b] x', '[a [b] x', false, 'no blob holds a bracket'],
  ['Re: [list]', '[list]', true, 'the last blob is the base'],
  ['x (fwd)', 'x', true, 'a trailer'],
  ['x (FWD) (fwd) ', 'x', true, 'several'],
  ['(fwd)', '', true, 'nothing else'],
  ['[Fwd: x]', 'x', true, 'wrapped'],
  ['[fwd: Re: x (fwd)]', 'x', true, 'begins anew inside'],
  ['Re: [Fwd: [list] x]', 'x', true, 'wrapped within a reply'],
  ['[Fwd: x', '[Fwd: x', false, 'not closed'],
  ['[Fwd: [Fwd: x]]', 'x', true, 'wrapped twice'],
  ['Re:', '', true, 'a reply to nothing'],
  ['Regarding: x', 'Regarding: x', false, 'another word'],
  ['AW: x', 'AW: x', false, 'only what the RFC names'],
  ['Re: 회의 일정', '회의 일정', true, 'beyond ASCII'],
] as const
for (const [subject, text, isReply, why] of subjects)
  test(`baseSubject("${subject}") - ${why}`, () => assert.deepEqual(baseSubject(subject), { text, isReply }))

test('a base subject is its own base subject', () => {
  const part = fc.constantFrom('Re', 'fwd', ': ', ' ', '[', ']', '[x]', '(fwd)', '[Fwd:', 'a', '\t')
  fc.assert(
    fc.property(fc.array(part, { maxLength: 20 }), parts => {
      const { text } = baseSubject(parts.join(''))
      assert.equal(baseSubject(text).text, text)
    }),
  )
})

test('a long subject of brackets is quick', () => {
  assert.equal(baseSubject('[x] '.repeat(1_000_000)).text, '[x] '.repeat(1).trim())
})
