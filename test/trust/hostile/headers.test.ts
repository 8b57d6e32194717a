// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the variables of Sieve look so
/** Line ends in all that comes to stand in a header field: no field is added, none is ended, no address is another. */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Service } from '../../../lib/command/service.js'
import { smtpdService } from '../../../lib/command/smtpd.js'
import { queuePlace } from '../../bin/queue-place.js'
import { World } from '../../deliver/world.js'
import { startService } from '../../support/service.js'
import { dialogue } from './talk.js'

/** What is to become a field, or the end of a header, wherever it is put. */
const line = 'X-Evil: 1'
const ends: Readonly<Record<string, string>> = {
  CRLF: '\r\n',
  LF: '\n',
  CR: '\r',
  'CRLF CRLF': '\r\n\r\n',
  'LF LF': '\n\n',
  'CR LF CR': '\r\n\r',
}

/** @returns the header of a message, which holds nothing else than fields, each begun by its name */
function headerOf(text: string): string {
  const end = /\r?\n\r?\n/.exec(text)
  assert.ok(end, 'there is no end of the header')
  const header = text.slice(0, end.index)
  assert.doesNotMatch(header.replaceAll('\r\n', '\n'), /[\0\r]/, 'a bare CR or a NUL')
  for (const field of header.split(/\r?\n/))
    assert.match(field, /^(?:[!-9;-~]+:|[ \t]+\S)/, `no field: ${field}`)
  return header
}

function assertHarmless(text: string): void {
  assert.doesNotMatch(headerOf(text), /^X-Evil/im)
}

const encoded = (text: string) => `=?utf-8?b?${Buffer.from(text).toString('base64')}?=`

/** A stranger's message that hides line ends wherever decoding finds them. */
const stranger = (end: string) =>
  [
    `From: "${encoded(`x${end}${line}`)}" ${encoded(`Ann${end}${line}`)} <ann@x.example>`,
    'To: alice@here.example',
    `Subject: ${encoded(`Hello${end}${line}${end}there`)}`,
    'Message-ID: <1@x.example>',
    `References: <a@x>\r${line}\r<b@x>`,
    '',
    'hello',
    '',
  ].join('\n')

const all = 'require ["variables", "vacation", "enotify", "reject", "ereject", "editheader", "envelope"];'
const taken =
  'if header :matches "subject" "*" { set "s" "${1}"; } if header :matches "from" "*" { set "f" "${1}"; }'

/** Every way of a script to put a text into mail; `EVIL` stands for what a script's own author may have in it. */
const scripts: Readonly<Record<string, string>> = {
  'vacation, by default': 'vacation "away";',
  'vacation :subject of the message': 'vacation :subject "${s}" "away";',
  'vacation :subject': 'vacation :subject "EVIL" "away";',
  'vacation :from': 'vacation :from "${f}" "away";',
  'vacation :handle': 'vacation :handle "EVIL${s}" "away";',
  'vacation, its reason': 'vacation "EVIL${s}";',
  'vacation :mime without a header': 'vacation :mime "EVIL";',
  'notify :message': 'notify :message "EVIL${s}" "mailto:bob@y.example";',
  'notify :from': 'notify :from "${f}" "mailto:bob@y.example";',
  'notify, its subject': 'notify "mailto:bob@y.example?subject=x%0D%0AX-Evil:%201";',
  'notify, a field': 'notify "mailto:bob@y.example?x-one=x%0D%0AX-Evil:%201";',
  'notify, its recipient': 'notify "mailto:bob%0D%0AX-Evil:1@y.example";',
  'notify, its body': 'notify "mailto:bob@y.example?body=%0D%0A%0D%0AX-Evil:%201";',
  'reject, its reason': 'reject "EVIL${s} ü";',
  'ereject, its reason': 'ereject "EVIL${s}";',
  'addheader, its value': 'addheader "X-One" "EVIL${s}";',
  'addheader :last': 'addheader :last "X-One" "${f}EVIL";',
  'addheader, its name': 'set "n" "X-Two${s}"; addheader "${n}" "x";',
  'redirect to what the message says': 'redirect "${s}";',
}

/** Those that change the message, or are refused: nothing is sent. */
const silent = /^(?:notify :from|notify, its recipient|addheader|redirect)/

for (const [what, script] of Object.entries(scripts))
  test(`a line end in a script's mail: ${what}`, async t => {
    for (const end of Object.values(ends)) {
      const world = new World(t)
      world.script('alice', `${all}\n${taken}\n${script.replaceAll('EVIL', `x${end}${line}${end}`)}`)
      // Of two recipients none can be refused alone: what is said is said by mail.
      await world.deliver(stranger(end), [world.to('alice'), world.to('bob')])
      assert.equal(world.sent.length, silent.test(what) ? 0 : 1)
      for (const { from, to, data } of world.sent) {
        assertHarmless(data.toString('latin1'))
        for (const address of [from, ...to]) assert.match(address, /^(?:[\x21-\x7e]+@[\x21-\x7e]+)?$/)
      }
      // What is kept may hold the stranger's bare CR, as it came: what was added is above it.
      for (const texts of Object.values(world.mail('alice')))
        for (const text of texts) assert.doesNotMatch(text.split('\n\n')[0] ?? '', /\nX-Evil/)
      assert.doesNotMatch(world.note('alice'), /^X-Evil/m)
      for (const logged of world.logged) assert.match(logged, /^[^\r\n]*\n$/)
    }
  })

/** Arguments of mail-send with a line end in them. */
const options: Readonly<Record<string, (evil: string) => readonly string[]>> = {
  '-F': evil => ['-F', `x${evil}`, 'b'],
  '-F beyond ASCII': evil => ['-F', `Grüße${evil}`, 'b'],
  '-f': evil => ['-f', `app@x.internal${evil}`, 'b'],
  '-f, quoted': evil => ['-f', `"app${evil}"@x.internal`, 'b'],
  'a recipient': evil => [`b@x.internal${evil}`],
  'a quoted recipient': evil => [`"b${evil}"@x.internal`],
  '-V': evil => ['-V', `id${evil}`, 'b'],
}

for (const [what, args] of Object.entries(options))
  test(`a line end in mail-send's arguments: ${what}`, t => {
    for (const end of ['\r\n', '\n', '\r', '\n\n']) {
      const place = queuePlace(t)
      const { status, stderr } = place.run('mail-send', args(`${end}${line}`), 'Subject: x\n\nhello\n')
      assert.doesNotMatch(stderr, /^X-Evil/m)
      assert.doesNotMatch(stderr, /\r/)
      if (status !== 0) {
        assert.ok(status === 64 || status === 65, `${status}: ${stderr}`)
        continue
      }
      const [entry = assert.fail()] = place.entries()
      assertHarmless(entry.message)
      const { sender, recipients } = entry.envelope
      for (const address of [sender, ...recipients.map(each => each.address)])
        assert.match(address, /^[\x20-\x7e]*$/)
    }
  })

/** What an SMTP client may name, and what is written above a message from it. */
const named: Readonly<Record<string, (evil: string) => readonly [helo: string, from: string, to: string]>> = {
  EHLO: evil => [`x${evil}`, '<>', '<alice@ilnmors.internal>'],
  'EHLO, in brackets': evil => [`[x${evil}]`, '<>', '<alice@ilnmors.internal>'],
  'MAIL FROM': evil => ['x', `<a${evil}@x.example>`, '<alice@ilnmors.internal>'],
  'MAIL FROM, quoted': evil => ['x', `<"a\\${evil}"@x.example>`, '<alice@ilnmors.internal>'],
  'a domain': evil => ['x', `<a@x.example${evil}>`, '<alice@ilnmors.internal>'],
  'RCPT TO, the detail': evil => ['x', '<>', `<"alice+${evil}"@ilnmors.internal>`],
}

test('a line end in what a client names is in nothing that is written above the message', async t => {
  const running = await startService(smtpdService() as Service, { listener: 'tls = "off"\nauth = "offered"' })
  t.after(running.close)
  const plain =
    'EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<alice@ilnmors.internal>\r\nDATA\r\nSubject: x\r\n\r\nx\r\n.\r\nQUIT\r\n'
  for (const says of Object.values(named))
    for (const end of ['\r', '\n', '\0', '\r\r', '\x0b', '\x0c', '\x85', '\x1b[2J']) {
      const [helo, from, to] = says(`${end}${line}${end}`)
      await dialogue(running.port, [
        `EHLO ${helo}\r\nMAIL FROM:${from}\r\nRCPT TO:${to}\r\nDATA\r\nSubject: x\r\n\r\nx\r\n.\r\nQUIT\r\n`,
      ])
    }
  // One is taken for certain.
  assert.match(await dialogue(running.port, [plain]), /^250 2\.0\.0/m)
  const folder = join(running.maildir('alice'), 'new')
  const files = readdirSync(folder)
  assert.ok(files.length > 0)
  for (const file of files) {
    const header = headerOf(readFileSync(join(folder, file), 'latin1'))
    assert.doesNotMatch(header, /^X-Evil/m)
    assert.doesNotMatch(header, /[\0-\x08\x0b-\x1f\x7f]/, header)
  }
  for (const logged of running.lines) assert.doesNotMatch(logged, /[\0-\x09\x0b-\x1f\x7f-\x9f]|\n./)
})
