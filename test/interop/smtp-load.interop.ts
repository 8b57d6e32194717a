/** Load: ten thousand messages, each there once; what got its 250 survives kill -9; large messages pass in little memory. */
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { sendLoad } from '../smtp/sender.js'
import { peakOf } from '../support/measure.js'
import { makePlace, type Place } from '../support/place.js'
import { Program } from '../support/program.js'
import { until } from '../support/world.js'

const users = 10
const filler = `${'x'.repeat(70)}\r\n`.repeat(55)

function message(i: number): string {
  return `From: a@x.example\r\nSubject: number ${i}\r\n\r\n${filler}`
}

function recipientsOf(i: number): string[] {
  return [`u${i % users}@ilnmors.internal`]
}

function makeWorld(t: TestContext, more = ''): Place {
  const place = makePlace(`${more}[[smtpd.listen]]\naddress = "127.0.0.1:0"\ntls = "off"\nauth = "off"`)
  t.after(() => place.remove())
  const lines = Array.from({ length: users }, (_, i) => `u${i}:{PLAIN}x:::::\n`)
  writeFileSync(join(place.directory, 'users'), lines.join(''))
  for (let i = 0; i < users; i++) mkdirSync(join(place.maildir(`u${i}`), 'new'), { recursive: true })
  return place
}

/** How often each message is there, by its number; every file must be whole. */
function count(place: Place): Map<number, number> {
  const counts = new Map<number, number>()
  for (let user = 0; user < users; user++) {
    const directory = join(place.maildir(`u${user}`), 'new')
    for (const name of readdirSync(directory)) {
      const text = readFileSync(join(directory, name), 'latin1')
      const number = Number(/^Subject: number (\d+)$/m.exec(text)?.[1])
      assert.equal(number % users, user, 'a message is in the wrong mailbox')
      assert.ok(text.endsWith(`\n\n${filler.replaceAll('\r\n', '\n')}`), `${name} is not whole`)
      counts.set(number, (counts.get(number) ?? 0) + 1)
    }
  }
  return counts
}

test('10,000 messages of 4 KiB through 20 sessions are all there, once each', async t => {
  const place = makeWorld(t)
  const smtpd = await Program.start('mail-smtpd', place.config)
  const [port = 0] = smtpd.ports('smtpd')
  const load = { port, sessions: 20, count: 10_000, recipients: recipientsOf, text: message }
  const accepted = await sendLoad(load)
  assert.equal(accepted.length, 10_000)
  const counts = count(place)
  assert.equal(counts.size, 10_000)
  assert.ok([...counts.values()].every(times => times === 1))
  assert.equal(await smtpd.stop(), 0)
})

test('kill -9 in the middle: every message that got its 250 is there, once', async t => {
  const place = makeWorld(t)
  const promised = new Set<number>()
  for (let round = 0; round < 5; round++) {
    const smtpd = await Program.start('mail-smtpd', place.config)
    const [port = 0] = smtpd.ports('smtpd')
    const first = round * 10_000
    const load = {
      port,
      sessions: 20,
      count: 10_000,
      recipients: recipientsOf,
      text: (i: number) => message(first + i),
      pipelined: round % 2 === 1,
    }
    const sending = sendLoad(load)
    await until(() => (smtpd.log.match(/event=received /g)?.length ?? 0) > 200 + 150 * round, 60_000)
    await smtpd.stop('SIGKILL')
    const accepted = await sending
    assert.ok(accepted.length < 10_000, 'it was killed too late to show anything')
    for (const i of accepted) promised.add(first + i)
  }
  assert.ok(promised.size > 1_000)
  const smtpd = await Program.start('mail-smtpd', place.config)
  const counts = count(place)
  for (const i of promised)
    assert.equal(counts.get(i), 1, `message ${i} got its 250 and is there ${counts.get(i) ?? 0} times`)
  // What was cut off got no answer: it is there once or not at all.
  assert.ok([...counts.values()].every(times => times === 1))
  assert.equal(await smtpd.stop(), 0)
})

/** More than the 50 MB that a message may have by default, so that what the collector leaves lying is not mistaken for it. */
const large = 200_000_000

/** Sends one message that large, by DATA or by BDAT. */
async function sendLarge(port: number, way: 'DATA' | 'BDAT'): Promise<void> {
  const socket = connect(port, '127.0.0.1')
  let seen = ''
  socket.on('data', chunk => {
    seen += chunk
  })
  const say = async (text: string | Buffer, pattern: RegExp) => {
    socket.write(text)
    await until(() => pattern.test(seen), 60_000)
    seen = ''
  }
  const block = Buffer.from(`.${'x'.repeat(97)}\r\n`.repeat(10_000))
  await say('EHLO x\r\n', /^250 /m)
  await say('MAIL FROM:<a@x.example>\r\nRCPT TO:<u0@ilnmors.internal>\r\n', /^250 2\.1\.5/m)
  if (way === 'DATA') await say('DATA\r\n', /^354 /m)
  for (let sent = 0; sent < large; sent += block.length) {
    if (way === 'BDAT') socket.write(`BDAT ${block.length}\r\n`)
    if (!socket.write(block)) await once(socket, 'drain')
  }
  await say(way === 'BDAT' ? 'BDAT 0 LAST\r\n' : '.\r\n', /^250 2\.0\.0 Ok/m)
  await say('QUIT\r\n', /^221 /m)
  socket.destroy()
}

test('large messages come in, and none stands in memory whole', async t => {
  const place = makeWorld(t, '[smtpd]\nmax_message_size = "300M"\n')
  const smtpd = await Program.start('mail-smtpd', place.config)
  const [port = 0] = smtpd.ports('smtpd')
  const before = peakOf(smtpd.pid)
  await sendLarge(port, 'DATA')
  await sendLarge(port, 'BDAT')
  const grown = peakOf(smtpd.pid) - before
  const directory = join(place.maildir('u0'), 'new')
  const sizes = readdirSync(directory).map(name => statSync(join(directory, name)).size)
  assert.deepEqual(
    sizes.map(size => size > 0.98 * large),
    [true, true],
  )
  assert.ok(grown < large / 2, `${grown} octets more`)
  t.diagnostic(`${grown} octets of memory`)
  assert.equal(await smtpd.stop(), 0)
})
