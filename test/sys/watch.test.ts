import assert from 'node:assert/strict'
import { renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { watchFiles } from '../../lib/sys/watch.js'
import { temporaryDirectory, until } from '../support/world.js'

test('watchFiles() tells a write, a replacement by rename, and a file that appears', async t => {
  const folder = temporaryDirectory(t)
  const [users, later] = [join(folder, 'users'), join(folder, 'later')]
  writeFileSync(users, 'one')
  let told = 0
  const watch = await watchFiles([users, later], () => told++, 20)
  t.after(() => watch.close())
  const changes = [
    () => writeFileSync(users, 'two'),
    () => {
      writeFileSync(join(folder, 'new'), 'three')
      renameSync(join(folder, 'new'), users)
    },
    () => writeFileSync(later, 'four'),
  ]
  for (const change of changes) {
    const before = told
    change()
    await until(() => told > before)
    await new Promise(resolve => setTimeout(resolve, 100))
  }
  assert.ok(told >= 3)
})
