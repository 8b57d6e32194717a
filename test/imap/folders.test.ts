import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type ListRequest, listEntries, subscribedEntries } from '../../lib/imap/folders.js'

const folder = (name: string, specialUse?: string) => ({
  name,
  selectable: true,
  subscribed: false,
  specialUse,
})
const folders = [folder('INBOX'), folder('Sent', '\\Sent'), folder('a'), folder('a.b'), folder('x.y.z')]
const plain: ListRequest = {
  patterns: ['*'],
  selection: [],
  recursive: false,
  extended: false,
  tellSubscribed: false,
}

function list(request: Partial<ListRequest>, subscriptions: string[] = []): string[] {
  return listEntries(folders, subscriptions, { ...plain, ...request }).map(
    ({ name, attributes, childInfo }) =>
      `${name} ${attributes.join(' ')}${childInfo.length > 0 ? ` ${childInfo}` : ''}`,
  )
}

test('LIST names mailboxes, and what stands above them without being one', () =>
  assert.deepEqual(list({}), [
    'INBOX \\HasNoChildren',
    'Sent \\HasNoChildren \\Sent',
    'a \\HasChildren',
    'a.b \\HasNoChildren',
    'x \\Noselect \\HasChildren',
    'x.y \\Noselect \\HasChildren',
    'x.y.z \\HasNoChildren',
  ]))

test('% stops at a level, several patterns name a mailbox once', () => {
  assert.deepEqual(
    list({ patterns: ['%'] }).map(line => line.split(' ')[0]),
    ['INBOX', 'Sent', 'a', 'x'],
  )
  assert.deepEqual(
    list({ patterns: ['a*', '*b'] }).map(line => line.split(' ')[0]),
    ['a', 'a.b'],
  )
})

test('(SUBSCRIBED) names what is subscribed, there or not', () =>
  assert.deepEqual(list({ selection: ['SUBSCRIBED'], extended: true }, ['a.b', 'gone']), [
    'a.b \\HasNoChildren \\Subscribed',
    'gone \\NonExistent \\Noselect \\HasNoChildren \\Subscribed',
  ]))

test('(SPECIAL-USE) names mailboxes with a use', () =>
  assert.deepEqual(list({ selection: ['SPECIAL-USE'] }), ['Sent \\HasNoChildren \\Sent']))

test('RECURSIVEMATCH names parents for what they hide (RFC 5258 §3.5)', () => {
  const request: Partial<ListRequest> = { selection: ['SUBSCRIBED'], recursive: true, extended: true }
  assert.deepEqual(list({ ...request, patterns: ['%'] }, ['a.b']), ['a \\HasChildren SUBSCRIBED'])
  assert.deepEqual(list({ ...request, patterns: ['*'] }, ['a.b']), ['a.b \\HasNoChildren \\Subscribed'])
  assert.deepEqual(list({ ...request, patterns: ['%'] }, ['a', 'a.b']), [
    'a \\HasChildren \\Subscribed SUBSCRIBED',
  ])
})

test('LSUB with % names the level above what is subscribed (RFC 3501 §6.3.9)', () => {
  const show = (pattern: string, names: string[]) =>
    subscribedEntries(names, pattern).map(({ name, attributes }) => [name, ...attributes].join(' '))
  assert.deepEqual(show('%', ['a.b', 'c']), ['a \\Noselect', 'c'])
  assert.deepEqual(show('%', ['a', 'a.b']), ['a'])
  assert.deepEqual(show('*', ['a.b', 'c']), ['a.b', 'c'])
})
