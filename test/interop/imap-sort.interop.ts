/** SORT and THREAD of messages with odd subjects, dates, addresses and references, beside what Debian's Dovecot says. */
import assert from 'node:assert/strict'
import {
  chmodSync,
  chownSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { imapStage } from '../serve/imap-stage.js'
import { Dovecot, mailUser, noDovecot } from '../support/dovecot.js'
import { randomFrom } from '../support/generator.js'
import { ImapClient } from '../support/imap-client.js'

const count = 400
const random = randomFrom(42)
const below = (limit: number) => Math.floor(random() * limit)
const pick = <T>(list: readonly T[]) => list[below(list.length)] as T

const words = [
  'lunch',
  'Lunch',
  'LUNCH',
  'invoice 7',
  'weekly report',
  '회의 일정',
  '안녕',
  'Grüße',
  'grüsse',
  'ÅNGSTRÖM',
]
/** Not ks_c_5601-1987, by which Korean mail calls euc-kr: the iconv that Dovecot uses does not know it. */
const encoded = [
  '=?utf-8?q?Gr=C3=BC=C3=9Fe?=',
  '=?iso-8859-1?q?Gr=FC=DFe?=',
  '=?euc-kr?B?sKG0ww==?=',
  '=?utf-8?B?6rCA64qY?=',
  '=?utf-8?q?Re=3A?= lunch',
  '=?utf-8?B?7ZqM7J2Y?= =?utf-8?B?IOydvOyglQ==?=',
]
const prefixes = [
  '',
  '',
  '',
  'Re: ',
  're:',
  'RE : ',
  'Fwd: ',
  'fw: ',
  '[list] ',
  'Re: [list] ',
  '[list] Re: ',
  'Re[2]: ',
  '[a] [b] ',
  'Re: Fwd: ',
  'AW: ',
]
const suffixes = ['', '', '', '', ' (fwd)', ' (FWD) ', '  ']
const odd = [
  '',
  '[list]',
  'Re:',
  '(fwd)',
  '[Fwd: lunch]',
  '[fwd: Re: lunch (fwd)]',
  'a\tb',
  'a  b',
  '   spaces   ',
  'Re: [Fwd: invoice 7]',
]
const froms = [
  'Bob <bob@example.org>',
  '"Lee, Alice" <alice@example.net>',
  '=?utf-8?B?6rmA7ISc7Jew?= <seoyeon@naver.example>',
  'carol@example.org',
  'CAROL@example.org',
  'Zoë <zoe@example.org>',
  'dan@example.org (Dan D.)',
  '"" <nobody@example.org>',
  'root',
  'team: x@example.org, y@example.org;',
  'undisclosed-recipients:;',
  'éric <eric@example.org>',
]
const dates = (time: number) => [
  new Date(time).toUTCString().replace('GMT', '+0000'),
  new Date(time).toUTCString().replace('GMT', '+0900'),
  new Date(time).toUTCString().replace('GMT', '-0500'),
  new Date(time)
    .toUTCString()
    .replace('GMT', '+0000')
    .replace(/^\w+, /, ''),
]

function subject(): string {
  const kind = random()
  if (kind < 0.08) return pick(odd)
  return `${pick(prefixes)}${kind < 0.3 ? pick(encoded) : pick(words)}${pick(suffixes)}`
}

/** Message-IDs of earlier messages, of later ones, and of none. */
function id(of: number): string {
  return of % 11 === 0 ? `<"m${of}"@example.org>` : `<m${of}@example.org>`
}

function references(index: number): string {
  const kind = random()
  const other = () => id(kind < 0.3 ? below(count * 2) : Math.max(0, index - 1 - below(12)))
  if (kind < 0.25) return ''
  if (kind < 0.4) return `In-Reply-To: ${other()}\n`
  if (kind < 0.45) return `In-Reply-To: Your message of Monday ${other()} ${other()}\n`
  if (kind < 0.5) return `References: nonsense <broken\nIn-Reply-To: ${other()}\n`
  if (kind < 0.53) return `References: ${id(index)} ${other()}\n`
  if (kind < 0.56) return `References: ${other()} ${id(index)}\n`
  return `References: ${Array.from({ length: 1 + below(5) }, other).join(pick([' ', '\n ', '']))}\n`
}

function message(index: number, time: number): string {
  const named = random()
  const lines = [
    random() < 0.95 ? `Subject: ${subject()}\n` : '',
    random() < 0.95 ? `From: ${pick(froms)}\n` : '',
    random() < 0.8 ? `To: ${pick(froms)}${random() < 0.3 ? `, ${pick(froms)}` : ''}\n` : '',
    random() < 0.4 ? `Cc: ${pick(froms)}\n` : '',
    random() < 0.9
      ? `Date: ${pick(dates(time + below(7_200) * 1000))}\n`
      : random() < 0.5
        ? 'Date: yesterday\n'
        : '',
    named < 0.9 ? `Message-ID: ${id(index)}\n` : named < 0.94 ? `Message-ID: ${id(index - 1)}\n` : '',
    references(index),
  ]
  return `${lines.join('')}\n${'x'.repeat(below(300))}\n`
}

function fill(maildir: string): void {
  for (const part of ['cur', 'new', 'tmp']) mkdirSync(join(maildir, part), { recursive: true })
  for (let i = 0; i < count; i++) {
    const time = Date.UTC(2026, 0, 1) + i * 600_000
    const path = join(maildir, 'cur', `${time / 1000}.M${i}P1.host:2,S`)
    writeFileSync(path, message(i + 1, time))
    const arrival = new Date(Date.UTC(2026, 1, 1) + below(count) * 1000)
    utimesSync(path, arrival, arrival)
  }
}

const fields = ['ARRIVAL', 'CC', 'DATE', 'FROM', 'SIZE', 'SUBJECT', 'TO', 'DISPLAYFROM', 'DISPLAYTO']
const orders = [
  ...fields,
  ...fields.map(field => `REVERSE ${field}`),
  'SUBJECT DATE',
  'SUBJECT REVERSE DATE',
  'REVERSE SUBJECT REVERSE DATE',
  'FROM SUBJECT ARRIVAL',
  'TO CC REVERSE SIZE',
  'DISPLAYFROM REVERSE DISPLAYTO DATE',
]

const commands = [
  ...orders.flatMap(order => [`SORT (${order}) UTF-8 ALL`, `SORT (${order}) UTF-8 100:200 SUBJECT lunch`]),
  ...['ORDEREDSUBJECT', 'REFERENCES', 'REFS'].flatMap(algorithm =>
    ['ALL', '50:150', 'SUBJECT lunch'].map(criteria => `UID THREAD ${algorithm} UTF-8 ${criteria}`),
  ),
]

test('SORT and THREAD agree with Dovecot', { skip: noDovecot() }, async () => {
  const base = mkdtempSync(join(tmpdir(), 'postern-sort-'))
  chmodSync(base, 0o755)
  const stage = await imapStage()
  const maildir = join(base, 'alice', 'Maildir')
  fill(maildir)
  cpSync(maildir, join(stage.home, 'alice', 'Maildir'), { recursive: true, preserveTimestamps: true })
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
    for (const command of commands) {
      const [their, our] = await Promise.all([theirs.ok(command), ours.ok(command)])
      const told = (lines: readonly string[]) => lines.filter(line => /^(SORT|THREAD)/.test(line))
      assert.deepEqual(told(our), told(their), command)
    }
    theirs.close()
    ours.close()
  } finally {
    await dovecot.stop()
    await stage.close()
    rmSync(base, { recursive: true, force: true })
  }
})
