/** The program that sees messages first: a real one, of every way to answer and to fail. */
import assert from 'node:assert/strict'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { smtpdService } from '../../lib/command/smtpd.js'
import { type Running, startService } from '../support/service.js'
import { until } from '../support/world.js'

async function start(t: TestContext, script: string, more = ''): Promise<Running> {
  const directory = mkdtempSync(join(tmpdir(), 'postern-pipe-'))
  const path = join(directory, 'script')
  writeFileSync(path, script)
  const configuration = `[smtpd]\npipe = "sh ${path} ${directory}"\n${more}`
  const running = await startService(smtpdService(), { listener: 'tls = "off"\nauth = "off"', configuration })
  t.after(async () => {
    await running.close()
    rmSync(directory, { recursive: true })
  })
  return running
}

/** Sends a message. @returns the reply to it */
async function send(running: Running, text = 'Subject: x\r\n\r\nhello\r\n'): Promise<string> {
  const socket = connect(running.port, '127.0.0.1')
  let seen = ''
  socket.on('data', chunk => {
    seen += chunk
  })
  socket.write('HELO x\r\nMAIL FROM:<a@x.example>\r\nRCPT TO:<alice@ilnmors.internal>\r\nDATA\r\n')
  await until(() => /^354 /m.test(seen))
  socket.write(`${text}.\r\nQUIT\r\n`)
  await until(() => /^221 /m.test(seen))
  socket.destroy()
  return seen.split('\r\n').at(-3) ?? ''
}

function mailOf(running: Running, user: string): string[] {
  const directory = join(running.maildir(user), 'new')
  if (!existsSync(directory)) return []
  return readdirSync(directory).map(name => readFileSync(join(directory, name), 'utf8'))
}

test('it reads the message as it will be stored, and may add headers', async t => {
  const running = await start(
    t,
    `cat >$1/seen; printf '%s|%s|%s' "$SENDER" "$RECIPIENTS" "$CLIENT_ADDRESS" >$1/env
echo '{"action":"accept","headers":{"X-Spam":"no, grüße"}}'`,
  )
  assert.match(await send(running), /^250 /)
  const [mail = ''] = mailOf(running, 'alice')
  assert.match(mail, /^X-Spam: =\?utf-8\?/im)
  const directory =
    /sh \S+ (\S+)"/.exec(readFileSync(join(running.directory, 'mail.toml'), 'utf8'))?.[1] ?? ''
  const seen = readFileSync(join(directory, 'seen'), 'utf8')
  assert.match(seen, /^Received: [\s\S]*\nSubject: x\n\nhello\n$/)
  assert.ok(mail.endsWith(seen))
  assert.equal(readFileSync(join(directory, 'env'), 'utf8'), 'a@x.example|alice@ilnmors.internal|127.0.0.1')
})

const answers = [
  [`{"action":"reject","text":"Not this"}`, /^550 5\.7\.1 Not this$/],
  [`{"action":"reject","text":"Not now","temporary":true}`, /^451 4\.7\.1 Not now$/],
  [`{"action":"discard"}`, /^250 /],
  [`{"action":"redirect","to":"bob"}`, /^451 4\.3\.0 /],
  [`{"action":"redirect","to":["nobody@else.example"]}`, /^451 4\.3\.0 /],
  [`{"action":"accept","headers":{"X-A":1}}`, /^451 4\.3\.0 /],
  [`{"action":"accept","headers":{"X A":"1"}}`, /^451 4\.3\.0 /],
  [`{"action":"yes"}`, /^451 4\.3\.0 /],
  ['[]', /^451 4\.3\.0 /],
  ['accept', /^451 4\.3\.0 /],
  ['', /^451 4\.3\.0 /],
] as const
for (const [answer, reply] of answers)
  test(`an answer of ${answer || 'nothing'} leaves no message, and is told so`, async t => {
    const running = await start(t, `echo '${answer}'`)
    assert.match(await send(running), reply)
    assert.deepEqual(mailOf(running, 'alice'), [])
  })

test('it may give the message to somebody else', async t => {
  const running = await start(t, `echo '{"action":"redirect","to":["bob@ilnmors.internal"]}'`)
  assert.match(await send(running), /^250 /)
  assert.deepEqual(mailOf(running, 'alice'), [])
  assert.match(mailOf(running, 'bob')[0] ?? '', /\nDelivered-To: bob@/)
})

test('a status that is not 0 is a failure, whatever it says', async t => {
  const running = await start(t, `cat >/dev/null; echo '{"action":"accept"}'; echo broken >&2; exit 3`)
  assert.match(await send(running), /^451 4\.3\.0 /)
  assert.match(running.lines.join(''), /event=pipe-failed .*ended with 3: broken/)
})

test('a program that does not end is killed, with all it started', async t => {
  const running = await start(t, 'sleep 100 & sleep 100', 'pipe_timeout = "1s"')
  assert.match(await send(running), /^451 4\.3\.0 /)
  assert.match(running.lines.join(''), /event=pipe-failed .*no answer/)
})

test('what header checks add and what the program adds are both there; a large message passes whole', async t => {
  const checks =
    '[[smtpd.header_check]]\nheader = "Subject"\npattern = "x"\naction = "add"\nvalue = "X-Checked: yes"'
  const running = await start(
    t,
    `cat >/dev/null; echo '{"action":"accept","headers":{"X-Piped":"yes"}}'`,
    checks,
  )
  const line = `${'y'.repeat(70)}\r\n`
  assert.match(await send(running, `Subject: x\r\n\r\n${line.repeat(20_000)}`), /^250 /)
  const [mail = ''] = mailOf(running, 'alice')
  assert.match(mail, /^X-Checked: yes$/m)
  assert.match(mail, /^X-Piped: yes$/m)
  assert.ok(mail.endsWith(`\n\n${line.replace('\r', '').repeat(20_000)}`))
})
