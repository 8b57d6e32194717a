import assert from 'node:assert/strict'
import { mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { makeMaildir } from '../../lib/maildir/maildir.js'
import { watchMaildir } from '../../lib/maildir/watch.js'
import { temporaryDirectory, until } from '../support/world.js'

test('arrivals, renames and removals are told, several at a time as one', async t => {
  const maildir = join(temporaryDirectory(t), 'Maildir')
  await makeMaildir(maildir)
  let told = 0
  const stop = watchMaildir(maildir, () => told++)
  const steps = [
    () => {
      for (let i = 0; i < 50; i++) writeFileSync(join(maildir, 'new', `${i}`), '')
    },
    () => renameSync(join(maildir, 'new', '1'), join(maildir, 'cur', '1:2,S')),
    () => renameSync(join(maildir, 'cur', '1:2,S'), join(maildir, 'cur', '1:2,')),
    () => rmSync(join(maildir, 'cur', '1:2,')),
  ]
  for (const step of steps) {
    told = 0
    step()
    await until(() => told > 0)
    assert.ok(told < 20)
    await new Promise(resolve => setTimeout(resolve, 30))
  }
  stop()
  told = 0
  writeFileSync(join(maildir, 'new', 'late'), '')
  await new Promise(resolve => setTimeout(resolve, 30))
  assert.equal(told, 0)
})

test('a Maildir that is gone, or not there yet, is no error', async t => {
  const maildir = join(temporaryDirectory(t), 'Maildir')
  let told = 0
  const stop = watchMaildir(maildir, () => told++)
  mkdirSync(join(maildir, 'new'), { recursive: true })
  await until(() => told > 0)
  stop()
  await makeMaildir(maildir)
  const again = watchMaildir(maildir, () => told++)
  told = 0
  rmSync(maildir, { recursive: true })
  await until(() => told > 0)
  again()
})
