import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseConfig } from '../../lib/config/load.js'
import { unservedKeys } from '../../lib/config/unserved.js'

const head = 'hostname = "mail.example.org"\ndomains = ["example.org"]\n'

test('keys without effect are named, others are not', () => {
  assert.deepEqual(unservedKeys(parseConfig(head, 'mail.toml')), [])
  const text = `${head}[login]\nmechanisms = ["PLAIN", "XOAUTH2"]\n`
  assert.deepEqual(unservedKeys(parseConfig(text, 'mail.toml')), ['login.mechanisms XOAUTH2'])
})
