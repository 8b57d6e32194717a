import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { Keywords } from '../../lib/mailbox/keywords.js'
import { changeSubscriptions, readSubscriptions } from '../../lib/mailbox/subscriptions.js'
import { nextUidValidity } from '../../lib/mailbox/uidvalidity.js'
import { bareMaildir } from './support.js'

const markers = (root: string) => readdirSync(root).filter(name => name.startsWith('dovecot-uidvalidity.'))

test('UIDVALIDITY begins with the time and never repeats', () => {
  const root = bareMaildir()
  const given = [1, 2, 3].map(() => nextUidValidity(root, 1_700_000_000_000))
  assert.deepEqual(given, [1_700_000_000, 1_700_000_001, 1_700_000_002])
  assert.equal(readFileSync(join(root, 'dovecot-uidvalidity'), 'latin1'), '6553f102')
  assert.deepEqual(markers(root), ['dovecot-uidvalidity.6553f102'])
  assert.equal(statSync(join(root, markers(root)[0]!)).mode & 0o777, 0o444)
})

test('UIDVALIDITY goes on from the marker when the file is missing, broken or behind', () => {
  for (const content of [undefined, 'nonsense', '00000001', '6553f0fe']) {
    const root = bareMaildir()
    writeFileSync(join(root, 'dovecot-uidvalidity.6553f100'), '')
    if (content !== undefined) writeFileSync(join(root, 'dovecot-uidvalidity'), content)
    assert.equal(nextUidValidity(root, 1), 0x6553f101, content)
    assert.deepEqual(markers(root), ['dovecot-uidvalidity.6553f101'])
  }
})

test('keywords keep their letters, are found in any case, and pass over nonsense', async () => {
  const root = bareMaildir()
  writeFileSync(join(root, 'dovecot-keywords'), '1 $Forwarded\nx\n3 a b\n26 z\n0 Work\n0 twice\n')
  const keywords = new Keywords(root)
  assert.ok(keywords.read())
  assert.deepEqual(keywords.names, ['Work', '$Forwarded'])
  assert.deepEqual(
    [keywords.bitOf('work'), keywords.bitOf('$FORWARDED'), keywords.bitOf('x')],
    [32, 64, undefined],
  )
  assert.deepEqual(await keywords.add(['WORK', 'New']), [])
  assert.equal(readFileSync(join(root, 'dovecot-keywords'), 'utf8'), '0 Work\n1 $Forwarded\n2 New\n')
  assert.ok(!keywords.read())
})

test('the time of dovecot-keywords grows by whole seconds, also into the future', async () => {
  const root = bareMaildir()
  const path = join(root, 'dovecot-keywords')
  const keywords = new Keywords(root)
  keywords.read()
  const times: number[] = []
  for (const name of ['a', 'b', 'c']) {
    await keywords.add([name])
    times.push(Math.floor(statSync(path).mtimeMs / 1000))
  }
  assert.ok(times[0]! < times[1]! && times[1]! < times[2]!)
  const far = Math.floor(Date.now() / 1000) + 1000
  utimesSync(path, far, far)
  keywords.read()
  await keywords.add(['d'])
  assert.equal(Math.floor(statSync(path).mtimeMs / 1000), far + 1)
  assert.ok(!existsSync(`${path}.lock`))
})

test('the 27th keyword has no letter', async () => {
  const keywords = new Keywords(bareMaildir())
  const names = Array.from({ length: 28 }, (_, i) => `k${i}`)
  assert.deepEqual(await keywords.add(names), ['k26', 'k27'])
  assert.equal(keywords.bitOf('k25'), 1 << 30)
})

test('subscriptions are read in both versions and written in the second', async () => {
  const root = bareMaildir()
  const path = join(root, 'subscriptions')
  writeFileSync(path, 'inbox\nArch&AOk-.Sub One\nbroken&name\n')
  assert.deepEqual(readSubscriptions(root), ['INBOX', 'Arché.Sub One', 'broken&name'])
  await changeSubscriptions(root, { add: ['Ü.Tab\there'], remove: ['broken&name'] })
  assert.equal(readFileSync(path, 'utf8'), 'V\t2\n\nINBOX\nArch&AOk-\tSub One\n&ANw-\tTab&AAk-here\n')
  assert.deepEqual(readSubscriptions(root), ['INBOX', 'Arché.Sub One', 'Ü.Tab\there'])
  const { mtimeMs } = statSync(path)
  await changeSubscriptions(root, { add: ['INBOX'], remove: ['never'] })
  assert.equal(statSync(path).mtimeMs, mtimeMs)
  assert.ok(!existsSync(`${path}.lock`))
})

test('many changes of subscriptions at once are all made; a lock left behind is broken', async () => {
  const root = bareMaildir()
  writeFileSync(join(root, 'subscriptions.lock'), '')
  utimesSync(join(root, 'subscriptions.lock'), 1, 1)
  const names = Array.from({ length: 20 }, (_, i) => `n${i}`)
  await Promise.all(names.map(name => changeSubscriptions(root, { add: [name] })))
  assert.deepEqual(readSubscriptions(root).sort(), [...names].sort())
})

test('a lock on subscriptions that a dead process left holds nobody up', async () => {
  const root = bareMaildir()
  const { pid } = spawnSync(process.execPath, ['-e', ''])
  writeFileSync(join(root, 'subscriptions.lock'), `${pid}:${hostname()}`)
  await changeSubscriptions(root, { add: ['here'] })
  assert.deepEqual(readSubscriptions(root), ['here'])
})

test('no subscriptions at all are none', () => {
  const root = bareMaildir()
  mkdirSync(join(root, 'x'))
  assert.deepEqual(readSubscriptions(join(root, 'x')), [])
})
