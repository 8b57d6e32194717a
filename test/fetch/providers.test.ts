/** Providers as they speak, right or wrong: fixtures/fetch/. */
import assert from 'node:assert/strict'
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { adviceFor, providerOf, providers } from '../../lib/fetch/providers.js'
import { temporaryDirectory } from '../support/world.js'
import { fakeProvider } from './fake.js'
import { accountAt, fetched, fetchOnce, holds, numbers } from './world.js'

test('Gmail: a message in several folders is fetched once, and is one file', async t => {
  const fake = await fakeProvider('fixtures/fetch/gmail.txt')
  t.after(() => fake.close())
  const home = temporaryDirectory(t)
  const outcome = await fetchOnce(accountAt(fake.port, home)).catch(error => error)
  assert.deepEqual(fake.complaints, [])
  assert.equal(fetched(outcome), 3)
  assert.deepEqual(await numbers(home), [1, 2])
  const all = '[Gmail].전체보관함'
  assert.deepEqual(await numbers(home, all), [1, 2, 3])
  assert.equal((await holds(home))[0]?.flags, '$NotPhishing \\Seen')
  const inbox = join(home, 'Maildir', 'cur')
  const links = readdirSync(inbox).map(name => statSync(join(inbox, name)).nlink)
  assert.deepEqual(links, [2, 2])
})

test('what servers send wrongly is understood; a message that is not sent is told, and asked for again', async t => {
  const fake = await fakeProvider('fixtures/fetch/exchange.txt')
  t.after(() => fake.close())
  const home = temporaryDirectory(t)
  const account = accountAt(fake.port, home)
  const outcome = await fetchOnce(account).catch(error => error)
  assert.deepEqual(fake.complaints, [])
  const [{ fetched: count, unread }] = outcome.folders
  assert.deepEqual([count, unread], [2, 1])
  assert.deepEqual(
    (await holds(home)).map(({ number, flags }) => [number, flags]),
    [
      [1, 'Seen'],
      [2, '\\Answered'],
    ],
  )
  await fetchOnce(account).catch(() => {})
  assert.match(fake.complaints.join(), /heard "UID FETCH 7:\*/)
})

test('codes and answers without a text, lists in lower case, out of order and twice, NIL for a message and a date', async t => {
  const fake = await fakeProvider('fixtures/fetch/odd.txt')
  t.after(() => fake.close())
  const home = temporaryDirectory(t)
  const before = Date.now()
  const { folders, failures } = await fetchOnce(accountAt(fake.port, home))
  assert.deepEqual(fake.complaints, [])
  assert.deepEqual(failures, [])
  assert.deepEqual([folders.length, folders[0]?.fetched, folders[0]?.unread], [1, 3, 1])
  const here = await holds(home)
  assert.deepEqual(
    here.map(({ number, flags }) => [number, flags]),
    [
      [1, '\\Seen'],
      [2, ''],
      [3, '$ \\Flagged'],
    ],
  )
  assert.ok((here[2]?.date ?? 0) >= before - 2_000, 'a message without a date arrived now')
})

test('every provider has advice in English and in Korean, by its server', () => {
  for (const provider of Object.values(providers)) {
    assert.equal(providerOf(provider.host.toUpperCase()), provider)
    assert.match(adviceFor(provider, 'en_US.UTF-8'), /^[\x20-\x7e]+$/)
    assert.match(adviceFor(provider, 'ko_KR.UTF-8'), /[가-힣]/)
    assert.equal(provider.port, 993)
  }
  assert.equal(providerOf('localhost'), undefined)
})
