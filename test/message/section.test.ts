import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { findPart, findSection, type SectionKind } from '../../lib/message/section.js'
import { scanMessage } from '../../lib/message/structure.js'
import { countBareLf } from '../../lib/message/wire.js'

function section(file: string, name: string): string | undefined {
  const octets = readFileSync(`fixtures/messages/${file}.eml`)
  const [, digits, word] = /^([\d.]*?)\.?([A-Z]*)$/.exec(name) ?? []
  const numbers = digits ? digits.split('.').map(Number) : []
  const found = findSection(scanMessage(octets), numbers, (word?.toLowerCase() || 'body') as SectionKind)
  if (found) assert.equal(found.bareLf, countBareLf(octets, found.start, found.end))
  return found && octets.toString('utf8', found.start, found.end)
}

const plainHeader = readFileSync('fixtures/messages/plain.eml', 'utf8').split('\n\n')[0]
const plainText = 'INFO: starting new backup job: vzdump 101\nINFO: Finished Backup of VM 101 (00:01:12)\n'
const fourth = 'Subject: fourth\n\nfour\nand five\n'
const sections = [
  ['plain', '', `${plainHeader}\n\n${plainText}`],
  ['plain', 'HEADER', `${plainHeader}\n\n`],
  ['plain', 'TEXT', plainText],
  ['plain', 'MIME', undefined],
  ['plain', '1', plainText],
  ['plain', '1.MIME', `${plainHeader}\n\n`],
  ['plain', '1.HEADER', undefined],
  ['plain', '1.1', undefined],
  ['plain', '2', undefined],
  ['plain', '0', undefined],
  ['alternative-attachment', '1.1', '회의록을 보냅니다.\n'],
  ['alternative-attachment', '1.2', '<p>=ED=9A=8C=EC=9D=98=EB=A1=9D</p>'],
  ['alternative-attachment', '2', 'JVBERi0xLjQK\n'],
  ['alternative-attachment', '1.3', undefined],
  ['alternative-attachment', '2.1', undefined],
  [
    'alternative-attachment',
    '1.2.MIME',
    'Content-Type: text/html; charset="utf-8"\nContent-Transfer-Encoding: quoted-printable\n\n',
  ],
  ['nested-rfc822', '3', fourth],
  ['nested-rfc822', '3.HEADER', 'Subject: fourth\n\n'],
  ['nested-rfc822', '3.TEXT', 'four\nand five\n'],
  ['nested-rfc822', '3.1', 'four\nand five\n'],
  ['nested-rfc822', '3.1.MIME', 'Subject: fourth\n\n'],
  ['nested-rfc822', '3.2', undefined],
  ['nested-rfc822', '2.1', 'two'],
  ['nested-rfc822', '2.2', 'Subject: third\nFrom: c@example.com\n\nthree'],
  ['nested-rfc822', '2.2.TEXT', 'three'],
  ['nested-rfc822', '2.2.1', 'three'],
  ['nested-rfc822', '2.2.1.1', undefined],
  ['nested-rfc822', '1.TEXT', undefined],
  ['encoded-rfc822', '1', 'U3ViamVjdDogaW5uZXIKCnRleHQK'],
  ['encoded-rfc822', '1.HEADER', undefined],
  ['encoded-rfc822', '2.HEADER', 'Subject: inner\n\n'],
  ['digest', '1.HEADER', 'From: one@example.com\nSubject: first in the digest\n\n'],
  ['digest', '3.1', 'two\n'],
  ['no-boundary', '1', undefined],
  ['no-boundary', 'TEXT', '--guess\n\nThis is all body.\n--guess--\n'],
  ['header-only', 'TEXT', ''],
  ['header-only', '1', ''],
] as const
for (const [file, name, text] of sections)
  test(`BODY[${name}] of ${file}`, () => assert.equal(section(file, name), text))

test('a message that is nothing but a message: its part 1 is that message', () => {
  const octets = Buffer.from('Content-Type: message/rfc822\n\nSubject: inner\n\ntext\n')
  const tree = scanMessage(octets)
  const read = (numbers: number[], kind: SectionKind) => {
    const found = findSection(tree, numbers, kind)
    return found && octets.toString('latin1', found.start, found.end)
  }
  assert.equal(findPart(tree, [1]), tree)
  assert.equal(read([1], 'body'), 'Subject: inner\n\ntext\n')
  assert.equal(read([1], 'header'), 'Subject: inner\n\n')
  assert.equal(read([1, 1], 'body'), 'text\n')
  assert.equal(read([1, 1, 1], 'body'), undefined)
})
