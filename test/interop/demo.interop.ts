/** The line that mail-suite --demo prints, pasted into a shell. */
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { test } from 'node:test'
import { has } from '../support/program.js'
import { temporaryDirectory, until } from '../support/world.js'

test('the curl line shows the welcome message, at the first start and at the second', {
  skip: has('curl') ? false : 'curl is not installed',
}, async t => {
  const state = join(temporaryDirectory(t), "it's here")
  for (const start of ['first', 'second']) {
    const argv = ['dist/bin/mail-suite.cjs', '--demo', '--state', state, '--port-offset', '21000']
    const suite = spawn(process.execPath, argv, { stdio: ['ignore', 'pipe', 'inherit'] })
    t.after(() => suite.kill('SIGKILL'))
    let out = ''
    let status: number | null | undefined
    suite.stdout.on('data', chunk => {
      out += chunk
    })
    suite.on('close', code => {
      status = code
    })
    await until(() => out.includes('Ctrl-C ends it') || status !== undefined, 60_000)
    const line = /^ {2}(curl .*)$/m.exec(out)?.[1] ?? 'false'
    const curl = spawnSync('sh', ['-c', line], { encoding: 'utf8', cwd: '/' })
    assert.equal(curl.status, 0, `${start}: ${curl.stderr}`)
    assert.match(curl.stdout, /^Subject: Welcome to Postern\r$/m, start)
    suite.kill('SIGINT')
    await until(() => status !== undefined)
    assert.equal(status, 0)
  }
})
