/**
 * Loaded before a daemon under test, with --expose-gc: on SIGUSR2 it tidies up its memory and says in METERS/PID.json
 * what is left.
 */
import { renameSync, writeFileSync } from 'node:fs'
import { isMainThread } from 'node:worker_threads'

const folder = process.env['METERS']
const tidy = (globalThis as { gc?: () => void }).gc

function say(): void {
  const { heapUsed, external } = process.memoryUsage()
  const timers = process.getActiveResourcesInfo().filter(name => name === 'Timeout').length
  const path = `${folder}/${process.pid}.json`
  writeFileSync(`${path}.tmp`, JSON.stringify({ heap: heapUsed, external, timers }))
  renameSync(`${path}.tmp`, path)
}

if (isMainThread && folder && tidy)
  process.on('SIGUSR2', () => {
    tidy()
    // What waits for the end of a turn is let go by then, and what that let go of a turn later.
    setTimeout(() => {
      tidy()
      setTimeout(() => {
        tidy()
        say()
      }, 20)
    }, 20)
  })
