import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, linkSync, mkdirSync, readdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { beginDrop, collect } from '../../lib/queue/drop.js'
import { envelopeOf, newIdentifier, type Submission } from '../../lib/queue/entry.js'
import { formatEnvelope } from '../../lib/queue/envelope-text.js'
import { Queue } from '../../lib/queue/queue.js'
import { temporaryDirectory } from '../support/world.js'

const submission: Submission = { sender: 'a@x.internal', recipients: [{ address: 'b@example.org' }] }

async function open(t: TestContext): Promise<Queue> {
  const queue = await Queue.open(join(temporaryDirectory(t), 'queue'))
  t.after(() => queue.close())
  return queue
}

test('the drop directory may be written by all and read by none', async t => {
  const queue = await open(t)
  assert.equal(statSync(queue.dropDirectory).mode & 0o7777, 0o3733)
  assert.equal(statSync(join(queue.directory, 'mail')).mode & 0o7777, 0o700)
})

test('what was dropped is in the queue, with only what a user may say', async t => {
  const queue = await open(t)
  const lies = { held: 'x', login: 'root', origin: 'lies', report: 'double', requireTls: true } as const
  const draft = beginDrop(queue.directory, { ...submission, ...lies, envid: 'E', ret: 'full' })
  await draft.write(Buffer.from('Subject: x\n\nx\n'))
  const { id } = await draft.commit()
  assert.equal(statSync(join(queue.dropDirectory, `${id}.message`)).mode & 0o7777, 0o640)
  assert.deepEqual((await collect(queue)).accepted, [id])
  const { recipients, arrived, ...envelope } = queue.read(id)!
  assert.deepEqual(envelope, {
    sender: 'a@x.internal',
    envid: 'E',
    ret: 'full',
    origin: `mail-send uid ${process.getuid?.()}`,
    size: 14,
    wireSize: 17,
  })
  assert.deepEqual(readdirSync(queue.dropDirectory), [])
})

const hostile: [string, (paths: { message: string; envelope: string; secret: string }) => void][] = [
  ['a symbolic link for a message', ({ message, secret }) => symlinkSync(secret, message)],
  ['a hard link for a message', ({ message, secret }) => linkSync(secret, message)],
  ['a directory for a message', ({ message }) => mkdirSync(message)],
  ['a pipe for a message', ({ message }) => void execFileSync('mkfifo', [message])],
]
for (const [what, make] of hostile)
  test(`${what} is refused, and stops nothing else`, async t => {
    const queue = await open(t)
    const secret = join(queue.directory, 'secret')
    writeFileSync(secret, 'Subject: secret\n\nx\n')
    const id = newIdentifier(Date.now())
    const paths = {
      message: join(queue.dropDirectory, `${id}.message`),
      envelope: join(queue.dropDirectory, `${id}.envelope`),
      secret,
    }
    make(paths)
    writeFileSync(paths.envelope, formatEnvelope(envelopeOf(submission, { size: 1, wireSize: 1 }, 0)))
    const good = beginDrop(queue.directory, submission)
    await good.write(Buffer.from('x\n'))
    const { id: goodId } = await good.commit()
    const { accepted, refused } = await collect(queue)
    assert.deepEqual(accepted, [goodId])
    assert.deepEqual(
      refused.map(each => each.id),
      [id],
    )
    assert.ok(existsSync(secret))
  })

const broken: [string, string][] = [
  ['no JSON', '{'],
  ['another version', '{"version":2}'],
  [
    'an address with a line end',
    formatEnvelope(envelopeOf({ ...submission, sender: 'a\r\nb' }, { size: 1, wireSize: 1 }, 0)),
  ],
  [
    'no recipients',
    formatEnvelope(envelopeOf({ ...submission, recipients: [] }, { size: 1, wireSize: 1 }, 0)),
  ],
]
for (const [what, envelope] of broken)
  test(`an envelope is refused: ${what}`, async t => {
    const queue = await open(t)
    const id = newIdentifier(Date.now())
    writeFileSync(join(queue.dropDirectory, `${id}.message`), 'x\n')
    writeFileSync(join(queue.dropDirectory, `${id}.envelope`), envelope)
    assert.equal((await collect(queue)).refused.length, 1)
    assert.deepEqual(await queue.list(), [])
  })

test('what is larger than may be is refused', async t => {
  const queue = await open(t)
  const draft = beginDrop(queue.directory, submission)
  await draft.write(Buffer.alloc(1001, 'x'))
  await draft.commit()
  assert.equal((await collect(queue, 1000)).refused.length, 1)
})
