/** A time to deliver by (RFC 2852), from MAIL to the queue's entry and to a script. */
import assert from 'node:assert/strict'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { outgoing } from '../../lib/command/relay-outgoing.js'
import { smtpdService } from '../../lib/command/smtpd.js'
import { Queue } from '../../lib/queue/queue.js'
import { startService } from '../support/service.js'
import { play } from '../support/transcript.js'

test('BY is kept in the queue, and seen by scripts', async t => {
  const running = await startService(smtpdService({ relay: outgoing }), {
    listener: 'tls = "offered"\nauth = "offered"',
    configuration: '[queue]\ndirectory = "queue"\n[relay]\nhost = "127.0.0.1:1"',
  })
  t.after(running.close)
  const home = dirname(running.maildir('alice'))
  mkdirSync(home, { recursive: true })
  const script =
    'require ["envelope", "envelope-deliverby", "fileinto", "mailbox"]; if allof (envelope "bymode" "N", envelope "bytrace" "T") { fileinto :create "By"; }'
  writeFileSync(join(home, '.dovecot.sieve'), script)
  const send = (by: string) =>
    `C: MAIL FROM:<bob@ilnmors.internal> BY=${by}\nS: 250 *\nC: RCPT TO:<alice@ilnmors.internal>\nS: 250 *\n` +
    `C: RCPT TO:<a@elsewhere.example>\nS: 250 *\nC: DATA\nS: 354 *\nR: Subject: x\\r\\n\\r\\nx\\r\\n.\\r\\n\nS: 250 *\n`
  const before = Date.now()
  const dialogue = `S: 220 *\nC: EHLO client.example\n...\nS: 250 HELP\n${['600;R', '-5;NT'].map(send).join('')}`
  await play(dialogue, {
    port: running.port,
    ca: readFileSync('fixtures/tls/ca.pem', 'utf8'),
    close: async () => {},
  })
  const queue = await Queue.open(join(running.directory, 'queue'))
  t.after(() => queue.close())
  const entries = (await queue.list()).map(id => queue.read(id))
  const first = entries.find(entry => entry?.by?.mode === 'return')
  const second = entries.find(entry => entry?.by?.mode === 'notify')
  assert.ok(Math.abs((first?.by?.at ?? 0) - before - 600_000) < 60_000)
  assert.deepEqual([second?.by?.trace, second?.warned], [true, true])
  assert.equal(readdirSync(join(running.maildir('alice'), '.By', 'new')).length, 1)
  assert.equal(readdirSync(join(running.maildir('alice'), 'new')).length, 1)
})
