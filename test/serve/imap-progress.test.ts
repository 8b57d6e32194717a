/** A command that takes long says so (RFC 9585). */
import assert from 'node:assert/strict'
import { existsSync, rmSync, writeFileSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { ImapClient } from '../support/imap-client.js'
import { imapStage } from './imap-stage.js'

test('a command that waits for a lock says that it is still working', async () => {
  const stage = await imapStage({ progressEvery: 10 })
  const client = await ImapClient.login(stage.port, 'alice', 'wonderland')
  try {
    await client.ok('APPEND INBOX', Buffer.from('Subject: x\r\n\r\nx\r\n'))
    await client.ok('CREATE Slow')
    await client.ok('SELECT INBOX')
    // Another program, which lives, holds the mailbox that is copied to.
    const folder = join(stage.home, 'alice', 'Maildir', '.Slow')
    const lock = join(folder, 'dovecot-uidlist.lock')
    writeFileSync(lock, `${process.ppid}:${hostname()}`)
    let told = 0
    client.onUntagged = line => {
      if (!line.startsWith('OK [INPROGRESS')) return
      told++
      if (existsSync(lock)) rmSync(lock)
    }
    const lines = await client.ok('COPY 1 Slow')
    assert.ok(told > 0)
    assert.match(
      lines.find(line => line.includes('INPROGRESS')) ?? '',
      /^OK \[INPROGRESS \("t\d+" NIL NIL\)\] /,
    )
    const after = told
    await client.ok('NOOP')
    assert.equal(told, after, 'it ends with the command')
  } finally {
    client.close()
    await stage.close()
  }
})
