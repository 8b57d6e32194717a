/** kill -9 before each single change to the disk: nothing lost, nothing sent twice that was not under way just then. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { beginDrop, collect } from '../../lib/queue/drop.js'
import { Queue } from '../../lib/queue/queue.js'
import { Sink } from '../relay/sink.js'
import { smarthost, world } from '../relay/world.js'
import { temporaryDirectory } from '../support/world.js'

const here = 'dist/tree/test/queue'

/** Runs the child until it ends or is killed. @returns what it said, and whether it lived */
function run(killAt: number, ...args: string[]): Promise<{ said: string; lived: boolean }> {
  const preload = pathToFileURL(`${here}/kill-preload.js`).href
  const child = spawn(process.execPath, ['--import', preload, `${here}/kill-child.js`, ...args], {
    env: { ...process.env, KILL_AT: String(killAt) },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let said = ''
  child.stdout.on('data', chunk => {
    said += chunk
  })
  return new Promise((resolve, reject) => {
    child.on('close', (code, signal) => {
      if (code === 0 || signal === 'SIGKILL') resolve({ said, lived: code === 0 })
      else reject(new Error(`the child ended with ${code}`))
    })
  })
}

/** What a dead process left of an entry, by the names at the head of entry.ts. */
function stateOf(directory: string, id: string | undefined): string {
  const names = readdirSync(join(directory, 'mail')).filter(name => id === undefined || name.includes(id))
  const has = (end: string) => names.some(name => !name.startsWith('.') && name.endsWith(end))
  if (has('.envelope')) return has('.claim') ? 'abandoned' : 'waiting'
  return has('.message') ? (has('.claim') ? 'leftover' : 'draft') : 'nothing'
}

test('killed while enqueueing: what was promised is there whole, and nothing else counts', async t => {
  let lived = false
  const seen = new Set<string>()
  for (let step = 1; !lived; step++) {
    assert.ok(step < 100)
    const directory = join(temporaryDirectory(t), 'queue')
    const result = await run(step, 'enqueue', directory)
    lived = result.lived
    const queue = await Queue.open(directory)
    seen.add(stateOf(directory, undefined))
    assert.deepEqual((await queue.sweep()).broken, [])
    const ids = await queue.list()
    if (result.said !== '') assert.deepEqual(ids, [result.said])
    for (const id of ids) assert.equal(statSync(queue.paths(id).message).size, 600_000)
    queue.close()
  }
  assert.deepEqual([...seen], ['nothing', 'draft', 'waiting'])
})

test('killed while collecting what was dropped: it is in the queue once', async t => {
  let lived = false
  for (let step = 1; !lived; step++) {
    assert.ok(step < 100)
    const directory = join(temporaryDirectory(t), 'queue')
    const queue = await Queue.open(directory)
    const draft = beginDrop(directory, { sender: 'a@x.internal', recipients: [{ address: 'b@example.org' }] })
    await draft.write(Buffer.from('Subject: x\n\nx\n'))
    const { id } = await draft.commit()
    lived = (await run(step, 'collect', directory)).lived
    await collect(queue)
    assert.deepEqual(await queue.list(), [id])
    assert.equal(readFileSync(queue.paths(id).message, 'utf8'), 'Subject: x\n\nx\n')
    // Without its envelope a message there is nothing; it is swept away when it is old.
    assert.deepEqual(
      readdirSync(queue.dropDirectory).filter(name => name.endsWith('.envelope')),
      [],
    )
    queue.close()
  }
})

async function killWhileSending(t: TestContext, step: number, seen: Set<string>): Promise<boolean> {
  const sink = await Sink.start({
    answer: line => (/none@/.test(line) ? '550 5.1.1 no such user' : undefined),
  })
  try {
    const w = await world(t)
    const local = join(w.queue.directory, '..', 'local')
    const id = await w.send({ to: ['b@example.org', 'none@example.org'] })
    const { lived } = await run(step, 'send', w.queue.directory, String(sink.port), local)
    seen.add(stateOf(w.queue.directory, id))
    const before = sink.received.length
    const reported = existsSync(local) ? readFileSync(local, 'utf8').split('\n').length - 1 : 0
    const envelope = w.queue.read(id)
    const isSettled = !envelope?.recipients.some(({ state }) => state === 'waiting')
    w.now = Date.now()
    await w.relay({ smarthost: smarthost(sink.port) }).once()
    const what = `killed before step ${step}`
    assert.equal(sink.received.length - before, isSettled ? 0 : 1, `${what}: sent by the second run`)
    assert.ok(sink.received.length >= 1, `${what}: sent at all`)
    const reports = reported + w.local.length
    assert.ok(reports === 1 || (reports === 2 && reported === 1), `${what}: ${reports} reports`)
    assert.deepEqual(await w.queue.list(), [], what)
    return lived
  } finally {
    await sink.close()
  }
}

test('killed while sending: the second run does what the first had not written down', async t => {
  const seen = new Set<string>()
  for (let step = 1; !(await killWhileSending(t, step, seen)); step++) assert.ok(step < 100)
  assert.deepEqual([...seen].sort(), ['abandoned', 'leftover', 'nothing', 'waiting'])
})
