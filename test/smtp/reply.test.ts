/** Replies on the wire. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatReply, replyOf, SmtpError } from '../../lib/smtp/reply.js'
import { exits, MailError, TemporaryError } from '../../lib/sys/error.js'

test('formatReply() writes one line, or many', () => {
  assert.equal(formatReply({ code: 250, status: '2.0.0', text: 'Ok' }), '250 2.0.0 Ok\r\n')
  assert.equal(formatReply({ code: 250, text: ['a', 'B 1'] }), '250-a\r\n250 B 1\r\n')
  assert.equal(
    formatReply({ code: 214, status: '2.0.0', text: ['a', 'b'] }),
    '214-2.0.0 a\r\n214 2.0.0 b\r\n',
  )
})

test('formatReply() lets nobody add a line, and keeps it under 512 octets', () => {
  assert.equal(formatReply({ code: 550, text: 'no\r\n250 yes\0é' }), '550 no??250 yes??\r\n')
  assert.equal(formatReply({ code: 550, status: '5.1.1', text: 'x'.repeat(2_000) }).length, 512)
})

const errors = [
  [new SmtpError(550, '5.1.1', 'No such user'), 550, '5.1.1', exits.noUser],
  [new SmtpError(550, '5.7.1', 'No'), 550, '5.7.1', exits.notAllowed],
  [new SmtpError(552, '5.3.4', 'Too big'), 552, '5.3.4', exits.data],
  [new SmtpError(452, '4.2.2', 'Full'), 452, '4.2.2', exits.tryAgain],
  [new TemporaryError('Not now'), 451, '4.3.0', exits.tryAgain],
  [new MailError('odd'), 451, '4.3.0', exits.software],
  [new TypeError('a secret'), 451, '4.3.0', undefined],
] as const

for (const [error, code, status, exit] of errors)
  test(`replyOf() ${error.name} ${error.message}`, () => {
    const reply = replyOf(error)
    assert.deepEqual([reply.code, reply.status], [code, status])
    if (exit !== undefined) assert.equal((error as MailError).exit, exit)
    assert.doesNotMatch(String(reply.text), /secret/)
  })

test('an SmtpError is temporary as its code says', () => {
  assert.equal(new SmtpError(451, '4.3.0', '').temporary, true)
  assert.equal(new SmtpError(551, '5.1.6', '').temporary, false)
})
