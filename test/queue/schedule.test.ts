import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Envelope } from '../../lib/queue/entry.js'
import { defaultSchedule, nextAttempt, nextReview, review, wantsReport } from '../../lib/queue/schedule.js'

const minute = 60_000
const hour = 60 * minute
const waits = [1, 2, 4, 8, 16, 32, 60, 60].map(each => each * minute)
for (const [i, wait] of waits.entries())
  test(`nextAttempt() after ${i + 1} - ${wait / minute} minutes`, () =>
    assert.equal(nextAttempt(defaultSchedule, i + 1, 1000, 0.5), 1000 + wait))

test('nextAttempt() is always ahead, and never more than a tenth off', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 10_000 }),
      fc.double({ min: 0, max: 1, noNaN: true }),
      (attempts, chance) => {
        const wait = nextAttempt(defaultSchedule, attempts, 0, chance)
        return wait > 0 && wait <= defaultSchedule.lastRetry * 1.05
      },
    ),
  )
})

const envelope = (more: Partial<Envelope> = {}): Envelope => ({
  arrived: 0,
  sender: 'a@x.internal',
  recipients: [{ address: 'b@example.org', state: 'waiting', due: 0, attempts: 0 }],
  size: 1,
  wireSize: 1,
  ...more,
})
const { warnAfter, maxAge } = defaultSchedule
const reviews: [Partial<Envelope>, number, ReturnType<typeof review>, number, string][] = [
  [{}, 0, undefined, warnAfter, 'fresh'],
  [{}, warnAfter, 'warn', warnAfter, 'late'],
  [{ warned: true }, warnAfter, undefined, maxAge, 'warned already'],
  [{ warned: true }, maxAge, 'expired', maxAge, 'too old'],
  [{}, maxAge, 'expired', warnAfter, 'too old and never warned'],
  [
    { by: { at: hour, mode: 'return' } },
    hour - 1,
    undefined,
    hour,
    'to be there by a time, which is to come',
  ],
  [
    { by: { at: hour, mode: 'return' } },
    hour,
    'expired',
    hour,
    'to be returned where it is not there by now',
  ],
  [{ by: { at: hour, mode: 'notify' } }, hour, 'warn', hour, 'to be told of where it is not there by now'],
  [
    { by: { at: 5 * hour, mode: 'notify' } },
    warnAfter,
    undefined,
    5 * hour,
    'to be told of at a time of its own, and once only',
  ],
  [{ by: { at: hour, mode: 'notify' }, warned: true }, hour, undefined, maxAge, 'told of already'],
  [
    { by: { at: maxAge + 1, mode: 'return' }, warned: true },
    maxAge,
    'expired',
    maxAge,
    'a time that is too far off',
  ],
  [{ held: 'x' }, maxAge, undefined, Number.POSITIVE_INFINITY, 'held entries do not age'],
]
for (const [more, now, verdict, next, why] of reviews)
  test(`review() - ${why}`, () => {
    assert.equal(review(envelope(more), defaultSchedule, now), verdict)
    assert.equal(nextReview(envelope(more), defaultSchedule), next)
  })

test('review() warns nobody where warnings are off', () =>
  assert.equal(review(envelope(), { ...defaultSchedule, warnAfter: 0 }, hour * 5), undefined))

const wishes = [
  [undefined, { failure: true, delay: true, success: false }],
  [['never'], { failure: false, delay: false, success: false }],
  [['success'], { failure: false, delay: false, success: true }],
  [['failure', 'delay'], { failure: true, delay: true, success: false }],
] as const
for (const [notify, expected] of wishes)
  test(`wantsReport() NOTIFY=${notify ?? 'nothing'}`, () => {
    const recipient = { ...envelope().recipients[0]!, ...(notify && { notify }) }
    for (const [kind, wanted] of Object.entries(expected))
      assert.equal(wantsReport(recipient, kind as 'failure'), wanted, kind)
  })
