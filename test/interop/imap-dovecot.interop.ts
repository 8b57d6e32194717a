/** What FETCH says of generated messages and of those in fixtures/, beside what Debian's Dovecot says of them. */
import assert from 'node:assert/strict'
import {
  chmodSync,
  chownSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { imapStage } from '../serve/imap-stage.js'
import { Dovecot, mailUser, noDovecot } from '../support/dovecot.js'
import { fillMaildir } from '../support/generator.js'
import { ImapClient } from '../support/imap-client.js'

/** Where we read a broken message otherwise than Dovecot, and mean to. */
const otherwise: Readonly<Record<string, RegExp>> = {
  'alternative-attachment.eml': /^BODYSTRUCTURE/, // parameters keep their order
  'boundary-prefix.eml': /^BODY\.PEEK\[1\]/, // the line end before a boundary that ends an outer part is its own
  'empty-parts.eml': /MIME\]/, // a header keeps its line end
  'encoded-rfc822.eml': /./, // RFC 2046 §5.2.1 forbids it; here it is a leaf
  'header-8bit.eml': /^BODYSTRUCTURE/, // a file name with blanks and no quotes
  'header-only.eml': /FIELDS\.NOT/,
  'nested-rfc822.eml': /^(BODY|BODYSTRUCTURE|BODY\.PEEK\[2(\.TEXT)?\])$/, // as boundary-prefix.eml
  'nested.eml': /^(BODY|BODYSTRUCTURE|BODY\.PEEK\[2(\.TEXT)?\])$/,
  'no-body.eml': /FIELDS\.NOT/,
  'odd-content-types.eml': /./, // `Multipart/Mixed boundary=x` without its semicolon
  'rfc2231.eml': /^BODY(STRUCTURE)?$/, // segments are joined in one way or another
  'eightbit.eml': /^BODYSTRUCTURE/, // a disposition with 8-bit octets
}

const items = [
  ...[
    'RFC822.SIZE',
    'ENVELOPE',
    'BODYSTRUCTURE',
    'BODY',
    'BODY.PEEK[]',
    'BODY.PEEK[HEADER]',
    'BODY.PEEK[TEXT]',
  ],
  'BODY.PEEK[HEADER.FIELDS (FROM SUBJECT TO CONTENT-TYPE)]',
  'BODY.PEEK[HEADER.FIELDS.NOT (FROM SUBJECT TO RECEIVED)]',
  'BODY.PEEK[TEXT]<7.20>',
  ...['1', '2', '3', '1.1', '1.2', '2.1', '2.2'].flatMap(part => [
    `BODY.PEEK[${part}]`,
    `BODY.PEEK[${part}.MIME]`,
  ]),
  ...['2.HEADER', '2.TEXT', '2.HEADER.FIELDS (SUBJECT)'].map(part => `BODY.PEEK[${part}]`),
]

test('FETCH agrees with Dovecot', { skip: noDovecot() }, async () => {
  const base = mkdtempSync(join(tmpdir(), 'postern-beside-'))
  chmodSync(base, 0o755)
  const stage = await imapStage()
  const maildir = join(base, 'alice', 'Maildir')
  const names = fill(maildir)
  cpSync(maildir, join(stage.home, 'alice', 'Maildir'), { recursive: true })
  for (const path of ['alice', ...readdirSync(base, { recursive: true, encoding: 'utf8' })])
    chownSync(join(base, path), mailUser, mailUser)
  const dovecot = await Dovecot.start({ homes: { alice: join(base, 'alice') } })
  try {
    const [theirs, ours] = await Promise.all([
      ImapClient.login(dovecot.imap, 'alice', 'pw'),
      ImapClient.login(stage.port, 'alice', 'wonderland'),
    ])
    await theirs.ok('EXAMINE INBOX')
    await ours.ok('EXAMINE INBOX')
    for (const [index, name] of names.entries())
      for (const item of items) {
        if (otherwise[name]?.test(item)) continue
        const command = `FETCH ${index + 1} (${item})`
        const [their, our] = await Promise.all([theirs.ok(command), ours.ok(command)])
        // To Dovecot a part that has no parts has a first one, itself.
        if (/\.1[\].]/.test(item) && our.some(line => line.endsWith('] NIL)'))) continue
        assert.deepEqual(normal(our), normal(their), `${name}: ${item}`)
      }
    theirs.close()
    ours.close()
  } finally {
    await dovecot.stop()
    await stage.close()
    rmSync(base, { recursive: true, force: true })
  }
})

/** @returns the name behind each message, in the order of their UIDs */
function fill(maildir: string): string[] {
  fillMaildir(maildir, 60, { seed: 7 })
  const generated = readdirSync(join(maildir, 'cur')).length + readdirSync(join(maildir, 'new')).length
  const paths = ['fixtures/messages', 'fixtures/imap/messages'].flatMap(folder =>
    readdirSync(folder)
      .filter(name => name.endsWith('.eml'))
      .map(name => join(folder, name)),
  )
  mkdirSync(join(maildir, 'cur'), { recursive: true })
  // Later than all generated ones, so that they come after them.
  for (const [i, path] of paths.entries())
    writeFileSync(join(maildir, 'cur', `1790000${100 + i}.M${i}P1.host:2,S`), readFileSync(path))
  return [
    ...Array<string>(generated).fill('generated'),
    ...paths.map(path => path.split('/').pop() as string),
  ]
}

/**
 * Dovecot answers with nothing where there is no such section, and we with NIL; strings that hold quotes are literals
 * there, and here quoted.
 */
function normal(lines: readonly string[]): string[] {
  return lines
    .filter(line => / FETCH /.test(line))
    .map(line => line.replace(/\] NIL\)$/, '] )').replace(/["\\]/g, ''))
}
