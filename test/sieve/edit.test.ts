// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the variables of Sieve look so
/** Scripts that change the message: RFC 5293, RFC 5703 §5 and §6, programs. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { scanMessage } from '../../lib/message/structure.js'
import { compileScript } from '../../lib/sieve/compile.js'
import type { ProgramCall } from '../../lib/sieve/context.js'
import { runScripts, runScriptsAsync } from '../../lib/sieve/execute.js'
import { withSetting } from '../../lib/sieve/registry.js'
import { defaultSettings } from '../../lib/sieve/settings.js'
import { contextOf, describe, run } from './cases.js'

const plain = 'Received: by a; b\nFrom: a@b.example\nSubject: Hello\nTo: c@d.example\n\nBody\n'

function edited(script: string, message = plain): string {
  const outcome = run(script, message)
  assert.deepEqual(outcome.errors, [])
  return outcome.keep.message.octets.toString()
}

test('RFC 5293 §4: fields at the head and at the end, encoded and folded', () => {
  const script =
    'require "editheader"; addheader "X-One" "1"; addheader :last "X-Two" "zäz"; addheader "X-Long" "'
  const long = `${'word '.repeat(40)}end`
  const text = edited(`${script}${long}";`)
  const lines = text.split('\n\n')[0]?.split('\n') ?? []
  assert.match(text, /^X-Long: word/)
  assert.ok(lines.every(line => line.length <= 78))
  assert.match(text, /\nX-One: 1\nReceived: /)
  assert.match(text, /\nTo: c@d.example\nX-Two: =\?UTF-8\?[BQ]\?.*\?=\n\nBody\n$/)
})

test('a field ends its line as the message does', () => {
  const text = edited('require "editheader"; addheader "X-One" "1";', plain.replaceAll('\n', '\r\n'))
  assert.match(text, /^X-One: 1\r\nReceived: by a; b\r\n/)
})

test('a value of several lines is one field, whatever is in it', () => {
  const text = edited('require "editheader"; addheader "X-One" "1\r\n\r\nX-Evil: 2";')
  assert.match(text, /^X-One: 1 X-Evil: 2\nReceived/)
})

test('RFC 5293 §5: what is deleted, and what stays', () => {
  const message = `X-Hello: 1\nX-Hello: 2\nX-Hello: 3\n${plain}`
  const script = (commands: string) =>
    edited(`require "editheader"; ${commands}`, message).replace(/\n\n[\s\S]*/, '')
  assert.match(
    script('deleteheader :index 1 "X-Hello"; deleteheader :index 2 "x-hello";'),
    /^X-Hello: 2\nReceived/,
  )
  assert.match(script('deleteheader :index 1 :last "X-Hello";'), /^X-Hello: 1\nX-Hello: 2\nReceived/)
  assert.match(script('deleteheader :contains "X-Hello" ["2", "3"];'), /^X-Hello: 1\nReceived/)
  assert.match(
    script('deleteheader "Received"; deleteheader "Auto-Submitted"; deleteheader "subject";'),
    /Received: by a; b\nFrom: .*\nTo: /,
  )
})

test('RFC 5293 §4, §5: names and values that cannot be', () => {
  for (const command of [
    'addheader "X Y" "z"',
    'addheader "" "z"',
    'addheader "Ü" "z"',
    'deleteheader "a:b"',
    'deleteheader :last "x"',
    'deleteheader :index 0 "x"',
  ])
    assert.equal(run(`require "editheader"; ${command};`, plain).status, 'compile-error', command)
  const settings = withSetting(defaultSettings, 'editheader_max_header_size', '1024')
  assert.equal(
    run(`require "editheader"; addheader "X" "${'x'.repeat(2000)}";`, plain, { settings }).status,
    'runtime-error',
  )
})

test('RFC 5293 §7: each action keeps the message as it was then; after an error it is the original', () => {
  const script =
    'require ["editheader", "fileinto", "ihave"]; fileinto "a"; addheader "X-N" "1"; fileinto "b"; addheader "X-N" "2";'
  const outcome = run(script, plain)
  assert.deepEqual(
    outcome.actions.map(({ message }) => message.named('x-n').length),
    [0, 1],
  )
  assert.equal(outcome.keep.message.named('x-n').length, 2)
  assert.equal(run(`${script} error "x";`, plain).keep.message.edited, false)
})

const mixed = `From: a@b.example
Subject: Parts
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=o

--o
Content-Type: text/plain

one
--o
Content-Type: image/png
Content-Transfer-Encoding: base64

AAAA
--o
Content-Type: multipart/alternative; boundary=i

--i
Content-Type: text/html

<p>two
--i--
--o--
`

function types(text: string): string[] {
  const walk = (part: ReturnType<typeof scanMessage>): string[] => [
    `${part.type}/${part.subtype}`,
    ...part.parts.flatMap(walk),
  ]
  return walk(scanMessage(Buffer.from(text)))
}

test('RFC 5703 §5.1: attachments replaced by a line of text', () => {
  const script =
    'require ["foreverypart", "mime", "replace"]; foreverypart { if header :mime :type "content-type" "image" { replace "gone"; } elsif header :mime :subtype "content-type" "html" { replace :mime text:\nContent-Type: text/x-plain\n\nhtml was here\n.\n; } }'
  const text = edited(script, mixed)
  assert.deepEqual(types(text), [
    'multipart/mixed',
    'text/plain',
    'text/plain',
    'multipart/alternative',
    'text/x-plain',
  ])
  assert.match(text, /\n\ngone\n--o\n/)
  assert.match(text, /\n\none\n--o\n/)
})

test('what stands in a part that was replaced is not replaced again', () => {
  const script =
    'require ["foreverypart", "mime", "replace"]; foreverypart { if header :mime :type "content-type" "multipart" { if header :mime :subtype "content-type" "alternative" { replace "all of it"; } } elsif header :mime :subtype "content-type" "html" { replace "never"; } }'
  const text = edited(script, mixed)
  assert.match(text, /all of it/)
  assert.doesNotMatch(text, /never/)
})

test('RFC 5703 §5: the whole message replaced', () => {
  const script = 'require "replace"; replace :subject "New" :from "x@y.example" "Neuer Text: ä";'
  const text = edited(script, mixed)
  assert.deepEqual(types(text), ['text/plain'])
  assert.match(
    text,
    /^Subject: New\nOriginal-Subject: Parts\nFrom: x@y.example\nOriginal-From: a@b.example\nMIME-Version: 1.0\n/,
  )
  assert.match(text, /charset=utf-8[\s\S]*\n\nNeuer Text: ä$/)
})

test('RFC 5703 §6: enclose', () => {
  const text = edited(
    'require "enclose"; enclose :subject "Warning" :headers ["To", "X-None"] "Careful with this one.";',
    plain,
  )
  assert.deepEqual(types(text), ['multipart/mixed', 'text/plain', 'message/rfc822'])
  assert.match(
    text,
    /^To: c@d.example\nDate: .*\nFrom: me@example.org\nSubject: Warning\nMIME-Version: 1.0\n/,
  )
  const inner = scanMessage(Buffer.from(text)).parts[1]?.message
  assert.equal(inner?.header.first('subject'), 'Hello')
  assert.equal(
    describe(
      run(
        'require ["enclose", "fileinto"]; enclose "x"; if header :is "subject" "Hello" { fileinto "subject is kept"; }',
        plain,
      ),
    ),
    'store subject is kept',
  )
})

test('RFC 5703: errors of loops', () => {
  for (const script of [
    'break;',
    'foreverypart { break :name "x"; }',
    'extracttext "v";',
    'foreverypart :name "a" { foreverypart { foreverypart { foreverypart { foreverypart {} } } } }',
    'if header :anychild "a" "b" {}',
    'if header :type "a" "b" {}',
  ])
    assert.equal(
      run(`require ["foreverypart", "mime", "extracttext", "variables"]; ${script}`, plain).status,
      'compile-error',
      script,
    )
})

const programs = { ...defaultSettings, programs: true }

/** A program of the tests: writes its input in capitals; `fail` fails. */
function answer({ program, args, input }: ProgramCall): { ok: boolean; output: Buffer } {
  const text = `${args.join(' ')}${input?.toString() ?? ''}`
  return { ok: program !== 'fail', output: Buffer.from(text.toUpperCase()) }
}

const script =
  'require ["vnd.dovecot.execute", "vnd.dovecot.filter", "variables", "fileinto"]; execute :input "abc" :output "v" "upper"; fileinto "${v}"; if not execute :pipe "fail" "x" { fileinto "failed"; } if filter "upper" { fileinto "filtered"; } if header :contains "subject" "HELLO" { fileinto "changed"; } filter "fail";'

test('programs: what they write goes into variables, or becomes the message', () => {
  const outcome = run(script, plain, { settings: programs, program: answer })
  assert.equal(
    describe(outcome),
    'store ABC, store failed, store filtered, store changed, implicit keep'.replace(', implicit keep', ''),
  )
  assert.equal(outcome.keep.message.octets.toString(), plain.toUpperCase())
})

test('programs that take their time: the run goes on where it was', async () => {
  let calls = 0
  const program = async (call: ProgramCall) => {
    calls++
    return answer(call)
  }
  const context = contextOf({ settings: programs, program })
  const compiled = [compileScript({ name: 's', text: script }, programs)]
  const outcome = await runScriptsAsync(compiled, Buffer.from(plain), context)
  assert.equal(describe(outcome), 'store ABC, store failed, store filtered, store changed')
  assert.equal(calls, 4)
  assert.throws(() => runScripts(compiled, Buffer.from(plain), context), TypeError)
})

test('vnd.dovecot.pipe is an action like others', () => {
  const pipe = 'require ["vnd.dovecot.pipe", "copy"]; pipe :copy :try "archive" ["a", "b"];'
  const outcome = run(pipe, plain, { settings: programs })
  const [action] = outcome.actions
  assert.ok(action?.type === 'pipe')
  assert.deepEqual(
    [action.program, action.args, action.try, outcome.implicitKeep],
    ['archive', ['a', 'b'], true, true],
  )
  for (const name of ['../evil', '/bin/sh', '', '.hidden', 'a\nb'])
    assert.equal(
      run(`require "vnd.dovecot.pipe"; pipe "${name}";`, plain, { settings: programs }).status,
      'compile-error',
      name,
    )
  assert.equal(run('require "vnd.dovecot.pipe"; pipe "x";', plain).status, 'compile-error')
})
