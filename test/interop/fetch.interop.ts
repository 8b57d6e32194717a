/** mail-fetch against Debian's Dovecot: what comes here, and that nothing changes there. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { LoginRefused } from '../../lib/fetch/trouble.js'
import { Account } from '../../lib/mailbox/account.js'
import { encodeMutf7 } from '../../lib/message/mutf7.js'
import { destroyAtRandom } from '../fetch/destruction.js'
import { accountAt, digest, fetched, fetchOnce, holds, numbers, put, text } from '../fetch/world.js'
import { Dovecot, mailUser, noDovecot } from '../support/dovecot.js'
import { ImapClient } from '../support/imap-client.js'
import { makePlace } from '../support/place.js'
import { commandPath, has } from '../support/program.js'
import { temporaryDirectory } from '../support/world.js'

const range = (count: number, from = 1) => Array.from({ length: count }, (_, i) => from + i)

describe('mail-fetch and Dovecot', { skip: noDovecot() }, () => {
  let dovecot: Dovecot
  let root: string
  let user = 0
  before(async () => {
    root = mkdtempSync(join(tmpdir(), 'fetch-'))
    chmodSync(root, 0o755)
    const homes = Object.fromEntries(range(20).map(i => [`user${i}`, join(root, `user${i}`)]))
    dovecot = await Dovecot.start({ homes })
  })
  after(async () => {
    await dovecot.stop()
    rmSync(root, { recursive: true, force: true })
  })

  /** A provider's account that nobody has used yet, and a home to fetch into. */
  const stage = (t: Parameters<typeof temporaryDirectory>[0], changes = {}) => {
    const name = `user${++user}`
    const remote = join(root, name, 'Maildir')
    mkdirSync(remote, { recursive: true })
    put(remote, [])
    const home = temporaryDirectory(t)
    return { remote, home, name, account: accountAt(dovecot.imap, home, { user: name, ...changes }) }
  }

  test('the tree comes here with dates, flags and octets; a second run fetches nothing; there nothing changed', async t => {
    const { remote, home, account } = stage(t)
    put(remote, range(150))
    put(remote, [200], 'FS')
    put(join(remote, `.${encodeMutf7('받은 편지')}`), [201, 202], 'R')
    // Dovecot gives UIDs at the first look.
    await fetchOnce(account, { dry: true })
    const there = digest(remote)
    const result = await fetchOnce(account)
    assert.equal(fetched(result), 153)
    assert.deepEqual(await numbers(home), [...range(150), 200])
    const here = await holds(home, '받은 편지')
    assert.deepEqual(
      here.map(({ number, flags, octets, date }) => [number, flags, octets, date]),
      [201, 202].map(n => [n, '\\Answered', text(n), (1_700_000_000 + n) * 1000]),
    )
    assert.equal((await holds(home)).at(-1)?.flags, '\\Flagged \\Seen')
    assert.equal(fetched(await fetchOnce(account)), 0)
    assert.deepEqual(digest(remote), there)
  })

  test('what was deleted, moved, marked here does not come back, and nobody there hears of it', async t => {
    const { remote, home, account } = stage(t)
    put(remote, range(40))
    await fetchOnce(account)
    const there = digest(remote)
    const local = await Account.open(join(home, 'Maildir'))
    const inbox = await local.open('INBOX')
    const archive = await local.open('Archive')
    await inbox.remove([1, 2, 3])
    await inbox.move([4, 5], archive)
    await inbox.store([6], { mode: 'add', flags: ['\\Seen', '\\Deleted', 'mine'] })
    await inbox.expunge([6])
    inbox.close()
    archive.close()
    await local.close()
    for (const name of readdirSync(join(home, 'Maildir', 'cur')).slice(0, 5))
      unlinkSync(join(home, 'Maildir', 'cur', name))
    put(remote, [41])
    assert.equal(fetched(await fetchOnce(account)), 1)
    assert.deepEqual((await numbers(home)).length, 40 - 6 - 5 + 1)
    assert.deepEqual(await numbers(home, 'Archive'), [4, 5])
    unlinkSync(join(remote, 'cur', '1700000041.M41P1.provider:2,'))
    assert.deepEqual(without(digest(remote), 41), there)
  })

  test('flags = "follow": changes there come here, changes here stay', async t => {
    const { remote, home, account, name } = stage(t, { policy: { flags: 'follow', gone: 'keep' } })
    put(remote, range(10))
    await fetchOnce(account)
    const local = await Account.open(join(home, 'Maildir'))
    const inbox = await local.open('INBOX')
    await inbox.store([3, 4], { mode: 'add', flags: ['\\Flagged', 'here'] })
    inbox.close()
    await local.close()
    const client = await ImapClient.login(dovecot.imap, name, 'pw')
    await client.ok('SELECT INBOX')
    await client.ok('STORE 1:3 +FLAGS (\\Seen there)')
    const result = await fetchOnce(account)
    assert.equal(result.folders.find(({ folder }) => folder === 'INBOX')?.flagged, 3)
    const flags = async () => (await holds(home)).map(each => each.flags)
    assert.deepEqual((await flags()).slice(0, 5), [
      '\\Seen there',
      '\\Seen there',
      '\\Flagged \\Seen here there',
      '\\Flagged here',
      '',
    ])
    await client.ok('STORE 1:2 -FLAGS (\\Seen)')
    client.close()
    await fetchOnce(account)
    assert.deepEqual((await flags()).slice(0, 3), ['there', 'there', '\\Flagged \\Seen here there'])
  })

  test('gone = "trash": what is deleted there goes to Trash here, what was moved here stays', async t => {
    const { remote, home, account, name } = stage(t, { policy: { flags: 'once', gone: 'trash' } })
    put(remote, range(10))
    await fetchOnce(account)
    const client = await ImapClient.login(dovecot.imap, name, 'pw')
    await client.ok('SELECT INBOX')
    await client.ok('STORE 2:4 +FLAGS (\\Deleted)')
    await client.ok('EXPUNGE')
    client.close()
    const { folders } = await fetchOnce(account)
    assert.equal(
      folders.reduce((total, { trashed }) => total + trashed, 0),
      3,
    )
    assert.deepEqual(await numbers(home), [1, 5, 6, 7, 8, 9, 10])
    assert.deepEqual(await numbers(home, 'Trash'), [2, 3, 4])
    assert.equal(fetched(await fetchOnce(account)), 0)
  })

  test('gone = "keep": what is deleted there stays here', async t => {
    const { remote, home, account, name } = stage(t)
    put(remote, range(5))
    await fetchOnce(account)
    const client = await ImapClient.login(dovecot.imap, name, 'pw')
    await client.ok('SELECT INBOX')
    await client.ok('STORE 1:* +FLAGS (\\Deleted)')
    await client.ok('EXPUNGE')
    client.close()
    await fetchOnce(account)
    assert.deepEqual(await numbers(home), range(5))
  })

  test('another UIDVALIDITY there: messages are found again, none twice, none that was deleted here', async t => {
    const { remote, home, account } = stage(t)
    put(remote, range(60))
    await fetchOnce(account)
    const local = await Account.open(join(home, 'Maildir'))
    const inbox = await local.open('INBOX')
    await inbox.remove([7, 8])
    inbox.close()
    await local.close()
    renewUids(remote)
    put(remote, [61])
    const { folders } = await fetchOnce(account)
    const [result] = folders.filter(({ folder }) => folder === 'INBOX')
    assert.deepEqual([result?.healed, result?.fetched], [60, 1])
    assert.deepEqual(
      await numbers(home),
      range(61).filter(n => n !== 7 && n !== 8),
    )
    assert.equal(fetched(await fetchOnce(account)), 0)
  })

  test('a lost memory, and a Maildir made anew: messages are found again, none twice', async t => {
    const { remote, home, account } = stage(t, { policy: { flags: 'follow', gone: 'trash' } })
    put(remote, range(60))
    await fetchOnce(account)
    rmSync(account.state)
    put(remote, [61])
    assert.equal(fetched(await fetchOnce(account)), 1)
    assert.deepEqual(await numbers(home), range(61))
    rmSync(join(home, 'Maildir', 'dovecot-uidlist'))
    for (const name of readdirSync(join(home, 'Maildir')).filter(name => name.startsWith('postern.')))
      rmSync(join(home, 'Maildir', name))
    rmSync(join(remote, 'cur', '1700000061.M61P1.provider:2,'))
    put(remote, [62])
    assert.equal(fetched(await fetchOnce(account)), 1)
    assert.deepEqual(await numbers(home), [...range(60), 62])
    assert.deepEqual(await numbers(home, 'Trash'), [61])
  })

  test('a memory cut anywhere loses no message and doubles none', async t => {
    const { remote, home, account } = stage(t)
    put(remote, range(30))
    await fetchOnce(account)
    put(remote, range(30, 31))
    await fetchOnce(account)
    const whole = readFileSync(account.state)
    for (let size = 0; size < whole.length; size += Math.ceil(whole.length / 25)) {
      writeFileSync(account.state, whole.subarray(0, size))
      await fetchOnce(account)
      assert.deepEqual(await numbers(home), range(60), `cut at ${size} of ${whole.length}`)
    }
  })

  test('whole folders removed here stay removed; what comes new makes them again', async t => {
    const { remote, home, account } = stage(t)
    put(join(remote, '.Work'), range(10))
    await fetchOnce(account)
    rmSync(join(home, 'Maildir', '.Work'), { recursive: true })
    assert.equal(fetched(await fetchOnce(account)), 0)
    assert.deepEqual(await numbers(home, 'Work'), [])
    put(join(remote, '.Work'), [11])
    await fetchOnce(account)
    assert.deepEqual(await numbers(home, 'Work'), [11])
  })

  test('whatever is destroyed here, in whatever order: there nothing changes, here nothing is lost or doubled', async t => {
    const { remote, home, account } = stage(t)
    await destroyAtRandom({ remote, home, account, seed: 11 })
  })

  for (const kept of ['in the folder', 'in ~/.mbsync'] as const)
    test(`what mbsync fetched is taken over, its state ${kept}: nothing again, not what was deleted here either`, {
      skip: !has('mbsync') && 'mbsync is not installed',
    }, async t => {
      const { remote, name } = stage(t)
      put(remote, range(20))
      put(join(remote, '.Work'), range(5, 101))
      put(join(remote, '.Work.2026'), range(3, 201))
      const place = makePlace(`
[fetch.far]
host = "127.0.0.1:${dovecot.imap}"
tls = "off"
user = "${name}"
password_command = "echo pw"
into = "bob@ilnmors.internal"
`)
      t.after(() => place.remove())
      const maildir = place.maildir('bob')
      mkdirSync(join(maildir, '..'), { recursive: true })
      const states = join(place.directory, 'mbsync')
      mkdirSync(states)
      const rc = join(place.directory, 'mbsyncrc')
      writeFileSync(rc, mbsyncrc(dovecot.imap, name, maildir, kept === 'in the folder' ? '*' : `${states}/`))
      const { status, stderr } = spawnSync('mbsync', ['-q', '-c', rc, 'all'], { encoding: 'utf8' })
      assert.equal(status, 0, stderr)
      const files = ['new', 'cur'].flatMap(part =>
        readdirSync(join(maildir, part)).map(file => join(maildir, part, file)),
      )
      assert.equal(files.length, 20)
      for (const file of files.filter(file => /,U=(3|4)\b/.test(file))) unlinkSync(file)
      const paths =
        kept === 'in the folder'
          ? ['', '.Work', '.Work.2026'].map(folder => join(maildir, folder, '.mbsyncstate'))
          : readdirSync(states).map(file => join(states, file))
      const run = (...args: string[]) =>
        spawnSync(process.execPath, [commandPath('mail-fetch'), ...args, '-c', place.config], {
          encoding: 'utf8',
        })
      const taken = run('import-state', 'far', ...paths)
      assert.deepEqual([taken.status, taken.stderr], [0, ''])
      assert.deepEqual(taken.stdout.split('\n').sort(), [
        '',
        'INBOX: 18 messages taken over, 2 that were deleted here',
        'Work.2026: 3 messages taken over, 0 that were deleted here',
        'Work: 5 messages taken over, 0 that were deleted here',
      ])
      put(remote, [21])
      assert.match(run().stdout, /^far: 1 fetched \(\d+ B\) in \d folders\n$/)
      assert.match(
        run('import-state', 'far', join(maildir, '.uidvalidity')).stderr,
        /knows no UIDs of the provider/,
      )
    })

  test('POP3: everything comes once, and there nothing changes', async t => {
    const { remote, home, account } = stage(t, { protocol: 'pop3', port: dovecot.pop3 })
    put(remote, range(80), 'S')
    await fetchOnce(account, { dry: true })
    const there = digest(remote)
    assert.equal(fetched(await fetchOnce(account)), 80)
    assert.deepEqual(
      (await holds(home)).map(({ number, octets }) => [number, octets]),
      range(80).map(n => [n, text(n)]),
    )
    assert.equal(fetched(await fetchOnce(account)), 0)
    assert.deepEqual(digest(remote), there)
    put(remote, [81])
    rmSync(join(home, 'Maildir', 'cur', readdirSync(join(home, 'Maildir', 'cur'))[0] as string))
    assert.equal(fetched(await fetchOnce(account)), 1)
    assert.equal((await numbers(home)).length, 80)
  })

  test('a wrong password is asked once; then not until it is another one, or somebody says so', async t => {
    const { account } = stage(t, { secret: async () => ({ password: 'wrong' }) })
    await assert.rejects(fetchOnce(account), LoginRefused)
    const logged = dovecot.log.split('auth failed').length
    await assert.rejects(fetchOnce(account), /not asked again until/)
    assert.equal(dovecot.log.split('auth failed').length, logged)
    await assert.rejects(fetchOnce(account, { retryLogin: true }), LoginRefused)
    await fetchOnce({ ...account, secret: async () => ({ password: 'pw' }) })
  })
})

/** How mbsync would fetch the account, deleting nothing. */
function mbsyncrc(port: number, user: string, maildir: string, state: string): string {
  return `IMAPStore far
Host 127.0.0.1
Port ${port}
User ${user}
Pass pw
SSLType None
AuthMechs LOGIN

MaildirStore near
Inbox ${maildir}
SubFolders Maildir++

Channel all
Far :far:
Near :near:
Patterns *
Sync Pull
Create Near
SyncState ${state}
`
}

/** Dovecot gives all messages new UIDs, under a new UIDVALIDITY. */
function renewUids(remote: string): void {
  const [, validity] = /^3 V(\d+)/.exec(readFileSync(join(remote, 'dovecot-uidlist'), 'latin1')) ?? []
  for (const name of readdirSync(remote))
    if (name.startsWith('dovecot')) rmSync(join(remote, name), { recursive: true })
  const list = join(remote, 'dovecot-uidlist')
  writeFileSync(list, `3 V${Number(validity) + 5} N1 G${'0123456789abcdef'.repeat(2)}\n`)
  chownSync(list, mailUser, mailUser)
  const cur = join(remote, 'cur')
  for (const name of readdirSync(cur)) renameSync(join(cur, name), join(cur, `9${name}`))
}

function without(lines: readonly string[], number: number): string[] {
  return lines.filter(line => !line.includes(`.M${number}P1.`))
}
