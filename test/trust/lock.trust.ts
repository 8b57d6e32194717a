import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { utimesSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { withDotlock } from '../../lib/sys/dotlock.js'
import { temporaryDirectory } from '../support/world.js'

test('a lock that is older than the process of its number was left before the machine was started anew', async t => {
  const path = join(temporaryDirectory(t), 'lock')
  const other = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'])
  t.after(() => other.kill('SIGKILL'))
  writeFileSync(path, `${other.pid}:${hostname()}`)
  utimesSync(path, 1_000_000_000, 1_000_000_000)
  assert.equal(await withDotlock(path, () => 'mine', { wait: 60_000 }), 'mine')
})
