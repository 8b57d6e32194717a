import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nearest } from '../../lib/config/nearest.js'

const names = ['max_message_size', 'max_recipients', 'password_file', 'host', 'tls', 'listen', 'address']
const cases = [
  ['max_mesage_size', 'max_message_size'],
  ['max-recipients', 'max_recipients'],
  ['password', 'password_file'],
  ['hostname', 'host'],
  ['lsiten', 'listen'],
  ['adress', 'address'],
  ['TLS', 'tls'],
  ['colour', undefined],
  ['zzzz', undefined],
] as const
for (const [word, candidate] of cases)
  test(`nearest() ${word}`, () => assert.equal(nearest(word, names), candidate))
