/** dovecot-attributes: read and written as Dovecot does it, by several at once, and odd lines kept. */
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import { Attributes } from '../../lib/mailbox/attributes.js'
import { parseUses } from '../../lib/mailbox/special-use.js'
import { bareMaildir } from './support.js'

const guid = 'eb070533eeca046b9572000083ecc375'

test('a file that Dovecot wrote, and what is not of a mailbox stays in it', async () => {
  const root = bareMaildir()
  const path = join(root, 'dovecot-attributes')
  const odd = 'priv/other\nx\n'
  writeFileSync(path, `priv/${guid}/comment\nhello world\nshared/${guid}/vendor/x\na\x01tb\x01n\x011\n${odd}`)
  const attributes = new Attributes(root)
  assert.deepEqual(
    [...attributes.of(guid)].map(([name, value]) => [name, value.toString()]),
    [
      ['/private/comment', 'hello world'],
      ['/shared/vendor/x', 'a\tb\n\x01'],
    ],
  )
  await attributes.change(
    guid,
    new Map([
      ['/private/comment', undefined],
      ['/shared/comment', Buffer.from('ü')],
    ]),
  )
  assert.equal(
    readFileSync(path, 'utf8'),
    `shared/${guid}/vendor/x\na\x01tb\x01n\x011\n${odd}shared/${guid}/comment\nü\n`,
  )
  await attributes.forget(guid)
  assert.equal(readFileSync(path, 'utf8'), odd)
})

test('any octets come back, also to another process that has read before', () =>
  fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 100 }), async octets => {
      const root = bareMaildir()
      const [one, other] = [new Attributes(root), new Attributes(root)]
      assert.equal(other.of(guid).size, 0)
      await one.change(guid, new Map([['/private/comment', Buffer.from(octets)]]))
      assert.deepEqual(other.of(guid).get('/private/comment'), Buffer.from(octets))
    }),
    { numRuns: 50 },
  ))

test('twenty changes at once lose nothing', async () => {
  const root = bareMaildir()
  await Promise.all(
    Array.from({ length: 20 }, (_, i) =>
      new Attributes(root).change(guid, new Map([[`/private/vendor/n${i}`, Buffer.from(String(i))]])),
    ),
  )
  assert.equal(new Attributes(root).of(guid).size, 20)
})

for (const [text, expected] of [
  ['\\Sent', '\\Sent'],
  ['\\sent \\JUNK \\Sent', '\\Sent \\Junk'],
  ['', ''],
  ['\\All', undefined],
  ['Sent', undefined],
] as const)
  test(`parseUses() "${text}"`, () => assert.equal(parseUses(text), expected))
