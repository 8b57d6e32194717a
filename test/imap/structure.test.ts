/**
 * ENVELOPE, BODY and BODYSTRUCTURE of the messages in fixtures/, as they are kept in fixtures/imap/structures.
 * `UPDATE=1` writes these anew; what changed is to be read then.
 */
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { writeStructure } from '../../lib/imap/bodystructure.js'
import { OctetWriter } from '../../lib/imap/encode.js'
import { writeEnvelope } from '../../lib/imap/envelope.js'
import { scanMessage } from '../../lib/message/structure.js'

const messages = ['fixtures/messages', 'fixtures/imap/messages'].flatMap(folder =>
  readdirSync(folder)
    .filter(name => name.endsWith('.eml'))
    .map(name => join(folder, name)),
)

function render(octets: Buffer): string {
  const part = scanMessage(octets)
  const out = new OctetWriter()
  writeEnvelope(out.text('ENVELOPE '), part.header)
  writeStructure(out.text('\nBODY '), part, false)
  writeStructure(out.text('\nBODYSTRUCTURE '), part, true)
  return out.text('\n').take().toString('latin1')
}

for (const path of messages)
  test(`structure of ${path}`, () => {
    const name = path.replace('fixtures/', '').replace('messages/', '').replace('/', '-')
    const golden = join('fixtures/imap/structures', name.replace('.eml', '.txt'))
    const seen = render(readFileSync(path))
    if (process.env['UPDATE'] || !existsSync(golden)) writeFileSync(golden, seen, 'latin1')
    assert.equal(seen, readFileSync(golden, 'latin1'))
  })

test('a multipart without parts has one all the same (RFC 3501 §9 body-type-mpart)', () => {
  const text = render(Buffer.from('Content-Type: multipart/mixed; boundary=x\n\nnothing\n'))
  assert.match(text, /BODY \(\("text" "plain" .* 0 0\) "mixed"\)/)
})

test('a thousand levels end at some depth', () => {
  let text = ''
  for (let i = 0; i < 1_000; i++) text += `Content-Type: multipart/mixed; boundary=b${i}\n\n--b${i}\n`
  assert.ok(render(Buffer.from(text)).length > 0)
})
