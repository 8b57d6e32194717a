/** Shared mailboxes by turns of Dovecot and mail-imapd: what one is told of who may do what, the other keeps to. */
import assert from 'node:assert/strict'
import { chmodSync, chownSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { Dovecot, mailUser, noDovecot } from '../support/dovecot.js'
import { ImapClient } from '../support/imap-client.js'
import { Program } from '../support/program.js'

const skip = noDovecot()

let directory: string
let dovecot: Dovecot
let imapd: Program
let ours = 0

const settings = () => `mail_plugins = acl
protocol imap {
  mail_plugins = acl imap_acl
}
namespace inbox {
  separator = .
}
namespace others {
  type = shared
  separator = .
  prefix = shared.%%u.
  location = maildir:%%h/Maildir
  subscriptions = no
  list = children
}
plugin {
  acl = vfile::cache_secs=0
  acl_anyone = allow
  acl_shared_dict = file:${directory}/shared.db
}`

before(async () => {
  if (skip) return
  directory = mkdtempSync(join(tmpdir(), 'acl-'))
  chmodSync(directory, 0o755)
  const homes = { alice: join(directory, 'alice'), bob: join(directory, 'bob') }
  dovecot = await Dovecot.start({ homes, configuration: settings() })
  writeFileSync(
    join(directory, 'mail.toml'),
    `hostname = "mail.example.test"
domains = ["example.test"]
[users]
file = "${dovecot.directory}/passwd"
home = "${directory}/%n"
[login]
penalty = "0s"
[imapd]
listen = [{ address = "127.0.0.1:0", tls = "off" }]
sharing = true
[runtime]
directory = "${directory}/run"
`,
  )
  chownSync(directory, mailUser, mailUser)
  imapd = await Program.start('mail-imapd', join(directory, 'mail.toml'), { owner: mailUser })
  ;[ours = 0] = imapd.ports('imapd')
})

after(async () => {
  await imapd?.stop()

  await dovecot?.stop()
  if (directory) rmSync(directory, { recursive: true, force: true })
})

/** What a user is told by a command, without what two servers may say in their own ways. */
async function asked(port: number, user: string, command: string): Promise<string[]> {
  const client = await ImapClient.login(port, user, 'pw')
  try {
    const { status, untagged } = await client.command(command)
    return [status, ...untagged.filter(line => /^(ACL|MYRIGHTS|LISTRIGHTS) /.test(line)).map(sorted)]
  } finally {
    client.close()
  }
}

const letters = (rights = '') => [...rights].sort().join('')

/** Rights have no order; the entry of the owner is named as each server names the owner. */
function sorted(line: string): string {
  const [word = '', mailbox = '', ...rest] = line.replaceAll('"', '').split(' ')
  if (word === 'MYRIGHTS') return `${word} ${mailbox} ${letters(rest[0])}`
  const pairs: string[] = []
  for (let i = 0; i < rest.length; i += 2)
    if (rest[i] !== 'owner' && !rest[i]?.startsWith('alice')) pairs.push(`${rest[i]}=${letters(rest[i + 1])}`)
  return `${word} ${mailbox} ${pairs.sort().join(' ')}`
}

const both = async (user: string, command: string) => {
  const theirs = await asked(dovecot.imap, user, command)
  assert.deepEqual(await asked(ours, user, command), theirs, `${user}: ${command}`)
  return theirs
}

test('what Dovecot was told holds here', { skip, timeout: 120_000 }, async () => {
  assert.deepEqual(await asked(dovecot.imap, 'alice', 'CREATE Plans'), ['OK'])
  for (const change of ['bob lrwsi', 'anyone l', '-bob i'])
    assert.deepEqual(await asked(dovecot.imap, 'alice', `SETACL Plans ${change}`), ['OK'])
  const [, acl] = await both('alice', 'GETACL Plans')
  assert.equal(acl, 'ACL Plans -bob=i anyone=l bob=ilrsw')
  assert.deepEqual(await both('alice', 'MYRIGHTS Plans'), ['OK', 'MYRIGHTS Plans acdeiklprstwx'])
  assert.deepEqual(await both('bob', 'MYRIGHTS shared.alice.Plans'), [
    'OK',
    'MYRIGHTS shared.alice.Plans lrsw',
  ])
})

test('what was told here holds with Dovecot', { skip, timeout: 120_000 }, async () => {
  for (const change of ['bob lr', 'anyone ""'])
    assert.deepEqual(await asked(ours, 'alice', `SETACL Plans ${change}`), ['OK'])
  assert.deepEqual(await asked(ours, 'alice', 'DELETEACL Plans -bob'), ['OK'])
  assert.deepEqual(await both('bob', 'MYRIGHTS shared.alice.Plans'), ['OK', 'MYRIGHTS shared.alice.Plans lr'])
  assert.deepEqual(await both('bob', 'SELECT shared.alice.Plans'), ['OK'])
  assert.deepEqual(await both('bob', 'DELETE shared.alice.Plans'), ['NO'])
  assert.deepEqual(await both('bob', 'GETACL shared.alice.Plans'), ['NO'])
  assert.deepEqual(await asked(ours, 'alice', 'SETACL Plans bob lrsixteka'), ['OK'])
  assert.deepEqual(await both('bob', 'GETACL shared.alice.Plans'), [
    'OK',
    'ACL shared.alice.Plans anyone= bob=acdeiklrstx',
  ])
})
