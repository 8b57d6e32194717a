/** An account that is watched. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type FetchAccount, type FetchResult, withAccount } from '../../lib/fetch/fetch.js'
import { watchAccount } from '../../lib/fetch/watch.js'
import { Log } from '../../lib/sys/log.js'
import { temporaryDirectory, until } from '../support/world.js'
import { Gmail } from './gmail.js'
import { accountAt, fetched, numbers } from './world.js'

/** Watches until the test lets go. */
function watching(
  account: FetchAccount,
  options: { watch: string[]; maxConnections?: number; every?: number },
) {
  const stop = new AbortController()
  const results: FetchResult[] = []
  const lines: string[] = []
  const log = new Log({ write: line => void lines.push(line) })
  const { maxConnections = 3, every = 3_600_000, watch } = options
  const ended = withAccount(account, { log, signal: stop.signal }, session =>
    watchAccount(session, {
      watch,
      every,
      maxConnections,
      signal: stop.signal,
      log,
      passed: result => void results.push(result),
    }),
  )
  return {
    results,
    lines,
    stop: async () => {
      stop.abort()
      await ended
    },
  }
}

test('no more connections than are allowed, however many folders are watched', async t => {
  const gmail = await Gmail.start(t)
  for (let number = 1; number <= 6; number++) gmail.label(number, '\\Inbox', `label${number}`)
  const account = accountAt(gmail.port, temporaryDirectory(t))
  const watch = watching(account, { watch: ['INBOX', 'label*'], maxConnections: 3 })
  await until(() => gmail.heard.filter(each => each === 'IDLE').length >= 3, 20_000)
  assert.equal(gmail.open, 3)
  assert.equal(gmail.connections, 3)
  await watch.stop()
})

test('what comes to a watched folder is here at once; what happens elsewhere, when it is asked', async t => {
  const gmail = await Gmail.start(t)
  gmail.label(1, '\\Inbox')
  gmail.label(2, 'Work')
  const home = temporaryDirectory(t)
  const watch = watching(accountAt(gmail.port, home), { watch: ['INBOX', 'Work'] })
  await until(() => gmail.heard.filter(each => each === 'IDLE').length >= 2, 20_000)
  gmail.label(3, 'Work')
  await until(async () => (await numbers(home, 'Work')).length === 2, 20_000)
  gmail.label(4, '\\Inbox')
  await until(async () => (await numbers(home)).length === 2, 20_000)
  await watch.stop()
  assert.deepEqual(await numbers(home), [1, 4])
})

test('a provider that asks to be left alone is left alone, and the account stays', async t => {
  const gmail = await Gmail.start(t)
  gmail.label(1, '\\Inbox')
  gmail.refusal = 'NO [THROTTLED] Too many requests'
  const home = temporaryDirectory(t)
  const watch = watching(accountAt(gmail.port, home), { watch: ['INBOX'] })
  await until(() => watch.lines.some(line => line.includes('fetch-paused')), 20_000)
  const [line = ''] = watch.lines.filter(each => each.includes('fetch-paused'))
  assert.match(line, /seconds=300/)
  assert.equal(gmail.connections, 1)
  await watch.stop()
  assert.equal(
    watch.results.reduce((sum, result) => sum + fetched(result), 0),
    0,
  )
})
