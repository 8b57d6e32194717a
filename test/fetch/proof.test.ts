import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { audit, Proof, standingOf } from '../../lib/fetch/proof.js'
import { temporaryDirectory } from '../support/world.js'

const standing = { validity: '7', lines: ['1 ', '2 a b'] }

test('a transcript holds what was sent, and no secret', t => {
  const path = join(temporaryDirectory(t), 'proof')
  const proof = new Proof(path)
  proof.begin('gmail')
  const one = proof.connection()
  one.sent(Buffer.from('1 LOGIN "me" "sec'))
  one.sent(Buffer.from('ret"\r\n'))
  one.answered('1 OK')
  one.sent(Buffer.from('2 AUTHENTICATE PLAIN c2VjcmV0\r\n'))
  one.sent(Buffer.from('c2VjcmV0\r\n'))
  one.answered('+ ')
  one.answered('2 OK')
  one.sent(Buffer.from('3 LOGIN {2}\r\n'))
  one.sent(Buffer.from('me {6}\r\n'))
  one.sent(Buffer.from('secret\r\n'))
  one.sent(Buffer.from('4 EXAMINE "\xc3\xa9"\r\n', 'latin1'))
  proof.standing('before', standingOf('INBOX', standing))
  proof.standing('after', standingOf('INBOX', { ...standing, lines: [...standing.lines] }))
  proof.end()
  const text = readFileSync(path, 'utf8')
  assert.doesNotMatch(text, /secret|c2Vj/)
  assert.match(text, /^> 4 EXAMINE "\\xc3\\xa9"$/m)
  const found = audit(text)
  assert.deepEqual(found.wrong, [])
  assert.deepEqual(Object.fromEntries(found.commands), { LOGIN: 2, AUTHENTICATE: 1, EXAMINE: 1 })
  assert.equal(found.same.length, 1)
  assert.ok(found.complete)
  assert.throws(() => new Proof(path), /EEXIST/)
})

const sent = (line: string) => `account a\n> ${line}\nend\n`
const wrong = ['1 SELECT INBOX', '1 UID STORE 1 FLAGS ()', '1 FETCH 1 BODY[]', 'whatever']
for (const line of wrong)
  test(`audit() finds "${line}"`, () => assert.deepEqual(audit(sent(line)).wrong, [line]))

test('audit() counts fetches of whole messages, and knows the end of IDLE', () => {
  const text = '> 1 UID FETCH 1:9 (UID FLAGS BODY.PEEK[])\n> 2 IDLE\n> DONE\n'
  const { commands, wrong, complete } = audit(text)
  assert.deepEqual(
    [...commands],
    [
      ['FETCH of whole messages', 1],
      ['IDLE', 1],
    ],
  )
  assert.deepEqual(wrong, [])
  assert.equal(complete, false)
})

test('audit() sees a folder that changed, and a line that is none of ours', () => {
  const hash = 'ab'.repeat(32)
  const text = `before "a" 1 2 ${hash}\nbefore "b" 1 2 ${hash}\nafter "a" 1 3 ${hash.replace('a', 'c')}\nhello\n`
  const { changed, wrong } = audit(text)
  assert.deepEqual(
    changed.map(({ before, after }) => [before.folder, after?.messages]),
    [
      ['a', 3],
      ['b', undefined],
    ],
  )
  assert.deepEqual(wrong, ['hello'])
})
