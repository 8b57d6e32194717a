import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { parseContentType } from '../../lib/message/content.js'
import { joinedParameter, joinSegments, parseParameterised } from '../../lib/message/parameters.js'

/** As `value | name=value | name=value`. */
function drawn(text: string): string {
  const { value, parameters } = parseParameterised(text)
  return [value, ...parameters.map(parameter => `${parameter.name}=${parameter.value}`)].join(' | ')
}

const fields = [
  ['text/plain', 'text/plain'],
  ['Text/PLAIN; charset=UTF-8', 'text/plain | charset=UTF-8'],
  ['text/plain; charset="utf-8"; format=flowed', 'text/plain | charset=utf-8 | format=flowed'],
  ['text/plain; charset=us-ascii (Plain text)', 'text/plain | charset=us-ascii'], // RFC 2045 §5.1
  ['(a) text (b) / (c) plain (d); (e) x (f) = (g) y (h)', 'text/plain | x=y'],
  ['text/plain ;  charset  =  utf-8 ; ', 'text/plain | charset=utf-8'],
  ['text/plain;;charset=a;', 'text/plain | charset=a'],
  ['a/b; x="a\\"b\\\\c; d"', 'a/b | x=a"b\\c; d'],
  ['a/b; x="a\r\n b"', 'a/b | x=a b'],
  ['a/b; x=""', 'a/b | x='],
  ['a/b; x=', 'a/b | x='],
  // What the world sends
  ['text/plain charset=utf-8 format=flowed', 'text/plain | charset=utf-8 | format=flowed'],
  ['text/plain; charset="utf-8" format=flowed', 'text/plain | charset=utf-8 | format=flowed'],
  ['a/b; name=holiday photo (1).png; x=1', 'a/b | name=holiday photo (1).png | x=1'],
  ['a/b; name=one two', 'a/b | name=one two'],
  ['attachment; filename=caf\xe9.txt', 'attachment | filename=caf\xe9.txt'],
  ['a/b; name="no end', 'a/b | name=no end'],
  ['a/b; (no end; x=y', 'a/b'],
  ['a/b; lonely; x=y', 'a/b | x=y'],
  ['a/b; =y; x=z', 'a/b | x=z'],
  ['a/b; "x"=y; z=1', 'a/b | z=1'],
  ['', ''],
  [';;=;"', ''],
] as const
for (const [text, read] of fields)
  test(`parseParameterised() ${JSON.stringify(text)}`, () => assert.equal(drawn(text), read))

const types = [
  ['image/png', 'image/png'],
  ['text', 'text/plain'],
  ['text; charset=x', 'text/plain'],
  ['multipart', 'multipart/mixed'],
  ['/plain', 'text/plain'],
  ['nonsense', 'text/plain'],
  [undefined, 'text/plain'],
] as const
for (const [text, read] of types)
  test(`parseContentType() ${text}`, () => {
    const { type, subtype } = parseContentType(text)
    assert.equal(`${type}/${subtype}`, read)
  })

test('a part of a digest is a message unless it says otherwise', () => {
  assert.deepEqual(parseContentType(undefined, true), { type: 'message', subtype: 'rfc822', parameters: [] })
  assert.equal(parseContentType('text/html', true).type, 'text')
})

const segments = [
  ['x; a*0=one; a*1=two', 'a=onetwo'],
  ['x; a*1=two; b=c; a*0="one"', 'a=onetwo b=c'],
  ["x; A*0*=utf-8''%41; A*1=b c; a*2*=%43", "A*=utf-8''%41b%20c%43"],
  ['x; a*0*=utf-8\'\'%41; a*1="b c%"', "a*=utf-8''%41b%20c%25"],
  ["x; a*=utf-8''%41", "a*=utf-8''%41"],
  ['x; a*1=lost', 'a*1=lost'],
  ['x; a*0=one; a*2=lost', 'a=one'],
  ['x; a=b', 'a=b'],
] as const
for (const [text, joined] of segments)
  test(`joinSegments() ${text}`, () =>
    assert.equal(
      joinSegments(parseParameterised(text).parameters)
        .map(({ name, value }) => `${name}=${value}`)
        .join(' '),
      joined,
    ))

test('joinedParameter() reads every form of a boundary', () => {
  for (const text of ['x; boundary=abc', 'x; BOUNDARY*0=a; Boundary*1=bc', "x; boundary*=us-ascii'en'abc"])
    assert.equal(joinedParameter(parseParameterised(text).parameters, 'boundary'), 'abc')
  assert.equal(joinedParameter([], 'boundary'), undefined)
})

test('any text is read', () => {
  const text = fc.string({ unit: fc.constantFrom(...'ab/;=" ()\\*0,\r\n\0\xff') })
  fc.assert(
    fc.property(text, given => {
      const { value, parameters } = parseParameterised(given)
      for (const string of [value, ...parameters.flatMap(parameter => [parameter.name, parameter.value])])
        assert.ok([...string].every(char => given.toLowerCase().includes(char.toLowerCase())))
      joinSegments(parameters)
    }),
    { numRuns: 2000 },
  )
})
