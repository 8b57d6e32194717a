import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { defaultSchedule } from '../../lib/queue/schedule.js'
import { until } from '../support/world.js'
import { Sink, type SinkOptions } from './sink.js'
import { smarthost, world } from './world.js'

async function open(t: TestContext, options: SinkOptions = {}): Promise<Sink> {
  const sink = await Sink.start(options)
  t.after(() => sink.close())
  return sink
}

test('once(): what is due goes out over few connections, and nothing is left', async t => {
  const w = await world(t)
  const sink = await open(t)
  for (let i = 0; i < 20; i++) await w.send({ to: [`r${i}@example.org`] })
  await w.relay({ smarthost: smarthost(sink.port) }).once()
  assert.equal(sink.received.length, 20)
  assert.ok(sink.connections <= 2, `${sink.connections} connections`)
  assert.deepEqual(readdirSync(join(w.queue.directory, 'mail')), [])
})

test('a daemon takes what comes, and what is local stays here', async t => {
  const w = await world(t)
  const sink = await open(t)
  const relay = w.relay({ smarthost: smarthost(sink.port) })
  await relay.start()
  await w.send({ to: ['b@example.org', 'c@x.internal'] })
  await until(() => sink.received.length === 1 && w.local.length === 1)
  assert.deepEqual(sink.received[0]?.recipients, ['RCPT TO:<b@example.org>'])
  assert.equal(w.local[0]?.to, 'c@x.internal')
  await until(async () => (await w.queue.list()).length === 0)
})

test('local mail is delivered while every smarthost is down', async t => {
  const w = await world(t)
  const sink = await Sink.start()
  await sink.close()
  const id = await w.send({ to: ['b@example.org', 'c@x.internal'] })
  await w.relay({ smarthost: smarthost(sink.port) }).once()
  assert.equal(w.local.length, 1)
  const envelope = w.queue.read(id)
  assert.deepEqual(
    envelope?.recipients.map(({ state }) => state),
    ['waiting', 'delivered'],
  )
  assert.match(envelope?.recipients[0]?.said?.text ?? '', /ECONNREFUSED/)
})

test('each recipient has its own fate; the refused one is reported to the sender', async t => {
  const w = await world(t)
  const sink = await open(t, {
    answer: line =>
      /none@/.test(line)
        ? '550 5.1.1 no such user'
        : /later@/.test(line)
          ? '450 4.2.1 greylisted'
          : undefined,
  })
  const id = await w.send({ to: ['none@example.org', 'b@example.org', 'later@example.org'] })
  await w.relay({ smarthost: smarthost(sink.port) }).once()
  const envelope = w.queue.read(id)
  assert.deepEqual(
    envelope?.recipients.map(({ state, attempts }) => [state, attempts]),
    [
      ['failed', 1],
      ['relayed', 1],
      ['waiting', 1],
    ],
  )
  assert.equal(envelope?.owed, undefined)
  assert.equal(envelope?.recipients[2]?.due, w.now + defaultSchedule.firstRetry)
  assert.equal(w.local.length, 1)
  const [report] = w.local
  assert.equal(report?.to, 'a@x.internal')
  assert.equal(report?.sender, '')
  assert.match(report?.text ?? '', /Final-Recipient: rfc822; none@example.org\nAction: failed\nStatus: 5.1.1/)
  assert.doesNotMatch(report?.text ?? '', /later@/)
  const attempts = w.queue.attempts(id)
  assert.equal(attempts.length, 1)
  assert.ok(attempts[0]?.lines.includes('S: 550 5.1.1 no such user'))
  assert.ok(attempts[0]?.lines.includes('S: 220 sink.example ESMTP'))
})

test('a server that is down is tried once, not once a message, and all goes when it is back', async t => {
  const w = await world(t)
  const sink = await Sink.start({ greeting: '421 4.3.2 not now' })
  t.after(() => sink.close())
  for (let i = 0; i < 10; i++) await w.send({})
  const relay = w.relay({ smarthost: smarthost(sink.port) })
  await relay.start()
  await relay.settled()
  assert.equal(sink.connections, 1)
  const { port } = sink
  await sink.close()
  const back = await Sink.start({}, port)
  t.after(() => back.close())
  w.now += defaultSchedule.firstRetry
  await relay.settled()
  assert.equal(back.received.length, 10)
  assert.equal((await w.queue.list()).length, 0)
})

test('a refused login keeps everything, is not repeated soon, and is an error in the log', async t => {
  const w = await world(t)
  const sink = await open(t, {
    extensions: ['AUTH PLAIN'],
    answer: line => (/^AUTH/.test(line) ? '535 5.7.8 wrong' : undefined),
  })
  for (let i = 0; i < 3; i++) await w.send({})
  const login = async () => ({ user: 'me', password: 'x' })
  const relay = w.relay({ smarthost: smarthost(sink.port, { user: 'me', login }) })
  await relay.start()
  await relay.settled()
  w.now += 5 * 60_000
  await relay.settled()
  assert.equal(sink.connections, 1)
  assert.equal((await w.queue.list()).length, 3)
  assert.equal(w.lines.filter(line => /^<3>event=destination-unreachable .*stage=login/.test(line)).length, 1)
  w.now += 5 * 60_000
  await relay.settled()
  assert.equal(sink.connections, 2)
})

test('421 in the middle makes the destination rest; nothing is bounced', async t => {
  const w = await world(t)
  let busy = true
  const sink = await open(t, {
    answer: line => (busy && /^MAIL/.test(line) ? '421 4.7.0 slow down' : undefined),
  })
  for (let i = 0; i < 5; i++) await w.send({})
  const relay = w.relay({ smarthost: smarthost(sink.port) })
  await relay.start()
  await relay.settled()
  assert.equal(sink.connections, 1)
  busy = false
  w.now += defaultSchedule.firstRetry
  await relay.settled()
  assert.equal(sink.received.length, 5)
  assert.equal(w.local.length, 0)
})

test('an old connection that died is replaced without an attempt being counted', async t => {
  const w = await world(t)
  const sink = await open(t, {
    answer: (line, connection) => (connection === 1 && /^MAIL FROM:<second/.test(line) ? 'cut' : undefined),
  })
  const relay = w.relay({ smarthost: smarthost(sink.port) })
  await relay.start()
  await w.send({})
  await until(() => sink.received.length === 1)
  await relay.settled()
  const id = await w.send({ sender: 'second@x.internal' })
  await until(() => sink.received.length === 2)
  assert.equal(sink.connections, 2)
  assert.deepEqual(w.queue.attempts(id), [])
})

for (const [where, options] of [
  ['in the middle of the message', { cutAfter: 1000 }],
  ['at its end', { answer: (line: string) => (line === '.' ? 'cut' : undefined) }],
] as const)
  test(`a connection cut ${where}: the message waits for its next attempt`, async t => {
    const w = await world(t)
    const sink = await open(t, options)
    const id = await w.send({}, `Subject: x\n\n${'line\n'.repeat(10_000)}`)
    await w.relay({ smarthost: smarthost(sink.port) }).once()
    const [recipient] = w.queue.read(id)?.recipients ?? []
    assert.equal(recipient?.state, 'waiting')
    assert.equal(recipient?.attempts, 1)
    assert.equal(recipient?.said?.status, '4.4.2')
    assert.equal(w.queue.attempts(id).length, 1)
  })

test('what has been here too long is given up, with the last answer told', async t => {
  const w = await world(t)
  const sink = await open(t, { answer: line => (/^RCPT/.test(line) ? '450 4.2.1 greylisted' : undefined) })
  await w.send({})
  const relay = w.relay({ smarthost: smarthost(sink.port) })
  await relay.start()
  await relay.settled()
  w.now += defaultSchedule.warnAfter
  await relay.settled()
  assert.match(w.local[0]?.text ?? '', /Subject: Delayed Mail[\s\S]*Action: delayed\nStatus: 4.2.1/)
  w.now += defaultSchedule.maxAge
  await relay.settled()
  assert.equal(w.local.length, 2)
  assert.match(w.local[1]?.text ?? '', /Action: failed\nStatus: 5.4.7[\s\S]*4.2.1 greylisted/)
  assert.deepEqual(await w.queue.list(), [])
})

test('a smarthost that is down all the time: one warning, then one report, both saying why', async t => {
  const w = await world(t)
  const sink = await Sink.start()
  await sink.close()
  await w.send({})
  const relay = w.relay({ smarthost: smarthost(sink.port) })
  await relay.start()
  for (let hours = 0; hours <= 121; hours++) {
    await relay.settled()
    w.now += 3_600_000
  }
  await relay.settled()
  assert.equal(w.local.length, 2)
  for (const { text } of w.local) assert.match(text, /ECONNREFUSED/)
  assert.deepEqual(await w.queue.list(), [])
})

test('a report that cannot be delivered goes to postmaster; one to postmaster ends in the log', async t => {
  const w = await world(t)
  w.fate = ({ recipients }) =>
    recipients[0] === 'nobody@x.internal' || recipients[0] === 'postmaster@x.internal'
      ? { state: 'failed', code: 550, status: '5.1.1', text: 'no such user' }
      : undefined
  await w.send({ sender: 'nobody@x.internal', to: ['gone@elsewhere.org'] })
  const relay = w.relay()
  await relay.once()
  assert.deepEqual(await w.queue.list(), [])
  assert.equal(w.lines.filter(line => line.includes('event=report ')).length, 2)
  assert.ok(w.lines.some(line => /event=report .*to=postmaster@x.internal/.test(line)))
  assert.ok(w.lines.some(line => line.includes('event=report-discarded')))
})

test('no way out: the sender is told at once', async t => {
  const w = await world(t)
  await w.send({})
  await w.relay().once()
  assert.match(w.local[0]?.text ?? '', /Status: 5.7.1/)
  assert.deepEqual(await w.queue.list(), [])
})

test('a message in a loop is given up before it is sent', async t => {
  const w = await world(t)
  const sink = await open(t)
  await w.send({}, `${'Received: from x by y; now\n'.repeat(101)}Subject: x\n\nx\n`)
  await w.relay({ smarthost: smarthost(sink.port) }).once()
  assert.equal(sink.received.length, 0)
  assert.match(w.local[0]?.text ?? '', /Status: 5.4.6/)
})

test('routes by sender, then by recipient, then the default', async t => {
  const w = await world(t)
  const [one, two, three] = [await open(t), await open(t), await open(t)]
  await w.send({ sender: 'me@naver.com', to: ['r@special.org'] })
  await w.send({ to: ['r@special.org', 's@elsewhere.org'] })
  await w
    .relay({
      smarthost: smarthost(three.port),
      routes: [
        { recipient: 'special.org', smarthost: smarthost(two.port) },
        { sender: '*@naver.com', smarthost: smarthost(one.port) },
      ],
    })
    .once()
  assert.deepEqual(
    [one, two, three].map(sink => sink.received.map(({ recipients }) => recipients.join())),
    [['RCPT TO:<r@special.org>'], ['RCPT TO:<r@special.org>'], ['RCPT TO:<s@elsewhere.org>']],
  )
})

test('the smarthost sees its own address, replies come back, and so does the bounce', async t => {
  const w = await world(t)
  const sink = await open(t, {
    answer: line => {
      if (/^MAIL/.test(line) && !/<me@gmail.com>/.test(line)) return '553 5.7.1 not your address'
      return /none@/.test(line) ? '550 5.1.1 no such user' : undefined
    },
  })
  const text = 'From: root <root@pve.x.internal>\nSubject: disk\n\nfull\n'
  await w.send({ sender: 'root@x.internal', to: ['me@example.org', 'none@example.org'] }, text)
  await w.relay({ smarthost: smarthost(sink.port, { from: 'me@gmail.com' }) }).once()
  assert.equal(
    sink.received[0]?.text,
    'From: root <me@gmail.com>\r\nSubject: disk\r\nReply-To: root <root@pve.x.internal>\r\n' +
      'X-Original-From: root <root@pve.x.internal>\r\n\r\nfull\r\n',
  )
  assert.equal(w.local[0]?.to, 'root@x.internal')
  assert.match(w.local[0]?.text ?? '', /From: root <root@pve.x.internal>/)
})

test('a budget is kept to, and the rest goes out when a day is over', async t => {
  const w = await world(t)
  const sink = await open(t)
  for (let i = 0; i < 5; i++) await w.send({})
  const relay = w.relay({ smarthost: smarthost(sink.port, { messagesPerDay: 3 }) })
  await relay.start()
  await relay.settled()
  assert.equal(sink.received.length, 3)
  w.now += 23 * 3_600_000 - (w.now % 3_600_000)
  await relay.settled()
  assert.equal(sink.received.length, 3)
  w.now += 2 * 3_600_000
  await relay.settled()
  assert.equal(sink.received.length, 5)
})

test('held entries are left alone, and taken up when they are released', async t => {
  const w = await world(t)
  const sink = await open(t)
  const id = await w.send({ held: 'asked' })
  const relay = w.relay({ smarthost: smarthost(sink.port) })
  await relay.start()
  await relay.settled()
  assert.equal(sink.received.length, 0)
  const claimed = await w.queue.claim(id)
  assert.ok(claimed && claimed !== 'taken')
  const { held, ...released } = claimed.envelope
  assert.equal(held, 'asked')
  await claimed.save(released)
  await claimed.release()
  await until(() => sink.received.length === 1)
})

test('NOTIFY=SUCCESS: passed on where the server reports, reported here where it does not', async t => {
  for (const [extensions, reports] of [
    [['DSN'], 0],
    [[], 1],
  ] as const) {
    const w = await world(t)
    const sink = await open(t, { extensions })
    await w.send({
      recipients: [{ address: 'b@example.org', notify: ['success'], original: 'rfc822;B@example.org' }],
    })
    await w.relay({ smarthost: smarthost(sink.port) }).once()
    assert.equal(sink.received[0]?.recipients[0]?.includes('NOTIFY=SUCCESS'), reports === 0)
    assert.equal(w.local.length, reports)
    if (reports)
      assert.match(w.local[0]?.text ?? '', /Original-Recipient: rfc822;B@example.org\n.*\nAction: relayed/)
  }
})

test('NOTIFY=NEVER: no report, whatever happens', async t => {
  const w = await world(t)
  await w.send({ recipients: [{ address: 'b@example.org', notify: ['never'] }] })
  await w.relay().once()
  assert.equal(w.local.length, 0)
  assert.deepEqual(await w.queue.list(), [])
})

const minute = 60_000

test('a time to deliver by is told the next server, less what was spent here', async t => {
  const w = await world(t)
  const sink = await open(t, { extensions: ['DELIVERBY 30'] })
  await w.send({ by: { at: w.now + 10 * minute, mode: 'return' } })
  w.now += 4 * minute
  await w.relay({ smarthost: smarthost(sink.port) }).once()
  assert.match(sink.received[0]?.mail ?? '', / BY=360;R$/)
  assert.equal(w.local.length, 0)
})

test('what is to come back when it is late goes to nobody who does not promise that', async t => {
  const w = await world(t)
  const sink = await open(t, { extensions: ['DSN'] })
  await w.send({ by: { at: w.now + 10 * minute, mode: 'return' } })
  await w.relay({ smarthost: smarthost(sink.port) }).once()
  assert.equal(sink.received.length, 0)
  assert.match(w.local[0]?.text ?? '', /Deliver-By-Date: .*\n[\s\S]*\nAction: failed\nStatus: 5.4.7\n/)
})

test('who wants to be told of delays is told where the next server knows no time', async t => {
  for (const [extensions, notify, reports] of [
    [[], undefined, 1],
    [[], ['never'], 0],
    [['DELIVERBY', 'DSN'], undefined, 0],
  ] as const) {
    const w = await world(t)
    const sink = await open(t, { extensions })
    const recipients = [{ address: 'b@example.org', ...(notify && { notify }) }]
    await w.send({ recipients, by: { at: w.now + 10 * minute, mode: 'notify' } })
    await w.relay({ smarthost: smarthost(sink.port) }).once()
    assert.equal(sink.received[0]?.mail.includes('BY='), extensions.length > 0)
    assert.equal(w.local.length, reports)
    if (reports) assert.match(w.local[0]?.text ?? '', /\nAction: relayed\n/)
  }
})

test('a trace tells of a server that the message is handed to', async t => {
  const w = await world(t)
  const sink = await open(t, { extensions: ['DELIVERBY'] })
  await w.send({ by: { at: w.now + 10 * minute, mode: 'return', trace: true } })
  await w.relay({ smarthost: smarthost(sink.port) }).once()
  assert.match(sink.received[0]?.mail ?? '', / BY=600;RT$/)
  assert.match(w.local[0]?.text ?? '', /\nAction: relayed\n/)
})

test('a time to be told by that passes here: one warning, and the next server hears that it was given', async t => {
  const w = await world(t)
  let busy = true
  const sink = await open(t, {
    extensions: ['DELIVERBY'],
    answer: line => (busy && /^RCPT/.test(line) ? '450 4.2.1 later' : undefined),
  })
  const recipients = [{ address: 'b@example.org', notify: ['failure'] as const }]
  await w.send({ recipients, by: { at: w.now + 10 * minute, mode: 'notify' } })
  const relay = { smarthost: smarthost(sink.port) }
  await w.relay(relay).once()
  assert.equal(w.local.length, 0)
  w.now += 11 * minute
  await w.relay(relay).once()
  assert.equal(w.local.length, 1)
  assert.match(w.local[0]?.text ?? '', /\nAction: delayed\n/)
  busy = false
  w.now += 60 * minute
  await w.relay(relay).once()
  assert.match(sink.received[0]?.mail ?? '', / BY=-36\d\d;N$/)
  assert.equal(w.local.length, 1)
})
