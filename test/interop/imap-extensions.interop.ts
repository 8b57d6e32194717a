/** Quota and metadata of one Maildir, kept by mail-imapd and Debian's Dovecot by turns. */
import assert from 'node:assert/strict'
import { chmodSync, chownSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { imapStage } from '../serve/imap-stage.js'
import { Dovecot, mailUser, noDovecot } from '../support/dovecot.js'
import { ImapClient } from '../support/imap-client.js'

const configuration = `
mail_plugins = quota
mail_attribute_dict = file:%h/Maildir/dovecot-attributes
protocol imap {
  mail_plugins = quota imap_quota
  imap_metadata = yes
}
plugin {
  quota = maildir:User quota
  quota_rule = *:storage=10K:messages=4
}
`

function giveTo(home: string): void {
  for (const path of ['', ...readdirSync(home, { recursive: true, encoding: 'utf8' })])
    chownSync(join(home, path), mailUser, mailUser)
}

/** A message, as a literal behind the command. */
const message = Buffer.from(`Subject: a\r\n\r\n${'words and words\r\n'.repeat(100)}`)

test('what one notes and counts, the other knows', { skip: noDovecot() }, async () => {
  const stage = await imapStage()
  const home = join(stage.home, 'carol')
  chmodSync(stage.home, 0o755)
  let dovecot: Dovecot | undefined
  try {
    const ours = await ImapClient.login(stage.port, 'carol', 'small')
    await ours.ok('CREATE Work')
    await ours.ok('SETMETADATA Work (/private/comment "of ours")')
    await ours.ok('SETMETADATA Work (/shared/Comment {12+}\r\ntwo\r\nlines\t\x01)')
    await ours.ok('SETMETADATA "" (/private/comment "the server")')
    await ours.ok('APPEND INBOX', message)
    await ours.ok('APPEND Work', message)
    const used = await ours.ok('GETQUOTAROOT INBOX')
    const noted = await ours.ok('GETMETADATA Work (/private/comment /shared/comment)')
    giveTo(home)

    dovecot = await Dovecot.start({ homes: { carol: home }, configuration })
    const theirs = await ImapClient.login(dovecot.imap, 'carol', 'pw')
    assert.deepEqual(await theirs.ok('GETQUOTAROOT INBOX'), used)
    assert.deepEqual(
      values(await theirs.ok('GETMETADATA Work (/private/comment /shared/comment)')),
      values(noted),
    )
    assert.match((await theirs.ok('GETMETADATA "" /private/comment')).join(), /the server/)
    await theirs.ok('SETMETADATA Work (/private/comment "of theirs" /shared/comment NIL)')
    await theirs.ok('RENAME Work Done')
    await theirs.ok('APPEND Done', message)
    await theirs.ok('APPEND Done (\\Deleted)', message)
    assert.match((await theirs.command('APPEND Done', message)).text, /^\[OVERQUOTA\]/)
    await theirs.ok('SELECT Done')
    await theirs.ok('EXPUNGE')
    const after = await theirs.ok('GETQUOTAROOT INBOX')
    theirs.close()

    assert.deepEqual(await ours.ok('GETQUOTAROOT INBOX'), after)
    const changed = await ours.ok('GETMETADATA Done (/private/comment /shared/comment)')
    assert.deepEqual(changed, ['METADATA Done (/private/comment "of theirs" /shared/comment NIL)'])
    await ours.ok('APPEND Done', message)
    assert.match((await ours.command('APPEND Done', message)).text, /^\[OVERQUOTA\]/)
    ours.close()
    assert.doesNotMatch(dovecot.log, /Error|Panic/)
  } finally {
    await dovecot?.stop()
    await stage.close()
  }
})

/** METADATA without regard to whether a value is quoted or a literal. */
function values(lines: readonly string[]): string[] {
  return lines.map(line => line.replace(/\{\d+\}\r\n/g, '').replaceAll('"', ''))
}
