import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Plan, type Policy, planFolder, type Remembered } from '../../lib/fetch/plan.js'
import type { RemoteStatus } from '../../lib/fetch/source.js'

const remote: RemoteStatus = { validity: '7', uidNext: 11, messages: 10, modseq: '50' }
const memory: Remembered = {
  validity: '7',
  floor: 10,
  uidNext: 11,
  messages: 10,
  modseq: '50',
  count: 10,
  unsure: false,
  sameLocal: true,
}
const idle: Plan = {
  idle: true,
  heal: false,
  relink: false,
  listFrom: 0,
  flags: false,
  gone: false,
  since: undefined,
}
/** Changes are asked for since the MODSEQ that is remembered, where the server has one. */
const busy = { ...idle, idle: false, since: '50' }
const afresh = { ...idle, idle: false }
const once: Policy = { flags: 'once', gone: 'keep' }
const mirror: Policy = { flags: 'follow', gone: 'trash' }

const cases: [
  why: string,
  remote: Partial<RemoteStatus>,
  memory: Partial<Remembered> | undefined,
  Policy,
  Plan,
][] = [
  ['nothing happened', {}, {}, mirror, idle],
  ['an empty folder that was never seen', { messages: 0, uidNext: 1 }, undefined, once, idle],
  ['a folder that was never seen', {}, undefined, once, { ...afresh, heal: true, listFrom: 1 }],
  ['a new message', { uidNext: 12, messages: 11 }, {}, once, { ...busy, listFrom: 11 }],
  ['one came and went', { uidNext: 12 }, {}, once, { ...busy, listFrom: 11 }],
  ['some left by the last run', {}, { floor: 4 }, once, { ...busy, listFrom: 5 }],
  ['a server that tells no UIDNEXT', { uidNext: 0 }, {}, once, { ...busy, listFrom: 11 }],
  ['another UIDVALIDITY', { validity: '8' }, {}, mirror, { ...afresh, heal: true, listFrom: 1 }],
  [
    'another UIDVALIDITY on both sides',
    { validity: '8' },
    { sameLocal: false },
    once,
    { ...afresh, heal: true, relink: true, listFrom: 1 },
  ],
  ['another mailbox here', {}, { sameLocal: false }, once, { ...busy, relink: true }],
  ['flags changed and nobody wants them', { modseq: '51' }, {}, once, idle],
  ['flags changed', { modseq: '51' }, {}, { flags: 'follow', gone: 'keep' }, { ...busy, flags: true }],
  [
    'a server without CONDSTORE',
    { modseq: undefined },
    { modseq: undefined },
    { flags: 'follow', gone: 'keep' },
    { ...afresh, flags: true },
  ],
  ['one is gone and kept', { messages: 9 }, {}, once, idle],
  ['one is gone', { messages: 9 }, {}, { flags: 'once', gone: 'trash' }, { ...busy, gone: true }],
  [
    'one is gone, one came',
    { uidNext: 12, modseq: undefined },
    { modseq: undefined },
    { flags: 'none', gone: 'trash' },
    { ...afresh, listFrom: 11, gone: true },
  ],
]
for (const [why, there, remembered, policy, plan] of cases)
  test(`planFolder() ${why}`, () =>
    assert.deepEqual(
      planFolder({ ...remote, ...there }, remembered && { ...memory, ...remembered }, policy),
      plan,
    ))
