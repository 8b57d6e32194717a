import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Entry } from '../../lib/queue/entry.js'
import { isSelected, matches, type Selector } from '../../lib/queue/select.js'

const patterns: [string, string, boolean][] = [
  ['a@x.org', 'A@X.ORG', true],
  ['*@x.org', 'a@x.org', true],
  ['*@x.org', 'a@sub.x.org', false],
  ['x.org', 'a@x.org', true],
  ['x.org', 'a@sub.x.org', false],
  ['.x.org', 'a@sub.x.org', true],
  ['.x.org', 'a@x.org', false],
  ['*', 'anything', true],
  ['*', '', true],
  ['<>', '', true],
  ['<>', 'a@x.org', false],
  ['a?c@*', 'abc@y', true],
  ['a.c@x.org', 'abc@x.org', false],
  ['a+b@x.org', 'a+b@x.org', true],
  ['(a@x.org', '(a@x.org', true],
]
for (const [pattern, address, expected] of patterns)
  test(`matches() ${pattern} <${address}>`, () => assert.equal(matches(pattern, address), expected))

const entry: Entry = {
  id: 'one',
  envelope: {
    arrived: 1000,
    sender: 'root@pve.internal',
    size: 1,
    wireSize: 1,
    recipients: [
      { address: 'done@x.org', state: 'relayed', due: 0, attempts: 1 },
      { address: 'b@example.org', state: 'waiting', due: 0, attempts: 0 },
    ],
  },
}
const selectors: [Partial<Selector>, boolean, string][] = [
  [{}, true, 'nothing asked'],
  [{ ids: ['one', 'two'] }, true, 'one of the identifiers'],
  [{ ids: ['two'] }, false, 'another identifier'],
  [{ senders: ['nobody@x', 'pve.internal'] }, true, 'one of the senders'],
  [{ recipients: ['example.org'] }, true, 'a recipient who waits'],
  [{ recipients: ['done@x.org'] }, false, 'a recipient who waits no more'],
  [{ senders: ['pve.internal'], recipients: ['elsewhere.org'] }, false, 'all that is asked must fit'],
  [{ before: 999 }, false, 'younger'],
  [{ before: 1000 }, true, 'older'],
  [{ after: 1001 }, false, 'arrived before'],
  [{ held: true }, false, 'not held'],
]
for (const [selector, expected, why] of selectors)
  test(`isSelected() - ${why}`, () =>
    assert.equal(isSelected(entry, { ids: [], senders: [], recipients: [], ...selector }), expected))
