/** Commands of the extensions with mistakes in them: each is answered, none is taken for our fault. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { ImapClient } from '../support/imap-client.js'
import { imapStage } from './imap-stage.js'

const commands = [
  'APPEND Sent (\\Seen) "02-Feb-2026 03:04:05 +0900" CATENATE (TEXT {3+}\r\na\r\n URL "/INBOX/;UID=1/;SECTION=1")',
  'APPEND Sent UTF8 (~{3+}\r\na\r\n)',
  'APPEND Sent {3+}\r\na\r\n CATENATE (URL "/INBOX/;UID=1")',
  'REPLACE 1 INBOX (\\Seen) {3+}\r\na\r\n',
  'UID REPLACE 1 Sent {3+}\r\na\r\n',
  'NOTIFY SET STATUS (selected (MessageNew (UID FLAGS) MessageExpunge)) (subtree (a b) (MailboxName))',
  'NOTIFY SET (personal (MessageNew MessageExpunge FlagChange)) (mailboxes INBOX NONE)',
  'NOTIFY NONE',
  'GETMETADATA (MAXSIZE 100 DEPTH infinity) INBOX (/private/comment /shared)',
  'SETMETADATA INBOX (/private/comment "x" /shared/comment ~{3+}\r\na\0b)',
  'SETMETADATA "" (/private/comment NIL)',
  'GETQUOTAROOT INBOX',
  'SETQUOTA "User quota" (STORAGE 100)',
  'CREATE new (USE (\\Sent \\Drafts))',
  'FETCH 1 (PREVIEW (LAZY) EMAILID THREADID UID)',
  'UID FETCH 1:* (FLAGS) (CHANGEDSINCE 1 VANISHED PARTIAL -1:-5)',
  'SEARCH RETURN (COUNT UPDATE (UID FLAGS)) EMAILID M1 THREADID T1',
  'LIST (SUBSCRIBED RECURSIVEMATCH) "" ("*" %) RETURN (STATUS (MESSAGES MAILBOXID) SPECIAL-USE)',
  'STATUS INBOX (MAILBOXID DELETED-STORAGE SIZE)',
  'ENABLE IMAP4rev2 UTF8=ACCEPT METADATA',
]

/** One octet of a command taken out, doubled or replaced; announcements of literals are left alone. */
const mutated = fc
  .tuple(
    fc.constantFrom(...commands),
    fc.nat(),
    fc.constantFrom('', ' ', '(', ')', '"', '/', '*', '\0', '\x7f', 'é', '{', '}'),
    fc.boolean(),
  )
  .map(([command, place, put, isAdded]) => {
    const at = place % command.length
    const isAnnounced = /\{[^}]*$/.test(command.slice(0, at)) || /^[+}\d~{\r\n]/.test(command.slice(at))
    const rest = command.slice(isAdded || isAnnounced ? at : at + 1)
    // An announcement made by chance would have the client wait.
    return isAnnounced ? command : `${command.slice(0, at)}${put}${rest}`.replace(/\{(?!3\+\}\r\n)/g, '(')
  })

test('a command with a mistake is answered, and the next one is understood', async () => {
  const stage = await imapStage()
  const first = await ImapClient.login(stage.port, 'alice', 'wonderland')
  await first.ok('APPEND INBOX', Buffer.from('a: b\r\n\r\nc\r\n'))
  first.close()
  try {
    await fc.assert(
      fc.asyncProperty(fc.array(mutated, { minLength: 1, maxLength: 6 }), async all => {
        const client = await ImapClient.login(stage.port, 'alice', 'wonderland')
        try {
          await client.ok('SELECT INBOX')
          for (const command of all) {
            const { text } = await client.command(command)
            assert.doesNotMatch(text, /SERVERBUG/, command)
          }
          await client.ok('NOOP')
        } finally {
          client.close()
        }
      }),
      { numRuns: 60 },
    )
  } finally {
    await stage.close()
  }
})
