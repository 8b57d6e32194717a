import assert from 'node:assert/strict'
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { Mailbox } from '../../lib/mailbox/mailbox.js'
import type { View } from '../../lib/mailbox/view.js'
import { changeOurs, type Deeds } from './foreign.js'
import { add, elsewhere, files, flagsOf, freshRoot, openInbox } from './support.js'

/** How long the programs work against each other, in milliseconds. */
const duration = Number(process.env['POSTERN_TEST_STRESS'] ?? 3000)

function start(kind: string, maildir: string): ChildProcess {
  return fork(fileURLToPath(new URL('./foreign.js', import.meta.url)), [kind, maildir], {
    execArgv: [],
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  })
}

async function stop(child: ChildProcess): Promise<Deeds> {
  const answer = once(child, 'message')
  child.send('stop')
  const [deeds] = await answer
  return deeds as Deeds
}

/** A session that notes which text it found under which UID, and that both go together for ever. */
class Witness {
  readonly mailbox: Mailbox
  readonly view: View
  readonly texts: Map<number, string>
  readonly uids: Map<string, number>

  constructor(
    mailbox: Mailbox,
    view: View,
    known: { texts: Map<number, string>; uids: Map<string, number> },
  ) {
    this.mailbox = mailbox
    this.view = view
    this.texts = known.texts
    this.uids = known.uids
  }

  look(): void {
    this.view.sync({ expunge: Math.random() < 0.7 })
    let last = 0
    for (const uid of this.view.uids) {
      assert.ok(uid > last)
      last = uid
      if (Math.random() < 0.8 && this.texts.has(uid)) continue
      const text = this.mailbox.read(uid)?.toString()
      if (text === undefined) continue
      assert.equal(this.texts.get(uid) ?? text, text, `UID ${uid} is another message now`)
      assert.equal(this.uids.get(text) ?? uid, uid, `${text} has another UID now`)
      this.texts.set(uid, text)
      this.uids.set(text, uid)
    }
  }
}

function difference(expected: readonly string[], found: readonly string[]) {
  return {
    lost: expected.filter(text => !found.includes(text)),
    unexpected: found.filter(text => !expected.includes(text)),
  }
}

test('sessions, a second process and a foreign program change one mailbox: all agree, nothing is lost', async () => {
  const ours = await openInbox(freshRoot())
  const maildir = ours.directory
  const deeds: Deeds = { put: [], taken: [] }
  for (let i = 0; i < 50; i++) {
    await add(ours, `first ${i}\r\n`)
    deeds.put.push(`first ${i}\n`)
  }
  const other = await elsewhere(maildir)
  const children = [start('foreign', maildir), start('ours', maildir)]
  const known = { texts: new Map<number, string>(), uids: new Map<string, number>() }
  const witnesses = [
    new Witness(ours, await ours.select(), known),
    new Witness(ours, await ours.select({ readOnly: true }), known),
    new Witness(other, await other.select(), known),
  ]
  const until = Date.now() + duration
  const work = async (mailbox: Mailbox, who: string, witness: Witness) => {
    for (let step = 0; Date.now() < until; step++) {
      await changeOurs(mailbox, who, step, deeds)
      witness.look()
      await delay(Math.random() * 3)
    }
  }
  await Promise.all([
    work(ours, 'one', witnesses[0]!),
    work(ours, 'two', witnesses[1]!),
    work(other, 'three', witnesses[2]!),
  ])
  for (const child of children) {
    const { put, taken } = await stop(child)
    deeds.put.push(...put)
    deeds.taken.push(...taken)
  }
  await delay(50)
  const late = await elsewhere(maildir)
  const taken = new Set(deeds.taken)
  const expected = deeds.put.filter(text => !taken.has(text)).sort()
  const onDisk = files(maildir).map(path => readFileSync(join(maildir, path), 'utf8'))
  assert.deepEqual(difference(expected, onDisk), { lost: [], unexpected: [] })
  for (const mailbox of [ours, other, late]) {
    await mailbox.refresh()
    const found = [...mailbox.uids].map(uid => mailbox.read(uid)!.toString())
    assert.deepEqual(difference(expected, found), { lost: [], unexpected: [] })
    assert.equal(found.length, expected.length)
    assert.deepEqual(flagsOf(mailbox), flagsOf(ours))
    assert.equal(mailbox.uidNext, ours.uidNext)
  }
  for (const witness of witnesses) {
    witness.look()
    witness.view.close()
  }
  assert.equal(files(maildir).length, expected.length)
  assert.deepEqual(new Set(deeds.put).size, deeds.put.length)
  const lines = readFileSync(join(maildir, 'dovecot-uidlist'), 'latin1').split('\n').slice(1, -1)
  const uids = lines.map(line => Number.parseInt(line, 10))
  assert.deepEqual(
    uids,
    [...new Set(uids)].sort((a, b) => a - b),
  )
  ours.close()
})
