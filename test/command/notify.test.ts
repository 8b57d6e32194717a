import assert from 'node:assert/strict'
import { chmodSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { notifier } from '../../lib/command/notify.js'
import { temporaryDirectory, until } from '../support/world.js'

test('systemd is told that the service is ready, lives and ends', async t => {
  const directory = temporaryDirectory(t)
  const told = join(directory, 'told')
  const program = join(directory, 'systemd-notify')
  writeFileSync(told, '')
  writeFileSync(program, `#!/bin/sh\necho "$NOTIFY_SOCKET $*" >> "${told}"\n`)
  chmodSync(program, 0o755)
  const environment: NodeJS.ProcessEnv = {
    PATH: `${directory}:${process.env['PATH']}`,
    NOTIFY_SOCKET: '/run/x',
    WATCHDOG_USEC: '20000',
  }
  const lines = () => readFileSync(told, 'utf8')
  const systemd = notifier(environment)
  assert.deepEqual(Object.keys(environment), ['PATH'], 'a child of ours must not take them for its own')
  systemd.ready()
  const pid = `--pid=${process.pid}`
  await until(() => lines().includes(`/run/x ${pid} --ready\n`))
  await until(() => lines().split('WATCHDOG=1\n').length > 2)
  systemd.stopping()
  await until(() => lines().includes(`/run/x ${pid} --no-block STOPPING=1\n`))
})

test('a watchdog that is for another process is left to it', () => {
  const environment: NodeJS.ProcessEnv = {
    NOTIFY_SOCKET: '/run/x',
    WATCHDOG_USEC: '1',
    WATCHDOG_PID: '1',
    PATH: '/nowhere',
  }
  // No program to call either: both are borne.
  notifier(environment).ready()
})

test('without systemd nothing is told', () => {
  const systemd = notifier({})
  systemd.ready()
  systemd.stopping()
})
