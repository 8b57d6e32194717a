/** What extensions do that needs more of the world than a script and a message. */
// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the variables of Sieve look so
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Context } from '../../lib/sieve/context.js'
import { capabilities, withSetting } from '../../lib/sieve/registry.js'
import { defaultSettings, type Settings } from '../../lib/sieve/settings.js'
import { describe, run } from './cases.js'

const message = `From: "A Sender" <sender@example.net>
To: me+work@example.org
Subject: Hello
X-Spam: No, score=4.0 required=5.0
X-Stars: *****
X-Virus: clean

Body.
`

function settings(...changes: readonly string[]): Settings {
  return changes.reduce((made, change) => {
    const [key = '', value = ''] = change.split(/=(.*)/s)
    return withSetting(made, key, value)
  }, defaultSettings)
}

const mailboxes: Partial<Context> = {
  mailboxExists: name => ['INBOX', 'Partners', 'Old.Junk'].includes(name),
  specialUseExists: (mailbox, use) => use === '\\Junk' && (mailbox === undefined || mailbox === 'Old.Junk'),
  mailboxIdExists: id => id === 'F6352ae03',
  metadata: (mailbox, entry) =>
    new Map([
      ['INBOX /private/auto', 'on'],
      ['- /shared/motd', 'Hello'],
    ]).get(`${mailbox ?? '-'} ${entry}`),
  listExists: list => list === 'urn:ietf:params:sieve:addrbook:default',
  listHolds: (list, value) => list.endsWith(':default') && value === 'sender@example.net',
  listMembers: () => ['a@example.com', 'b@example.com'],
}

const table: readonly (readonly [
  what: string,
  script: string,
  expected: string,
  context?: Partial<Context>,
])[] = [
  [
    'RFC 5490 §3.1: mailboxexists',
    'require ["fileinto", "reject", "mailbox"]; if mailboxexists ["Partners", "INBOX"] { fileinto "Partners"; } if mailboxexists ["Partners", "No"] { fileinto "No"; }',
    'store Partners',
    mailboxes,
  ],
  [
    'RFC 5490 §3.3: metadata',
    'require ["mboxmetadata", "fileinto"]; if metadata :is "INBOX" "/private/auto" "on" { fileinto "on"; } if metadata :contains "INBOX" "/private/none" "" { fileinto "none"; } if metadataexists "INBOX" ["/private/auto"] { fileinto "there"; } if metadataexists "INBOX" ["/private/auto", "/private/none"] { fileinto "both"; }',
    'store on, store there',
    mailboxes,
  ],
  [
    'RFC 5490 §4: servermetadata',
    'require ["servermetadata", "fileinto", "variables"]; if servermetadata :matches "/shared/motd" "H*" { fileinto "${1}"; } if servermetadataexists "/shared/other" { fileinto "no"; }',
    'store ello',
    mailboxes,
  ],
  [
    'RFC 8579: special-use',
    'require ["special-use", "fileinto"]; if specialuse_exists "\\\\Junk" { fileinto "any"; } if specialuse_exists "Old.Junk" "\\\\Junk" { fileinto "this"; } if specialuse_exists ["\\\\Junk", "\\\\Sent"] { fileinto "both"; } if specialuse_exists "INBOX" "\\\\Junk" { fileinto "inbox"; }',
    'store any, store this',
    mailboxes,
  ],
  [
    'RFC 9042: mailboxidexists',
    'require ["mailboxid", "fileinto"]; if mailboxidexists "F6352ae03" { fileinto :mailboxid "F6352ae03" "INBOX"; } if mailboxidexists ["F6352ae03", "x"] { discard; }',
    'store INBOX',
    mailboxes,
  ],
  [
    'RFC 6134 §2.2: :list, and what it matched',
    'require ["extlists", "variables", "fileinto", "envelope"]; if address :list "from" ":addrbook:default" { fileinto "${0}"; } if envelope :list "from" "urn:ietf:params:sieve:addrbook:other" { fileinto "other"; } if address :list "to" ":addrbook:default" { fileinto "to"; }',
    'store sender@example.net',
    mailboxes,
  ],
  [
    'RFC 6134 §2.6, §2.7: redirect :list, valid_ext_list',
    'require "extlists"; if valid_ext_list [":addrbook:default"] { redirect :list ":addrbook:default"; } if valid_ext_list [":addrbook:default", ":addrbook:no"] { discard; }',
    'redirect a@example.com, redirect b@example.com',
    mailboxes,
  ],
  [
    'RFC 6134: a list that is not there',
    'require "extlists"; redirect :list ":addrbook:no";',
    'error',
    mailboxes,
  ],
  [
    'RFC 5235: a score, over the highest that the message tells',
    'require ["spamtestplus", "fileinto", "variables", "relational", "comparator-i;ascii-numeric"]; if spamtest :matches "*" { fileinto "${1}"; } if spamtest :percent :matches "*" { fileinto "${1}%"; } if spamtest :count "eq" :comparator "i;ascii-numeric" "1" { fileinto "tested"; }',
    'store 8, store 80%, store tested',
    {
      settings: settings(
        'sieve_spamtest_status_header=X-Spam: [a-zA-Z]+, score=(-?[0-9]+.[0-9]+)',
        'sieve_spamtest_max_header=X-Spam: .*required=(-?[0-9]+.[0-9]+)',
        'sieve_spamtest_status_type=score',
      ),
    },
  ],
  [
    'RFC 5235: a string as long as the score',
    'require ["spamtest", "fileinto", "variables"]; if spamtest :matches "*" { fileinto "${1}"; }',
    'store 5',
    {
      settings: settings(
        'spamtest_status_header=X-Stars',
        'spamtest_status_type=strlen',
        'spamtest_max_value=10',
      ),
    },
  ],
  [
    'RFC 5235 §3.3: virustest by words',
    'require ["virustest", "fileinto", "relational", "comparator-i;ascii-numeric"]; if virustest :value "eq" :comparator "i;ascii-numeric" "1" { fileinto "clean"; }',
    'store clean',
    {
      settings: settings(
        'virustest_status_header=X-Virus',
        'virustest_status_type=text',
        'virustest_text_value1=clean',
        'virustest_text_value5=infected',
      ),
    },
  ],
  [
    'RFC 7352: seen before',
    'require ["duplicate", "fileinto", "variables"]; if duplicate :header "subject" { fileinto "again"; } if duplicate :handle "h" :header "subject" { fileinto "no"; } if duplicate :uniqueid "Hello" { fileinto "same"; } if duplicate :seconds 0 :uniqueid "Hello" { fileinto "zero"; }',
    'store again, store same',
    { seenBefore: (handle, id) => handle === '' && id === 'Hello' },
  ],
  [
    'RFC 6785 §4.1: why a script runs in an IMAP server',
    'require ["imapsieve", "environment", "fileinto", "variables", "imap4flags"]; if allof (environment :is "imap.cause" "FLAG", environment :contains "imap.changedflags" "junk", environment "location" "MS", environment "phase" "post") { fileinto "flag"; } if environment :matches "imap.mailbox" "*" { fileinto "${1}"; } if hasflag "\\\\Seen" { fileinto "seen"; }',
    'store flag (\\seen), store INBOX (\\seen), store seen (\\seen)',
    {
      flags: ['\\Seen'],
      imap: {
        cause: 'FLAG',
        mailbox: 'INBOX',
        changedFlags: ['$Junk'],
        flags: ['\\Seen'],
        user: 'me',
        email: 'me@example.org',
      },
    },
  ],
  [
    'vnd.dovecot.environment: variables and items',
    'require ["vnd.dovecot.environment", "variables", "fileinto"]; fileinto "${env.vnd.dovecot.username} ${env.phase} ${env.nothing}."; if environment "vnd.dovecot.default-mailbox" "INBOX" { fileinto "default"; }',
    'store me@example.org during ., store default',
  ],
  [
    'RFC 6009: parts of the envelope that are no addresses',
    'require ["envelope-dsn", "envelope-deliverby", "fileinto", "variables"]; if envelope "notify" "FAILURE" { fileinto "notify"; } if envelope :matches "orcpt" "rfc822;*" { fileinto "${1}"; } if envelope "ret" "HDRS" { fileinto "ret"; } if envelope "bymode" "R" { fileinto "by"; } if envelope "envid" "x" { fileinto "envid"; }',
    'store notify, store me@first.example, store ret, store by',
    {
      envelope: {
        from: 'a@b.example',
        to: 'me@example.org',
        notify: 'SUCCESS,FAILURE',
        orcpt: 'rfc822;me@first.example',
        ret: 'HDRS',
        byMode: 'R',
      },
    },
  ],
  ['RFC 6131: seconds', 'require "vacation-seconds"; vacation :seconds 1800 "x";', 'vacation, implicit keep'],
  [
    'fcc and its tags need each other',
    'require ["vacation", "fcc", "imap4flags"]; vacation :flags "\\\\Seen" "x";',
    'error',
  ],
  [
    'a comparator that was not required',
    'require ["ihave", "fileinto"]; if ihave "comparator-i;unicode-casemap" { if header :comparator "i;unicode-casemap" "subject" "HELLO" { fileinto "x"; } }',
    'store x',
  ],
  [
    'RFC 5463 §4: an extension before its ihave was made',
    'require ["ihave", "fileinto", "variables"]; if string "a" "b" { if ihave "vacation" { stop; } } vacation "x";',
    'error',
  ],
  [
    'RFC 5463 §4: ihave cannot bring in variables',
    'require ["ihave", "fileinto"]; if ihave "variables" { discard; } else { fileinto "${a}"; }',
    'store ${a}',
  ],
  [
    'an extension that is switched off',
    'require "regex";',
    'error',
    { settings: settings('sieve_extensions=-regex') },
  ],
  [
    'only some extensions',
    'require ["fileinto", "copy"]; fileinto :copy "x";',
    'store x, implicit keep',
    { settings: settings('sieve_extensions=fileinto copy') },
  ],
  [
    'RFC 5293 §6: fields that may not be touched',
    'require ["editheader", "fileinto"]; addheader "X-New" "1"; deleteheader "x-virus"; deleteheader "subject"; if exists ["x-virus"] { fileinto "kept"; } if exists "x-new" { fileinto "added"; } if exists "subject" { fileinto "subject"; }',
    'store kept',
    { settings: settings('editheader_protected=x-new X-Virus subject') },
  ],
  [
    'another delimiter',
    'require ["subaddress", "envelope", "fileinto"]; if envelope :detail "to" "x" { fileinto "x"; }',
    'store x',
    { settings: settings('recipient_delimiter=-_'), envelope: { from: '', to: 'me_x@example.org' } },
  ],
]

for (const [what, script, expected, context] of table)
  test(what, () => {
    const outcome = run(script, message, context)
    assert.equal(describe(outcome), expected, outcome.errors.map(({ message }) => message).join('\n'))
  })

test('RFC 7352 §3: what is to be remembered, and not after an error', () => {
  const script =
    'require ["duplicate", "ihave"]; if duplicate :header "subject" :seconds 60 :last {} if duplicate :handle "h" :uniqueid "x" {} if duplicate {}'
  assert.deepEqual(run(script, message).duplicates, [
    { handle: '', id: 'Hello', seconds: 60, last: true },
    { handle: 'h', id: 'x', seconds: 604_800, last: false },
  ])
  assert.deepEqual(run(`${script} error "x";`, message).duplicates, [])
})

test('RFC 6009 §5, §6: what a redirect asks of the servers after us', () => {
  const script =
    'require ["redirect-dsn", "redirect-deliverby"]; redirect :notify "success,failure" :ret "full" :bytimerelative 600 :bymode "notify" :bytrace "a@b.example";'
  const [action] = run(script, message).actions
  assert.ok(action?.type === 'redirect')
  assert.equal(action.notify, 'SUCCESS,FAILURE')
  assert.equal(action.ret, 'FULL')
  assert.deepEqual(action.by, { time: '600', mode: 'N', trace: true })
  for (const wrong of [
    ':notify "sometimes"',
    ':ret "x"',
    ':bymode "x"',
    ':bytimeabsolute "soon"',
    ':bytimerelative 1 :bytimeabsolute "2026-01-01T00:00:00Z"',
  ])
    assert.equal(
      run(`require ["redirect-dsn", "redirect-deliverby"]; redirect ${wrong} "a@b.example";`, message).status,
      'compile-error',
      wrong,
    )
})

test('RFC 8580: where the copy of an answer goes', () => {
  const script =
    'require ["vacation", "fcc", "imap4flags", "mailbox", "special-use"]; vacation :fcc "Sent" :flags "\\\\Seen" :create :specialuse "\\\\Sent" "away";'
  const [action] = run(script, message).actions
  assert.ok(action?.type === 'vacation')
  assert.deepEqual(action.fcc, { mailbox: 'Sent', flags: ['\\Seen'], create: true, specialUse: '\\Sent' })
})

test('what require accepts, comparators included', () => {
  const names = capabilities(defaultSettings)
  for (const name of [
    'fileinto',
    'comparator-i;ascii-numeric',
    'vacation-seconds',
    'extlists',
    'enclose',
    'spamtestplus',
  ])
    assert.ok(names.includes(name), name)
  assert.ok(!names.includes('vnd.dovecot.pipe'), 'no programs without a folder of them')
  assert.ok(capabilities({ ...defaultSettings, programs: true }).includes('vnd.dovecot.pipe'))
  assert.deepEqual(names, [...names].sort())
  for (const name of names) assert.deepEqual(run(`require "${name}";`, message).errors, [], name)
})

test('settings that are none, or cannot be so', () => {
  for (const change of [
    'nothing=1',
    'max_actions=many',
    'vacation_min_period=soon',
    'spamtest_status_type=x',
    'vacation_send_from_recipient=perhaps',
  ])
    assert.throws(() => settings(change), /setting|must be/)
})
