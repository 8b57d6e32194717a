/** Two relays at once, a disk that is full, a message that is large: nothing lost, nothing doubled. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtempSync, rmdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { Queue } from '../../lib/queue/queue.js'
import { Relay } from '../../lib/relay/relay.js'
import { Log } from '../../lib/sys/log.js'
import { until } from '../support/world.js'
import { Sink } from './sink.js'
import { baseSettings, smarthost, world } from './world.js'

test('two relays over one queue send each message once', async t => {
  const w = await world(t)
  const sink = await Sink.start()
  t.after(() => sink.close())
  for (let i = 0; i < 60; i++) await w.send({ to: [`r${i}@example.org`, `local${i}@x.internal`] })
  const other = await Queue.open(w.queue.directory, { clock: () => w.now })
  t.after(() => other.close())
  const settings = { smarthost: smarthost(sink.port, { concurrency: 5 }) }
  const relays = [w.relay(settings), w.relay(settings, { queue: other })]
  await Promise.all(relays.map(relay => relay.once()))
  assert.equal(sink.received.length, 60)
  assert.equal(w.local.length, 60)
  assert.deepEqual(await w.queue.list(), [])
})

const isRoot = process.getuid?.() === 0

/** A file system of a megabyte. */
function smallDisk(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'postern-'))
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'postern-test', directory])
  t.after(() => {
    execFileSync('umount', ['-l', directory])
    rmdirSync(directory)
  })
  return directory
}

test('a full disk: what does not fit is refused whole', { skip: !isRoot }, async t => {
  const directory = smallDisk(t)
  const queue = await Queue.open(join(directory, 'queue'))
  const draft = queue.begin({ sender: 'a@x.internal', recipients: [{ address: 'b@example.org' }] })
  await assert.rejects(async () => {
    for (let i = 0; i < 20; i++) await draft.write(Buffer.alloc(100_000, 'x'))
    await draft.commit()
  }, /ENOSPC/)
  await draft.abort()
  assert.deepEqual(await queue.list(), [])
  const small = queue.begin({ sender: 'a@x.internal', recipients: [{ address: 'b@example.org' }] })
  await small.write(Buffer.from('Subject: x\n\nx\n'))
  await small.commit()
  assert.equal((await queue.list()).length, 1)
  queue.close()
})

test('a full disk: what was sent and cannot be written down is kept in mind, and not sent again', {
  skip: !isRoot,
}, async t => {
  const directory = smallDisk(t)
  const sink = await Sink.start({ answer: line => (/later@/.test(line) ? '450 4.2.1 later' : undefined) })
  t.after(() => sink.close())
  let now = Date.now()
  const queue = await Queue.open(join(directory, 'queue'), { clock: () => now })
  t.after(() => queue.close())
  const send = async (...to: string[]) => {
    const draft = queue.begin({ sender: 'a@x.internal', recipients: to.map(address => ({ address })) })
    await draft.write(Buffer.from('Subject: x\n\nx\n'))
    return (await draft.commit()).id
  }
  await send('first@example.org')
  now += 1_000
  const id = await send('b@example.org', 'later@example.org')
  now -= 1_000
  const relay = new Relay({
    queue,
    settings: { ...baseSettings, smarthost: smarthost(sink.port) },
    log: new Log({ write: () => {} }),
    deliverLocally: async () => new Map(),
    clock: () => now,
  })
  await relay.start()
  await until(() => sink.received.length === 1)
  await relay.settled()
  const filler = join(directory, 'filler')
  assert.throws(() => writeFileSync(filler, Buffer.alloc(2_000_000)), /ENOSPC/)
  now += 1_000
  relay.settled()
  await until(() => sink.received.length === 2)
  await new Promise(resolve => setTimeout(resolve, 300))
  assert.equal(queue.read(id)?.recipients[0]?.state, 'waiting', 'nothing could be written')
  rmSync(filler)
  await until(() => queue.read(id)?.recipients[0]?.state === 'relayed')
  await relay.flush()
  await relay.settled()
  assert.equal(sink.received.length, 2)
  await relay.stop(0)
})

test('a message of 50 MB goes through, and never stands in memory whole', async t => {
  const w = await world(t)
  const sink = await Sink.start({ extensions: ['PIPELINING', 'SIZE 100000000'] })
  t.after(() => sink.close())
  const line = `${'x'.repeat(76)}\n`
  const block = Buffer.from(`.${line}`.repeat(10_000))
  const draft = w.queue.begin({ sender: 'a@x.internal', recipients: [{ address: 'b@example.org' }] })
  const hash = createHash('sha256')
  await draft.write(Buffer.from('From: a@x.internal\nSubject: large\n\n'))
  for (let i = 0; i < 64; i++) {
    await draft.write(Buffer.from(block))
    hash.update(block.toString().replaceAll('\n', '\r\n'))
  }
  const { envelope } = await draft.commit()
  assert.equal(envelope.wireSize, envelope.size + 3 + 640_000)
  await w.relay({ smarthost: smarthost(sink.port, { from: 'me@gmail.com' }) }).once()
  const [received] = sink.received
  const body = received?.text.slice(received.text.indexOf('\r\n\r\n') + 4) ?? ''
  assert.equal(createHash('sha256').update(body, 'latin1').digest('hex'), hash.digest('hex'))
  assert.match(received?.mail ?? '', new RegExp(`SIZE=${received?.text.length ?? 0}$`))
})
