/** What scripts ask of the queue, as the queue has it then. */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { outboxOf } from '../../lib/command/outbox.js'
import type { Config } from '../../lib/config/load.js'
import type { OutgoingMessage } from '../../lib/deliver/filters.js'
import type { Envelope } from '../../lib/queue/entry.js'
import { temporaryDirectory } from '../support/world.js'

const message = { from: 'a@x.example', to: ['b@y.example'], data: Buffer.from('Subject: x\r\n\r\nx\r\n') }

/** Sends one message. @returns its envelope */
async function queued(directory: string, more: Partial<OutgoingMessage>): Promise<Envelope> {
  const config = { relay: {}, queue: { directory } } as unknown as Config
  const draft = await outboxOf(config)?.begin({ ...message, ...more })
  await draft?.commit()
  const files = readdirSync(directory, { recursive: true, encoding: 'utf8' })
  const [file = ''] = files
    .filter(name => name.endsWith('.envelope'))
    .sort()
    .slice(-1)
  return JSON.parse(readFileSync(join(directory, file), 'utf8'))
}

test('RFC 6009 §5: NOTIFY and RET', async t => {
  const envelope = await queued(temporaryDirectory(t), { notify: 'SUCCESS,FAILURE', ret: 'HDRS' })
  assert.deepEqual(envelope.recipients[0]?.notify, ['success', 'failure'])
  assert.equal(envelope.ret, 'headers')
})

test('RFC 6009 §6: by a time, or so many seconds from now', async t => {
  const at = Date.UTC(2026, 11, 24, 12)
  const absolute = await queued(temporaryDirectory(t), { by: { time: '2026-12-24T12:00:00Z', mode: 'R' } })
  assert.deepEqual(absolute.by, { at, mode: 'return' })
  const before = Date.now()
  const relative = await queued(temporaryDirectory(t), { by: { time: '600', mode: 'N' } })
  assert.equal(relative.by?.mode, 'notify')
  const time = relative.by?.at ?? 0
  assert.ok(time >= before + 600_000 && time <= Date.now() + 600_000)
})

test('without a relay there is no way out', () => {
  assert.equal(outboxOf({ queue: { directory: '/nowhere' } } as unknown as Config), undefined)
})
