/** mail-relay as it is run: a daemon and its signals, --once, killed in the middle, fed by mail-smtpd. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { createServer } from 'node:http'
import { connect } from 'node:net'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { Queue } from '../../lib/queue/queue.js'
import { Sink, type SinkOptions } from '../relay/sink.js'
import { commandPath, Program } from '../support/program.js'
import { until } from '../support/world.js'
import { queuePlace } from './queue-place.js'

const message = 'From: root@pve.x.internal\nSubject: x\n\nhello\n'

async function open(t: TestContext, options: SinkOptions = {}) {
  const sink = await Sink.start(options)
  t.after(() => sink.close())
  const place = queuePlace(t, `host = "127.0.0.1:${sink.port}"\ntls = "off"\nfrom = "me@gmail.com"\n`)
  return { sink, place }
}

test('the daemon takes up what mail-send leaves, rewrites the sender, delivers what is local, and ends on SIGTERM', async t => {
  const { sink, place } = await open(t)
  const program = await Program.start('mail-relay', place.config)
  t.after(() => program.stop('SIGKILL'))
  assert.equal(place.run('mail-send', ['-f', 'root@x.internal', 'a@example.org', 'far'], message).status, 0)
  await until(() => sink.received.length === 2)
  const sent = sink.received.map(({ recipients }) => recipients.join()).sort()
  assert.deepEqual(sent, ['RCPT TO:<a@example.org>', 'RCPT TO:<far@example.org>'])
  for (const { mail, text } of sink.received) {
    assert.match(mail, /^MAIL FROM:<me@gmail\.com>/)
    assert.match(text, /^From: "root@pve\.x\.internal" <me@gmail\.com>\r$/m)
    assert.match(text, /^Reply-To: root@pve\.x\.internal\r$/m)
  }
  await until(() => place.entries().length === 0)
  const [mine = ''] = place.inbox('alice')
  assert.match(mine, /^Return-Path: <root@x\.internal>\nDelivered-To: alice@x\.internal\n/)
  assert.match(mine, /^From: root@pve\.x\.internal$/m)
  assert.equal(await program.stop(), 0)
})

test('SIGHUP tries at once what waits for its time', async t => {
  let later = true
  const { sink, place } = await open(t, {
    answer: line => (later && /^RCPT/.test(line) ? '450 4.2.1 later' : undefined),
  })
  assert.equal(place.run('mail-send', ['a@example.org'], message).status, 0)
  const program = await Program.start('mail-relay', place.config)
  t.after(() => program.stop('SIGKILL'))
  await until(() => place.entries()[0]?.envelope.recipients[0]?.attempts === 1)
  later = false
  program.child.kill('SIGHUP')
  await until(() => sink.received.length === 1)
  await program.stop()
})

test('mail-queue retry wakes a server that rests', async t => {
  const sink = await Sink.start()
  const { port } = sink
  await sink.close()
  const place = queuePlace(t, `host = "127.0.0.1:${port}"\ntls = "off"\n`)
  assert.equal(place.run('mail-send', ['a@example.org'], message).status, 0)
  const program = await Program.start('mail-relay', place.config)
  t.after(() => program.stop('SIGKILL'))
  await until(() => /event=destination-unreachable/.test(program.log))
  assert.match(
    place.run('mail-queue', ['list']).stdout,
    new RegExp(`^127\\.0\\.0\\.1:${port} rests until .*ECONNREFUSED`, 'm'),
  )
  const back = await Sink.start({}, port)
  t.after(() => back.close())
  assert.equal(place.run('mail-queue', ['retry', 'all']).status, 0)
  await until(() => back.received.length === 1)
  await program.stop()
})

test('--once sends what is due; --all the rest too', async t => {
  let later = true
  const { sink, place } = await open(t, {
    answer: line => (later && /^RCPT/.test(line) ? '450 4.2.1 later' : undefined),
  })
  assert.equal(place.run('mail-send', ['a@example.org'], message).status, 0)
  const run = async (...args: string[]) => assert.equal((await place.runBeside('mail-relay', args)).status, 0)
  await run('--once')
  later = false
  await run('--once')
  assert.equal(sink.received.length, 0)
  await run('--once', '--all')
  assert.equal(sink.received.length, 1)
})

test('killed with messages under way: the next one sends each of the others once', async t => {
  const { sink, place } = await open(t)
  const count = 20
  for (let i = 0; i < count; i++) place.run('mail-send', [`r${i}@example.org`], message)
  const first = await Program.start('mail-relay', place.config)
  await until(() => sink.received.length >= 3)
  await first.stop('SIGKILL')
  const second = await Program.start('mail-relay', place.config)
  t.after(() => second.stop('SIGKILL'))
  await until(() => place.entries().length === 0)
  const times = new Map<string, number>()
  for (const { recipients } of sink.received)
    for (const each of recipients) times.set(each, (times.get(each) ?? 0) + 1)
  assert.equal(times.size, count)
  const doubled = [...times.values()].filter(each => each > 1).length
  assert.ok(doubled <= 2, `${doubled} doubled, and no more than two connections were under way`)
  await second.stop()
})

test('mail-smtpd, the queue, mail-relay, a smarthost: one message from end to end, its bounce back to the sender', async t => {
  const sink = await Sink.start({
    extensions: ['PIPELINING', 'SIZE 10000000', 'DSN'],
    answer: line => (/none@/.test(line) ? '550 5.1.1 no such user' : undefined),
  })
  t.after(() => sink.close())
  const place = queuePlace(
    t,
    `host = "127.0.0.1:${sink.port}"\ntls = "off"\nfrom = "me@gmail.com"\n`,
    '[[smtpd.listen]]\naddress = "127.0.0.1:0"\ntls = "off"\nauth = "off"\n',
  )
  const smtpd = await Program.start('mail-smtpd', place.config)
  t.after(() => smtpd.stop('SIGKILL'))
  const relay = await Program.start('mail-relay', place.config)
  t.after(() => relay.stop('SIGKILL'))
  const socket = connect(smtpd.ports('smtpd')[0] as number, '127.0.0.1')
  let said = ''
  socket.on('data', chunk => {
    said += chunk
  })
  const session = [
    'EHLO pve',
    'MAIL FROM:<alice@x.internal> RET=HDRS ENVID=QQ+2B1',
    'RCPT TO:<a@example.org> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;First+2B1@example.org',
    'RCPT TO:<none@example.org> NOTIFY=FAILURE',
    'DATA',
  ]
  socket.write(session.map(line => `${line}\r\n`).join(''))
  await until(() => /^354 /m.test(said))
  socket.write('From: alice@x.internal\r\nSubject: x\r\n\r\nhello\r\n.\r\nQUIT\r\n')
  await once(socket, 'close')
  assert.match(said, /^221 /m)
  await until(() => sink.received.length === 1 && place.entries().length === 0)
  const [bounce = ''] = place.inbox('alice')
  assert.match(bounce, /Final-Recipient: rfc822; none@example\.org\nAction: failed\nStatus: 5\.1\.1/)
  assert.match(bounce, /^Original-Envelope-Id: QQ\+1$/m)
  const commands = sink.commands.join('\n')
  assert.match(commands, /^MAIL FROM:<me@gmail\.com> .*RET=HDRS ENVID=QQ\+2B1$/m)
  assert.match(
    commands,
    /^RCPT TO:<a@example\.org> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;First\+2B1@example\.org$/m,
  )
  assert.match(commands, /^RCPT TO:<none@example\.org> NOTIFY=FAILURE$/m)
  await smtpd.stop()
  await relay.stop()
})

test('mail for others is refused where there is no relay', async t => {
  const place = queuePlace(
    t,
    undefined,
    '[[smtpd.listen]]\naddress = "127.0.0.1:0"\ntls = "off"\nauth = "off"\n',
  )
  const smtpd = await Program.start('mail-smtpd', place.config)
  t.after(() => smtpd.stop('SIGKILL'))
  const socket = connect(smtpd.ports('smtpd')[0] as number, '127.0.0.1')
  let said = ''
  socket.on('data', chunk => {
    said += chunk
  })
  socket.write('EHLO x\r\nMAIL FROM:<a@x.internal>\r\nRCPT TO:<a@example.org>\r\nQUIT\r\n')
  await once(socket, 'close')
  assert.match(said, /^550 5\.7\.1 /m)
  await smtpd.stop()
})

/** A token endpoint that gives a refresh token for a code, and access tokens for that. */
async function tokenServer(t: TestContext): Promise<string> {
  const server = createServer((request, response) => {
    let form = ''
    request.on('data', chunk => {
      form += chunk
    })
    request.on('end', () => {
      const asked = new URLSearchParams(form)
      const isGood = asked.get('code') === 'C0DE' || asked.get('refresh_token') === 'REFRESH'
      response.statusCode = isGood ? 200 : 400
      response.end(
        JSON.stringify(
          isGood ? { access_token: 'ACCESS', refresh_token: 'REFRESH' } : { error: 'invalid_grant' },
        ),
      )
    })
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.after(() => server.close())
  return `http://127.0.0.1:${(server.address() as { port: number }).port}/token`
}

test('mail-relay login gets a refresh token, and mail goes out with it', async t => {
  const sink = await Sink.start({
    extensions: ['AUTH XOAUTH2'],
    answer: line => {
      if (!/^AUTH/.test(line)) return undefined
      const good =
        Buffer.from(line.slice(13), 'base64').toString() === 'user=me@gmail.com\x01auth=Bearer ACCESS\x01\x01'
      return good ? '235 2.7.0 welcome' : '535 5.7.8 no'
    },
  })
  t.after(() => sink.close())
  const place = queuePlace(
    t,
    `host = "127.0.0.1:${sink.port}"\ntls = "off"\nuser = "me@gmail.com"\n`,
    `[relay.oauth2]\nclient_id = "id"\nrefresh_token_file = "token"\ntoken_url = "${await tokenServer(t)}/google"\n`,
  )
  assert.equal(place.run('mail-send', ['a@example.org'], message).status, 0)
  assert.match((await place.runBeside('mail-relay', ['--once'])).stderr, /stage=login .*token/)
  const login = spawn(process.execPath, [commandPath('mail-relay'), 'login', '-c', place.config])
  let said = ''
  login.stderr.on('data', chunk => {
    said += chunk
  })
  await until(() => /^http\S+$/m.test(said))
  const url = new URL(/^http\S+$/m.exec(said)?.[0] ?? '')
  const back = new URL(url.searchParams.get('redirect_uri') ?? '')
  back.searchParams.set('state', url.searchParams.get('state') ?? '')
  back.searchParams.set('code', 'C0DE')
  assert.equal((await fetch(back)).status, 200)
  const [status] = await once(login, 'close')
  assert.equal(status, 0, said)
  assert.match(said, /Google ends refresh tokens after 7 days/)
  assert.equal(readFileSync(join(place.directory, 'token'), 'utf8'), 'REFRESH\n')
  assert.equal(statSync(join(place.directory, 'token')).mode & 0o777, 0o600)
  assert.equal((await place.runBeside('mail-relay', ['--once'])).status, 0)
  assert.equal(sink.received.length, 1)
})

test('what a login sends is filed into Sent where the configuration says so', async t => {
  const sink = await Sink.start()
  t.after(() => sink.close())
  const place = queuePlace(t, `host = "127.0.0.1:${sink.port}"\ntls = "off"\nsave_sent = true\n`)
  const queue = await Queue.open(join(place.directory, 'queue'))
  for (const login of ['alice@x.internal', undefined]) {
    const draft = queue.begin({
      sender: 'alice@x.internal',
      recipients: [{ address: 'a@example.org' }],
      ...(login && { login }),
    })
    await draft.write(Buffer.from(message))
    await draft.commit()
  }
  queue.close()
  assert.equal((await place.runBeside('mail-relay', ['--once'])).status, 0)
  assert.equal(sink.received.length, 2)
  const sent = join(place.directory, 'home', 'alice', 'Maildir', '.Sent', 'cur')
  const names = readdirSync(sent)
  assert.equal(names.length, 1)
  assert.match(names[0] ?? '', /:2,S$/)
  assert.equal(readFileSync(join(sent, names[0] ?? ''), 'utf8'), message)
})
