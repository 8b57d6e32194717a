import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { Claimed } from '../../lib/queue/claimed.js'
import { Queue } from '../../lib/queue/queue.js'

let directory: string
let queue: Queue
before(async () => {
  directory = await mkdtemp(join(tmpdir(), 'postern-queue-'))
  queue = await Queue.open(join(directory, 'queue'))
})
after(() => rm(directory, { recursive: true }))

const submission = { sender: 'a@x.internal', recipients: [{ address: 'b@example.org' }] }

test('a committed draft is an entry with its message, and nothing else is left', async () => {
  const draft = queue.begin(submission)
  await draft.write(Buffer.from('Subject: x\n\n'))
  await draft.write(Buffer.from('body\n'))
  const { id } = await draft.commit()
  assert.deepEqual(await queue.list(), [id])
  const envelope = queue.read(id)
  assert.equal(envelope?.size, 17)
  assert.equal(envelope?.recipients[0]?.state, 'waiting')
  assert.equal(readFileSync(queue.paths(id).message, 'utf8'), 'Subject: x\n\nbody\n')
  const claimed = await queue.claim(id)
  assert.ok(claimed instanceof Claimed)
  assert.equal(await queue.claim(id), 'taken')
  await claimed.remove()
  assert.deepEqual(readdirSync(join(directory, 'queue', 'mail')), [])
  assert.equal(await queue.claim(id), undefined)
})

test('an aborted draft leaves nothing', async () => {
  const draft = queue.begin(submission)
  await draft.write(Buffer.alloc(300_000, 'x'))
  assert.ok(existsSync(queue.paths(draft.id).message))
  await draft.abort()
  assert.deepEqual(readdirSync(join(directory, 'queue', 'mail')), [])
})
