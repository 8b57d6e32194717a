import assert from 'node:assert/strict'
import { test } from 'node:test'
import { messageIds } from '../../lib/message/message-id.js'

const fields = [
  // field                                   IDs               why
  ['<a@b>', ['a@b'], 'one'],
  ['<a@b> <c@d>', ['a@b', 'c@d'], 'several'],
  ['<a@b><c@d>', ['a@b', 'c@d'], 'without space between'],
  ['Your message of <a@b> Monday', ['a@b'], 'words beside it'],
  ['<"01KF8JCEOCBS0045PS"@xxx.yyy.com>', ['01KF8JCEOCBS0045PS@xxx.yyy.com'], 'quotes that are not needed'],
  ['<"a\\"b"@c>', ['a"b@c'], 'quoted pairs'],
  ['<a@ b >', ['a@b'], 'space within'],
  ['<A@b>', ['A@b'], 'case counts'],
  ['<nothing>', [], 'no @'],
  ['<@b> <a@>', [], 'halves'],
  ['a@b', [], 'no brackets'],
  ['<a@b', [], 'not closed'],
  ['<x <a@b>', ['a@b'], 'opened twice'],
  ['', [], 'nothing'],
] as const
for (const [field, ids, why] of fields)
  test(`messageIds("${field}") - ${why}`, () => assert.deepEqual(messageIds(field), ids))
