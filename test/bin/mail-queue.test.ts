/** mail-queue as people and scripts call it. */
import assert from 'node:assert/strict'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { type QueuePlace, queuePlace } from './queue-place.js'

const relay = 'host = "127.0.0.1:1"\ntls = "off"\nmessages_per_day = 100\n'

/** A queue with a message of each sender. @returns identifiers in that order */
function filled(t: TestContext): { place: QueuePlace; ids: string[] } {
  const place = queuePlace(t, relay)
  for (const [sender, to] of [
    ['root@pve.internal', ['a@example.org', 'b@other.org']],
    ['app@x.internal', ['a@example.org']],
    ['<>', ['c@example.org']],
  ] as const)
    assert.equal(place.run('mail-send', ['-f', sender, ...to], 'Subject: x\n\nx\n').status, 0)
  return { place, ids: place.entries().map(({ id }) => id) }
}

const objects = (text: string) =>
  text
    .split('\n')
    .filter(line => line !== '')
    .map(line => JSON.parse(line))

test('an empty queue', t => {
  const place = queuePlace(t)
  assert.equal(place.run('mail-queue', ['list']).stdout, 'The queue is empty.\n')
  assert.equal(place.run('mail-queue', ['list', '--mailq']).stdout, 'Mail queue is empty\n')
  assert.equal(place.run('mail-queue', ['list', '--json']).stdout, '')
})

test('list: for people, for scripts, as mailq', t => {
  const { place, ids } = filled(t)
  const { stdout } = place.run('mail-queue', ['list'])
  for (const id of ids)
    assert.match(stdout, new RegExp(`^${id} +\\d+  \\d{4}-\\d\\d-\\d\\d \\d\\d:\\d\\d:\\d\\d  <`, 'm'))
  assert.match(stdout, /^127\.0\.0\.1:1: 0 of 100 messages in 24 hours$/m)
  assert.match(stdout, /^3 entries, /m)
  const all = objects(place.run('mail-queue', ['list', '--json']).stdout)
  assert.deepEqual(
    all.map(({ type }) => type),
    ['entry', 'entry', 'entry', 'budget'],
  )
  assert.equal(all[0].sender, 'root@pve.internal')
  assert.equal(all[0].recipients.length, 2)
  const classic = place.run('mail-queue', ['list', '--mailq']).stdout
  assert.match(classic, /^-Queue ID- {2}--Size-- ----Arrival Time---- -Sender\/Recipient-------$/m)
  assert.match(
    classic,
    new RegExp(`^${ids[2]}\\*? +\\d+ \\w{3} \\w{3} [ \\d]\\d \\d\\d:\\d\\d:\\d\\d  MAILER-DAEMON$`, 'm'),
  )
  assert.match(classic, /^-- \d+ Kbytes in 3 Requests\.$/m)
})

const selections: [string[], number[]][] = [
  [['-s', 'root@pve.internal'], [0]],
  [
    ['--sender', '*@x.internal', '--sender', '<>'],
    [1, 2],
  ],
  [
    ['-r', 'example.org'],
    [0, 1, 2],
  ],
  [['-r', 'other.org', '-s', 'app@x.internal'], []],
  [['--older', '1h'], []],
  [
    ['--newer', '1h'],
    [0, 1, 2],
  ],
  [['--held'], []],
]
test('list: selections', t => {
  const { place, ids } = filled(t)
  for (const [args, expected] of selections) {
    const found = objects(place.run('mail-queue', ['list', '--json', ...args]).stdout)
    assert.deepEqual(
      found.filter(({ type }) => type === 'entry').map(({ id }) => id),
      expected.map(i => ids[i]),
      args.join(' '),
    )
  }
})

test('hold and release', t => {
  const { place, ids } = filled(t)
  const held = place.run('mail-queue', ['hold', '--reason', 'looks odd', ids[0] as string])
  assert.deepEqual([held.status, held.stderr], [0, 'hold: 1 entry\n'])
  assert.equal(place.entries()[0]?.envelope.held, 'looks odd')
  assert.match(place.run('mail-queue', ['list', '--held']).stdout, /held: looks odd/)
  assert.match(place.run('mail-queue', ['list', '--mailq']).stdout, new RegExp(`^${ids[0]}!`, 'm'))
  assert.equal(place.run('mail-queue', ['release', '--held']).stderr, 'release: 1 entry\n')
  assert.equal(place.entries()[0]?.envelope.held, undefined)
})

test('retry makes everything due at once', t => {
  const { place } = filled(t)
  assert.equal(place.run('mail-queue', ['retry', 'all']).status, 0)
  for (const { envelope } of place.entries()) for (const { due } of envelope.recipients) assert.equal(due, 0)
})

test('delete', t => {
  const { place, ids } = filled(t)
  assert.equal(place.run('mail-queue', ['delete', '-r', 'a@example.org']).stderr, 'delete: 2 entries\n')
  assert.deepEqual(
    place.entries().map(({ id }) => id),
    [ids[2]],
  )
})

test('redirect: all who wait, or those who fit', t => {
  const { place, ids } = filled(t)
  const to = ['--to', 'new@example.org', '--to', 'alice@x.internal']
  assert.equal(place.run('mail-queue', ['redirect', ...to, ids[1] as string]).status, 0)
  assert.equal(
    place.run('mail-queue', ['redirect', '--to', 'new@example.org', '-r', 'other.org', 'all']).status,
    0,
  )
  const [first, second] = place.entries().map(({ envelope }) => envelope.recipients)
  assert.deepEqual(
    second?.map(({ address }) => address),
    ['new@example.org', 'alice@x.internal'],
  )
  assert.equal(second?.[0]?.original, 'rfc822;a@example.org')
  assert.deepEqual(
    first?.map(({ address }) => address),
    ['a@example.org', 'new@example.org'],
  )
})

test('show: what was said, and the header; nothing that moves the cursor', t => {
  const { place, ids } = filled(t)
  assert.equal(place.run('mail-relay', ['--once']).status, 0)
  const id = ids[0] as string
  const { stdout } = place.run('mail-queue', ['show', id])
  assert.match(stdout, /ECONNREFUSED/)
  assert.match(stdout, /^Subject: x$/m)
  const [object] = objects(place.run('mail-queue', ['show', '--json', id]).stdout)
  assert.equal(object.attempts.length, 1)
  assert.ok(object.header.some(({ name }: { name: string }) => name === 'Subject'))
  const { message } = place.entries()[0] as { message: string }
  assert.equal(place.run('mail-queue', ['show', '--message', id]).stdout, message)
  writeFileSync(join(place.directory, 'queue', 'mail', `${id}.message`), 'Subject: \x1b[2Jx\n\nx\n')
  assert.doesNotMatch(place.run('mail-queue', ['show', id]).stdout, /\x1b/)
})

const mistakes: [string[], number][] = [
  [[], 64],
  [['hold'], 64],
  [['delete'], 64],
  [['show'], 64],
  [['redirect', 'all'], 64],
  [['redirect', '--to', 'nobody', 'all'], 64],
  [['list', '--older', 'yesterday'], 64],
  [['show', 'mwtr02ipa8srmy'], 65],
  [['hold', 'mwtr02ipa8srmy'], 65],
  [['list', '-c', '/nonexistent'], 78],
]
for (const [args, status] of mistakes)
  test(`mail-queue ${args.join(' ')} ends with ${status}`, t => {
    const place = queuePlace(t, relay)
    const ended = place.run('mail-queue', args)
    assert.equal(ended.status, status, ended.stderr)
  })

test('an entry that is under way is left alone (75), the others are changed', t => {
  const { place, ids } = filled(t)
  const claim = join(place.directory, 'queue', 'mail', `${ids[0]}.claim`)
  writeFileSync(claim, 'somebody elsewhere\n')
  const ended = place.run('mail-queue', ['hold', 'all'])
  assert.equal(ended.status, 75)
  assert.match(ended.stderr, new RegExp(`under way .*${ids[0]}`))
  assert.deepEqual(
    place.entries().map(({ envelope }) => envelope.held !== undefined),
    [false, true, true],
  )
})
