import assert from 'node:assert/strict'
import { test } from 'node:test'
import { HeadReader } from '../../lib/message/head.js'
import { HeaderChecks } from '../../lib/serve/smtp-checks.js'

function headOf(text: string) {
  const reader = new HeadReader()
  return reader.push(Buffer.from(text)) ?? reader.end()
}

test('a pattern that would hang a backtracking matcher does not, and what cannot be checked is refused', () => {
  const checks = new HeaderChecks([{ header: 'Subject', pattern: '^(a|a)*(a*)*b$', action: 'discard' }])
  assert.equal(checks.run(headOf(`Subject: ${'a'.repeat(5_000)}\n\n`)).discard, undefined)
  const many = Array.from({ length: 2_000 }, () => `Subject: ${'a'.repeat(5_000)}\n`).join('')
  assert.throws(() => checks.run(headOf(`${many}\n`)), /too large to be checked/)
})

test('a pattern that is none names its key', () => {
  const bad = () => new HeaderChecks([{ header: 'Subject', pattern: '(', action: 'discard' }])
  assert.throws(bad, /^MailError: smtpd\.header_check\[0\]\.pattern: /)
})

test('what one check removed, the next does not see', () => {
  const checks = new HeaderChecks([
    { header: 'X-A', pattern: '.', action: 'remove' },
    { header: 'X-A', pattern: '.', action: 'reject' },
  ])
  assert.equal(checks.run(headOf('X-A: 1\nX-A: 2\n\n')).removed.size, 2)
})
