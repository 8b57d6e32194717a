// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the variables of Sieve look so
/** What scripts send, and when they must not. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Composed } from '../../lib/sieve/compose/compose.js'
import { compose } from '../../lib/sieve/compose/compose.js'
import type { Context } from '../../lib/sieve/context.js'
import { FieldSet, Version } from '../../lib/sieve/message.js'
import { withSetting } from '../../lib/sieve/registry.js'
import { defaultSettings, type Settings } from '../../lib/sieve/settings.js'
import { contextOf, run } from './cases.js'

function settings(...changes: readonly string[]): Settings {
  return changes.reduce(
    (made, change) => {
      const [key = '', value = ''] = change.split(/=(.*)/s)
      return withSetting(made, key, value)
    },
    withSetting(defaultSettings, 'hostname', 'mail.example.org'),
  )
}

/** Runs a script and composes all that it sends. */
function send(script: string, message: string, given: Partial<Context> = {}): Composed[] {
  const context = { settings: settings(), ...given }
  const outcome = run(script, message, context)
  assert.deepEqual(outcome.errors, [])
  const told = new Set<string>()
  return outcome.actions.map(action => compose(action, contextOf(context), { unique: 'unique.1' }, told))
}

/** The one message that is sent, taken apart. */
function sent(composed: readonly Composed[]): {
  from: string
  to: readonly string[]
  version: Version
  text: string
  header: (name: string) => string | undefined
} {
  const all = composed.flatMap(each => each.sent)
  assert.equal(all.length, 1, JSON.stringify(composed.map(each => each.refused)))
  const [{ from, to, data }] = all as [(typeof all)[0]]
  assert.doesNotMatch(data.toString('latin1'), /[^\r]\n/, 'lines end in CRLF')
  const version = Version.of(data)
  return {
    from,
    to,
    version,
    text: version.body?.toString() ?? '',
    header: name => version.named(name)[0]?.value,
  }
}

const plain =
  'From: Timo <timo@example.net>\nTo: me@example.org\nSubject: Frop\nMessage-ID: <1@example.net>\n\nx\n'
const away = 'require "vacation"; vacation "I am gone";'

test('RFC 5230 §5: the answer of vacation', () => {
  const answer = sent(send(away, plain))
  assert.equal(answer.from, '')
  assert.deepEqual(answer.to, ['sender@example.net'])
  assert.equal(answer.header('from'), 'me@example.org')
  assert.equal(answer.header('to'), '<sender@example.net>')
  assert.equal(answer.header('subject'), 'Auto: Frop')
  assert.equal(answer.header('auto-submitted'), 'auto-replied (vacation)')
  assert.equal(answer.header('in-reply-to'), '<1@example.net>')
  assert.equal(answer.header('references'), '<1@example.net>')
  assert.equal(answer.header('message-id'), '<unique.1@mail.example.org>')
  assert.equal(answer.header('date'), 'Tue, 3 Mar 2026 12:00:00 +0000')
  assert.equal(answer.text, 'I am gone\r\n')
})

test('RFC 5230 §5.3, §4.3: subjects', () => {
  const subject = (script: string, message = plain, ...changes: string[]) =>
    sent(send(script, message, { settings: settings(...changes) })).header('subject')
  assert.equal(subject('require "vacation"; vacation :subject "Grüße" "x";'), 'Grüße')
  assert.equal(subject(away, plain.replace(/^Subject.*\n/m, '')), 'Automated reply')
  assert.equal(subject(away, plain.replace('Frop', '=?utf-8?q?J=C3=BCrgen?=')), 'Auto: Jürgen')
  assert.equal(subject(away, plain, 'vacation_max_subject_codepoints=7'), 'Auto: F')
  assert.equal(subject(away, plain, 'vacation_default_subject_template=Weg: %$ ($&)'), 'Weg: Frop ($&)')
  const { version } = sent(send('require "vacation"; vacation :subject "Grüße" "x";', plain))
  assert.match(version.named('subject')[0]?.raw.toString() ?? '', /^Subject: =\?UTF-8\?/)
  assert.equal(
    subject(
      'require ["vacation", "variables"]; set "a" "x\r\nBcc: evil@example.com"; vacation :subject "${a}" "y";',
    ),
    'x Bcc: evil@example.com',
  )
})

test('RFC 5230 §5.8: references are gone on with', () => {
  const references = (more: string) => sent(send(away, more + plain)).header('references')
  assert.equal(references('References: <a@x>\n <b@x>\n'), '<a@x> <b@x> <1@example.net>')
  assert.equal(references('In-Reply-To: <a@x>\n'), '<a@x> <1@example.net>')
  assert.equal(references('In-Reply-To: <a@x> <b@x>\n'), '<1@example.net>')
  const many = Array.from({ length: 200 }, (_, i) => `<${i}@x>`)
  const kept = references(`References: ${many.join('\n ')}\n`)?.split(' ') ?? []
  assert.deepEqual([kept[0], kept.at(-1), kept.length], ['<0@x>', '<1@example.net>', 50])
})

test('RFC 5230 §4.4: a MIME entity as the answer', () => {
  const script = `require "vacation"; vacation :mime text:
Content-Type: multipart/alternative; boundary=foo

--foo

I'm at the beach relaxing.  Mmmm, surf...

--foo
Content-Type: text/html; charset=us-ascii

<HTML></HTML>
--foo--
.
;`
  const { version } = sent(send(script, plain))
  assert.equal(version.structure.subtype, 'alternative')
  assert.equal(version.structure.parts.length, 2)
  const forgotten = sent(send('require "vacation"; vacation :mime "no header at all";', plain))
  assert.equal(forgotten.text, 'no header at all\r\n')
})

test('texts that mail cannot carry as they are', () => {
  const umlauts = sent(send('require "vacation"; vacation "Ich bin weg. Grüße";', plain))
  assert.equal(umlauts.header('content-type'), 'text/plain; charset=utf-8')
  assert.equal(umlauts.text, 'Ich bin weg. Grüße\r\n')
  const long = sent(send(`require "vacation"; vacation "${'lang '.repeat(500)}";`, plain))
  assert.equal(long.header('content-transfer-encoding'), 'quoted-printable')
  assert.ok(long.text.split('\r\n').every(line => line.length <= 76))
})

/** Messages and envelopes that must not be answered. */
const quiet: readonly (readonly [
  what: string,
  script: string,
  message: string,
  context?: Partial<Context>,
])[] = [
  ['a bounce', away, plain, { envelope: { from: '', to: 'me@example.org' } }],
  ['a bounce, written otherwise', away, plain, { envelope: { from: '<>', to: 'me@example.org' } }],
  ['oneself', away, plain, { envelope: { from: 'me@example.org', to: 'me@example.org' } }],
  ['another address of oneself', 'require "vacation"; vacation :addresses "sender@example.net" "x";', plain],
  ['a known address of oneself', away, plain, { addresses: ['Sender@Example.net'] }],
  ['a list', away, `List-ID: <l.example.com>\n${plain}`],
  ['a list that can be left', away, `List-Unsubscribe: <mailto:x@example.com>\n${plain}`],
  ['bulk', away, `Precedence: bulk\n${plain}`],
  ['a machine', away, `Auto-Submitted: auto-generated\n${plain}`],
  ['a machine, with a comment', away, `Auto-Submitted: auto-replied (vacation)\n${plain}`],
  ['who asks for no answer', away, `X-Auto-Response-Suppress: DR, OOF, AutoReply\n${plain}`],
  ['spam', away, `X-Spam-Flag: YES\n${plain}`],
  ['MAILER-DAEMON', away, plain, { envelope: { from: 'MAILER-DAEMON@example.net', to: 'me@example.org' } }],
  ['-request', away, plain, { envelope: { from: 'list-request@example.net', to: 'me@example.org' } }],
  ['owner-', away, plain, { envelope: { from: 'owner-list@example.net', to: 'me@example.org' } }],
  ['noreply', away, plain, { envelope: { from: 'no-reply@example.net', to: 'me@example.org' } }],
  ['what was not addressed to the user', away, plain.replace('To: me', 'To: all')],
  [
    'the original recipient, without the setting',
    away,
    plain.replace('To: me', 'To: all'),
    { envelope: { from: 'sender@example.net', to: 'me@example.org', originalTo: 'all@example.org' } },
  ],
  ['a sender that is no address', away, plain, { envelope: { from: 'a b@c', to: 'me@example.org' } }],
]

for (const [what, script, message, context] of quiet)
  test(`RFC 5230 §4.5, §4.6: no answer to ${what}`, () => {
    const [composed] = send(script, message, context)
    assert.deepEqual(composed?.sent, [])
    assert.ok(composed?.refused)
  })

const answered: readonly (readonly [
  what: string,
  script: string,
  message: string,
  context?: Partial<Context>,
])[] = [
  ['one in Cc', away, plain.replace('To: me', 'To: all@example.org\nCc: ME')],
  [
    'one in a group',
    away,
    plain.replace('To: me@example.org', 'To: Team: x@y.example, "Me" <me@example.org>;'),
  ],
  ['Auto-Submitted: no', away, `Auto-Submitted: no\nPrecedence: normal\n${plain}`],
  [
    ':addresses',
    'require "vacation"; vacation :addresses "all@example.org" "x";',
    plain.replace('To: me', 'To: all'),
  ],
  [
    'the original recipient, by a setting',
    away,
    plain.replace('To: me', 'To: all'),
    {
      settings: settings('vacation_use_original_recipient=yes'),
      envelope: { from: 'sender@example.net', to: 'me@example.org', originalTo: 'all@example.org' },
    },
  ],
  [
    'anybody, by a setting',
    away,
    plain.replace('To: me', 'To: all'),
    { settings: settings('vacation_dont_check_recipient=yes') },
  ],
]

for (const [what, script, message, context] of answered)
  test(`RFC 5230 §4.5: an answer to ${what}`, () =>
    assert.equal(sent(send(script, message, context)).from, ''))

test('RFC 5230 §4.2: what is the same answer', () => {
  const key = (script: string, from = 'sender@example.net', subject = 'a') =>
    send(`require ["vacation", "variables"]; ${script}`, plain.replace('Frop', subject), {
      envelope: { from, to: 'me@example.org' },
    })[0]?.remember?.key
  const one = key('vacation "x";')
  assert.equal(key('vacation "x";'), one)
  assert.equal(key('vacation :days 3 :addresses "z@y.example" "x";'), one)
  assert.equal(key('vacation "x";', 'SENDER@example.net'), one)
  assert.notEqual(key('vacation "x";', 'other@example.net'), one)
  assert.notEqual(key('vacation "y";'), one)
  assert.notEqual(key('vacation :subject "x" "x";'), one)
  assert.notEqual(key('vacation :mime "x";'), one)
  const expanded =
    'if header :matches "subject" "*" { vacation :subject "Automatic response to: ${1}" "away"; }'
  assert.equal(key(expanded, undefined, 'lunch'), key(expanded, undefined, 'dinner'))
  assert.equal(key('vacation :handle "ran-away" "a";'), key('vacation :handle "ran-away" "b";'))
})

test('RFC 5230 §4.1, RFC 6131: how long an answer is remembered', () => {
  const period = (script: string, ...changes: string[]) =>
    send(`require "vacation-seconds"; ${script}`, plain, { settings: settings(...changes) })[0]?.remember
      ?.period
  assert.equal(period('vacation "x";'), 7 * 86_400)
  assert.equal(period('vacation :days 0 "x";'), 86_400)
  assert.equal(period('vacation :days 3 "x";'), 3 * 86_400)
  assert.equal(period('vacation :days 365 "x";', 'vacation_max_period=30d'), 30 * 86_400)
  assert.equal(period('vacation :seconds 1800 "x";'), 1800)
  assert.equal(period('vacation :seconds 0 "x";'), 0)
  assert.equal(period('vacation :seconds 10 "x";', 'vacation_min_period=1h'), 3600)
})

test('RFC 5429: a refusal as a message of its own', () => {
  const refusal = sent(send('require "reject"; reject "No birdseed, please";', `Received: by x; y\n${plain}`))
  assert.deepEqual([refusal.from, refusal.to], ['', ['sender@example.net']])
  assert.match(refusal.header('from') ?? '', /^Mail Delivery Subsystem <postmaster@mail.example.org>$/)
  const { parts, parameters, subtype } = refusal.version.structure
  assert.equal(subtype, 'report')
  assert.ok(parameters.some(({ value }) => value === 'disposition-notification'))
  assert.deepEqual(
    parts.map(({ type, subtype }) => `${type}/${subtype}`),
    ['text/plain', 'message/disposition-notification', 'text/rfc822-headers'],
  )
  assert.match(refusal.text, /No birdseed, please/)
  assert.match(refusal.text, /Disposition: automatic-action\/MDN-sent-automatically; deleted/)
  assert.match(refusal.text, /Final-Recipient: rfc822; me@example.org/)
  assert.match(refusal.text, /Received: by x; y/)
  const report = sent(send('require "ereject"; ereject "no";', plain))
  assert.match(report.text, /Status: 5\.7\.1/)
  assert.deepEqual(
    send('require "reject"; reject "no";', plain, { envelope: { from: '', to: 'me@example.org' } })[0]?.sent,
    [],
  )
})

const knitting = `Received: from mail.example.com by mail.example.org
  for <recipient@example.org>; Wed, 7 Dec 2005 05:08:02 -0500
Message-ID: <1234567.89ABCDEF@example.com>
Precedence: list
List-Id: Knitting Mailing List <knitting.example.com>
From: "Jeff Smith" <jeff@hobbies.example.com>
To: "Knitting Mailing List" <knitting@example.com>
Subject: [Knitting] A new sweater

I just finished a great new sweater!
`

test('RFC 5436 §3: the example', () => {
  const script = `require ["enotify", "variables"];
    if header :contains "list-id" "knitting.example.com" {
      if header :matches "Subject" "[*] *" {
        notify :message "From \${1} list: \${2}" :importance "3"
            "mailto:0123456789@sms.example.net?to=backup@example.com";
      }
    }`
  const composed = send(script, knitting, {
    envelope: { from: 'knitting-bounces@example.com', to: 'recipient@example.org' },
  })
  const all = composed.flatMap(({ sent }) => sent)
  assert.deepEqual(
    all.map(({ to }) => to),
    [['0123456789@sms.example.net'], ['backup@example.com']],
  )
  const version = Version.of(all[0]?.data ?? Buffer.alloc(0))
  const value = (name: string) => version.named(name)[0]?.value
  assert.equal(value('auto-submitted'), 'auto-notified; owner-email="recipient@example.org"')
  assert.equal(value('from'), 'recipient@example.org')
  assert.equal(value('to'), '0123456789@sms.example.net, backup@example.com')
  assert.equal(value('subject'), 'From Knitting list: A new sweater')
  assert.equal(value('x-priority'), '5 (Low)')
  assert.ok(version.header instanceof FieldSet)
})

test('RFC 5436 §2.7: who is told, and as whom', () => {
  const all = (script: string, from = 'sirius@example.org', message = plain) =>
    send(`require "enotify"; ${script}`, message, { envelope: { from, to: 'me@example.org' } }).flatMap(
      ({ sent }) => sent,
    )
  assert.deepEqual(
    all('notify "mailto:a@b.example";').map(({ from }) => from),
    ['postmaster@mail.example.org'],
  )
  assert.deepEqual(
    all('notify :from "me@example.org" "mailto:a@b.example";').map(({ from }) => from),
    ['me@example.org'],
  )
  assert.deepEqual(
    all('notify :from "me@example.org" "mailto:a@b.example";', '').map(({ from }) => from),
    [''],
  )
  assert.deepEqual(
    all('notify "mailto:a@b.example";', 'x@y.example', `Auto-Submitted: auto-notified\n${plain}`),
    [],
  )
  const twice = all(
    'notify "mailto:a@b.example%2cc@d.example?cc=c@d.example"; notify "mailto:e@f.example?cc=a@b.example";',
  )
  assert.deepEqual(
    twice.map(({ to }) => to[0]),
    ['a@b.example', 'c@d.example', 'e@f.example'],
  )
  const [fields] = all(
    'notify "mailto:a@b.example?subject=Hi%20there&body=One%0ATwo&x-thing=1&from=evil@example.com&Received=x&auto-submitted=no";',
  )
  const version = Version.of(fields?.data ?? Buffer.alloc(0))
  assert.equal(version.named('subject')[0]?.value, 'Hi there')
  assert.equal(version.named('x-thing')[0]?.value, '1')
  assert.deepEqual([version.named('received').length, version.named('from').length], [0, 1])
  assert.equal(version.body?.toString(), 'One\r\nTwo\r\n')
})

test('RFC 5435 §3.2: methods that are wrong are errors when the script runs, and warned of before', () => {
  for (const method of [
    'xmpp:tim@example.com',
    'mailto:',
    'mailto:a b@c.example',
    'nonsense',
    'mailto:a@b.example?x',
    'mailto:%zz@b.example',
    'mailto:not-an-address',
  ]) {
    const outcome = run(`require "enotify"; notify "${method}";`, plain)
    assert.equal(outcome.status, 'runtime-error', method)
    assert.equal(outcome.warnings.length, 1, method)
  }
})

test('RFC 5228 §4.2: a redirect is the message as it is, and something that says so', () => {
  const forward = sent(send('redirect "cras@example.net";', plain))
  assert.deepEqual([forward.from, forward.to], ['sender@example.net', ['cras@example.net']])
  assert.equal(forward.header('x-sieve-redirected-from'), 'me@example.org')
  assert.ok(forward.version.octets.toString().endsWith(plain.replaceAll('\n', '\r\n')))
})

test('RFC 5228 §4.2: the envelope sender of a redirect', () => {
  const from = (wanted: string, sender = 'sirius@example.org', more: string[] = []) =>
    sent(
      send('redirect "cras@example.net";', plain, {
        settings: settings(`sieve_redirect_envelope_from=${wanted}`, ...more),
        envelope: { from: sender, to: 'timo@example.net', originalTo: 'tss@example.net' },
      }),
    ).from
  assert.equal(from('sender'), 'sirius@example.org')
  assert.equal(from(' recipient '), 'timo@example.net')
  assert.equal(from('orig_recipient '), 'tss@example.net')
  assert.equal(from('< backscatter@example.net> '), 'backscatter@example.net')
  assert.equal(from('<>'), '')
  assert.equal(from('user_email'), 'timo@example.net')
  assert.equal(from('user_email', 'a@b.example', ['sieve_user_email=t@example.net']), 't@example.net')
  assert.equal(from('postmaster'), 'postmaster@mail.example.org')
  assert.equal(from('<backscatter@example.net>', '<>'), '')
})

test('RFC 5228 §4.2: a message that goes in circles is not sent on', () => {
  const [composed] = send('redirect "cras@example.net";', `X-Sieve-Redirected-From: ME@example.org\n${plain}`)
  assert.equal(composed?.error, true)
  const [far] = send('redirect "cras@example.net";', 'Received: by x; y\n'.repeat(60) + plain)
  assert.match(far?.refused ?? '', /60 servers/)
})

test('RFC 5293 §7, RFC 5703 §6: what is sent is the message as edited, answers are to the original', () => {
  const script =
    'require ["editheader", "enclose", "vacation", "copy"]; deleteheader "Message-ID"; addheader "X-New" "1"; redirect :copy "a@b.example"; enclose :subject "wrapped" "text"; redirect "c@d.example"; vacation "x";'
  const [first, second, answer] = send(script, plain).flatMap(({ sent }) => sent)
  assert.match(first?.data.toString() ?? '', /X-New: 1\r\n/)
  assert.doesNotMatch(second?.data.toString() ?? '', /wrapped/)
  assert.match(answer?.data.toString() ?? '', /In-Reply-To: <1@example.net>/)
})

test('vnd.dovecot.report: RFC 5965', () => {
  const script = (tag: string) =>
    `require "vnd.dovecot.report"; report ${tag} "abuse" "This is spam." "abuse@example.com";`
  const report = sent(send(script(''), plain))
  assert.deepEqual(
    report.version.structure.parts.map(({ type, subtype }) => `${type}/${subtype}`),
    ['text/plain', 'message/feedback-report', 'message/rfc822'],
  )
  assert.match(report.text, /Feedback-Type: abuse\r\n/)
  const headers = sent(send(script(':headers_only'), plain))
  assert.equal(headers.version.structure.parts[2]?.subtype, 'rfc822-headers')
  assert.equal(run(script('').replace('abuse"', 'love"'), plain).status, 'compile-error')
})
