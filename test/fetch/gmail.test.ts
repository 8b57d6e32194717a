/** Gmail's labels, its budget over days, and its wish to be left alone. */
import assert from 'node:assert/strict'
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { summary } from '../../lib/command/fetch-print.js'
import { keywordOf } from '../../lib/fetch/labels.js'
import { Throttled } from '../../lib/fetch/trouble.js'
import { temporaryDirectory } from '../support/world.js'
import { messageOctets } from './fake.js'
import { Gmail } from './gmail.js'
import { accountAt, fetched, fetchOnce, holds, numbers } from './world.js'

const all = '[Gmail].전체보관함'

async function stage(
  t: Parameters<typeof temporaryDirectory>[0],
  changes: Parameters<typeof accountAt>[2] = {},
) {
  const gmail = await Gmail.start(t)
  const home = temporaryDirectory(t)
  gmail.label(1, '\\Inbox', 'Work')
  gmail.label(2, '\\Inbox', '\\Important', '여행 2026')
  gmail.label(3, 'Work')
  gmail.label(4, '\\Sent')
  gmail.label(5)
  return { gmail, home, account: accountAt(gmail.port, home, changes) }
}

const linksIn = (home: string, folder: string) => {
  const cur = join(home, 'Maildir', folder, 'cur')
  return readdirSync(cur).map(name => statSync(join(cur, name)).nlink)
}

test('labels as folders: each message comes once, and is one file with a link in each', async t => {
  const { home, account } = await stage(t)
  assert.equal(fetched(await fetchOnce(account)), 5)
  assert.deepEqual(await numbers(home), [1, 2])
  assert.deepEqual(await numbers(home, 'Work'), [1, 3])
  assert.deepEqual(await numbers(home, '여행 2026'), [2])
  assert.deepEqual(await numbers(home, all), [1, 2, 3, 4, 5])
  assert.deepEqual(linksIn(home, '.Work'), [3, 2])
  assert.equal(fetched(await fetchOnce(account)), 0)
})

test('flags = "none": they stay there', async t => {
  const { home, account } = await stage(t, { policy: { flags: 'none', gone: 'keep' } })
  await fetchOnce(account)
  assert.deepEqual(
    (await holds(home)).map(each => each.flags),
    ['', ''],
  )
})

test('all_mail = "rest": only what stands in no other folder; "skip": nothing of it', async t => {
  const { home, account } = await stage(t, { allMail: 'rest' })
  assert.equal(fetched(await fetchOnce(account)), 5)
  assert.deepEqual(await numbers(home, all), [5])
  assert.equal(fetched(await fetchOnce(account)), 0)
  const other = await stage(t, { allMail: 'skip' })
  assert.equal(fetched(await fetchOnce(other.account)), 4)
  assert.deepEqual(await numbers(other.home, all), [])
})

test('labels as keywords: messages stand in INBOX, Sent, All Mail …; labels that change are followed', async t => {
  const { gmail, home, account } = await stage(t, {
    labels: 'keywords',
    allMail: 'rest',
    policy: { flags: 'follow', gone: 'keep' },
  })
  assert.equal(fetched(await fetchOnce(account)), 5)
  const flags = async (name?: string) => (await holds(home, name)).map(each => [each.number, each.flags])
  assert.deepEqual(await flags(), [
    [1, 'Work \\Seen'],
    [2, '$Important &xezViQ-_2026 \\Seen'],
  ])
  assert.deepEqual(await flags(all), [
    [3, 'Work \\Seen'],
    [5, '\\Seen'],
  ])
  assert.deepEqual(await numbers(home, 'Work'), [])
  gmail.label(1, '\\Inbox', 'Play')
  gmail.label(5, 'Work')
  await fetchOnce(account)
  assert.deepEqual((await flags())[0], [1, 'Play \\Seen'])
  assert.deepEqual((await flags(all))[1], [5, 'Work \\Seen'])
})

for (const allMail of ['whole', 'rest'] as const)
  test(`gone = "trash", all_mail = "${allMail}": what is archived there goes to All Mail here, not to Trash`, async t => {
    const { gmail, home, account } = await stage(t, { allMail, policy: { flags: 'once', gone: 'trash' } })
    await fetchOnce(account)
    gmail.label(2)
    const { folders } = await fetchOnce(account)
    assert.equal(
      folders.reduce((sum, { moved }) => sum + moved, 0),
      3,
    )
    assert.deepEqual(await numbers(home), [1])
    assert.deepEqual(await numbers(home, '여행 2026'), [])
    assert.deepEqual(await numbers(home, 'Trash'), [])
    assert.deepEqual(await numbers(home, all), allMail === 'whole' ? [1, 2, 3, 4, 5] : [2, 5])
    assert.equal(fetched(await fetchOnce(account)), 0)
  })

test('keywordOf() makes an atom of a label, and nothing of what folders and flags stand for', () => {
  for (const [label, keyword] of [
    ['Work', 'Work'],
    ['Work/2026', 'Work/2026'],
    ['to do', 'to_do'],
    ['a(b)c{d}e%f*g"h\\i]j', 'a_b_c_d}e_f_g_h_i_j'],
    ['여행', '&xezViQ-'],
    ['\\Important', '$Important'],
    ['\\Inbox', undefined],
    ['\\Starred', undefined],
    ['', undefined],
  ] as const)
    assert.equal(keywordOf(label), keyword, label)
})

test('the budget spreads a fetch over days, says which of how many, and goes on the next', async t => {
  const { gmail, home } = await stage(t)
  for (let number = 6; number <= 40; number++) gmail.label(number, '\\Inbox')
  const size = messageOctets(7).length
  const account = accountAt(gmail.port, home, { bytesPerDay: 10 * size, allMail: 'skip' })
  let now = Date.UTC(2026, 2, 15, 12)
  const run = () => fetchOnce(account, { clock: () => now })
  const days: string[] = []
  const counts: number[] = []
  for (let day = 0; day < 9; day++) {
    const result = await run()
    days.push(result.days ? `${result.days.day} of ${result.days.of}` : '')
    counts.push(fetched(result))
    // The same day brings nothing more.
    if (result.folders.some(each => each.postponed > 0)) {
      assert.match(summary(result, false), new RegExp(`day ${day + 1} of \\d, .* left for another day`))
      assert.equal(fetched(await run()), 0)
    }
    now += 24 * 3_600_000
  }
  assert.equal(
    counts.reduce((sum, count) => sum + count),
    39,
  )
  const needed = counts.filter(count => count > 0).length
  assert.ok(needed >= 3)
  assert.deepEqual(
    days.slice(0, needed).map(each => Number.parseInt(each, 10)),
    Array.from({ length: needed }, (_, i) => i + 1),
  )
  assert.equal(days[needed - 1], `${needed} of ${needed}`)
  assert.deepEqual(days.slice(needed), Array(9 - needed).fill(''))
})

for (const [said, minutes] of [
  ['NO [OVERQUOTA] Account exceeded command or bandwidth limits. (Failure)', 60],
  ['NO [THROTTLED] Too many requests', 5],
  ['NO Request is throttled. Suggested Backoff Time: 720000 milliseconds', 12],
] as const)
  test(`${said.slice(0, 40)}…: nothing is asked for ${minutes} minutes, and longer the next time`, async t => {
    const { gmail, home, account } = await stage(t)
    let now = Date.UTC(2026, 2, 15, 12)
    const run = () => fetchOnce(account, { clock: () => now })
    gmail.refusal = said
    await assert.rejects(run(), (error: Error) => error instanceof Throttled && error.exit === 75)
    const { connections } = gmail
    now += (minutes - 1) * 60_000
    await assert.rejects(run(), /not asked again before 2026-03-15 1\d:\d\d UTC/)
    assert.equal(gmail.connections, connections)
    now += 2 * 60_000
    await assert.rejects(run(), Throttled)
    assert.equal(gmail.connections, connections + 1)
    now += minutes * 60_000
    if (minutes !== 12) await assert.rejects(run(), /not asked again before/)
    gmail.refusal = ''
    now += 2 * minutes * 60_000
    assert.equal(fetched(await run()), 5)
    assert.deepEqual(await numbers(home), [1, 2])
    assert.equal(fetched(await run()), 0)
  })

test('a login that is refused for its octets says nothing about the password', async t => {
  const { gmail, account } = await stage(t)
  gmail.loginRefusal = 'NO [OVERQUOTA] Account exceeded command or bandwidth limits. (Failure)'
  await assert.rejects(fetchOnce(account), Throttled)
  await assert.rejects(fetchOnce(account), Throttled)
  assert.equal(gmail.connections, 1)
  gmail.loginRefusal = ''
  assert.equal(fetched(await fetchOnce(account, { retryLogin: true })), 5)
})
