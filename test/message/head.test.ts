/** Headers of passing messages: found, read, changed. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Head, HeadReader } from '../../lib/message/head.js'

function headOf(text: string, cut = text.length): { head: Head; rest: string } {
  const reader = new HeadReader()
  const octets = Buffer.from(text, 'latin1')
  let head = reader.push(octets.subarray(0, cut))
  let at = cut
  for (; !head && at < octets.length; at++) head = reader.push(octets.subarray(at, at + 1))
  return { head: head ?? reader.end(), rest: octets.toString('latin1', at) }
}

function rewritten(text: string, lines: string, drop: readonly string[] = [], cut?: number): string {
  const { head, rest } = headOf(text, cut)
  return Buffer.concat([...head.rewrite(lines, field => drop.includes(field.key))]).toString('latin1') + rest
}

const cases = [
  ['A: 1\nB: 2\n\nbody\n', 'X: 0\nA: 1\nB: 2\n\nbody\n', 'an ordinary message'],
  ['A: 1\nBcc: x,\n y\nB: 2\n\nbcc: z\n', 'X: 0\nA: 1\nB: 2\n\nbcc: z\n', 'a folded field is left out'],
  ['Bcc: x\n\nbody\n', 'X: 0\n\nbody\n', 'the only field is left out'],
  ['A: 1\nBCC : x\n\n', 'X: 0\nA: 1\n\n', 'the last field, written oddly, is left out'],
  ['\nbody\n', 'X: 0\n\nbody\n', 'no field at all'],
  ['body\nmore\n', 'X: 0\n\nbody\nmore\n', 'no header, and no empty line'],
  ['A: 1\nbody\n\nbcc: z\n', 'X: 0\nA: 1\n\nbody\n\nbcc: z\n', 'a header that a line of text ends'],
  ['A: 1\nB: 2\n', 'X: 0\nA: 1\nB: 2\n', 'nothing but a header'],
  ['A: 1\r\nBcc: x\r\n\r\nb\r\n', 'X: 0\nA: 1\r\n\r\nb\r\n', 'CRLF'],
  ['\r\nb\r\n', 'X: 0\n\r\nb\r\n', 'CRLF, and no field'],
  ['', 'X: 0\n', 'nothing'],
  ['From ann@x.example Thu Jan  1 00:00:00 1970\nA: 1\n\nb\n', 'X: 0\nA: 1\n\nb\n', "mbox's line"],
  ['>From ann\nA: 1\n\nb\n', 'X: 0\nA: 1\n\nb\n', "mbox's line, quoted"],
  ['A: 1\nFrom x\n\nb\n', 'X: 0\nA: 1\n\nFrom x\n\nb\n', 'such a line elsewhere is text'],
] as const

for (const [text, expected, why] of cases)
  test(`rewrite(): ${why}`, () => {
    assert.equal(rewritten(text, 'X: 0\n', ['bcc']), expected)
    for (let cut = 0; cut < text.length; cut++)
      assert.equal(rewritten(text, 'X: 0\n', ['bcc'], cut), expected, `cut at ${cut}`)
  })

test('has() and count() know fields by name', () => {
  const { head } = headOf('Received: a\nSubject: x\nRECEIVED: b\n\nDate: x\n')
  assert.deepEqual([head.count('received'), head.has('subject'), head.has('date')], [2, true, false])
})

test('a header without end is taken as it is at a mebibyte', () => {
  const reader = new HeadReader()
  const chunk = Buffer.from(`X-Long: ${'y'.repeat(65_000)}\n`)
  let pushes = 0
  let head: Head | undefined
  while (!head) {
    head = reader.push(chunk)
    pushes++
  }
  assert.equal(pushes, Math.ceil((1 << 20) / chunk.length))
  assert.equal(Buffer.concat([...head.rewrite('')]).length, pushes * chunk.length)
})
