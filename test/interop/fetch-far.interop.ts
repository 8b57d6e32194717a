/** mail-fetch against Debian's Dovecot and mail-imapd: folders that move, much mail, TLS, tokens, and the command itself. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { createSecureContext } from 'node:tls'
import { AccessTokens } from '../../lib/auth/oauth.js'
import { withAccount } from '../../lib/fetch/fetch.js'
import { Proof } from '../../lib/fetch/proof.js'
import { LoginRefused } from '../../lib/fetch/trouble.js'
import { Account } from '../../lib/mailbox/account.js'
import { encodeMutf7 } from '../../lib/message/mutf7.js'
import { Log } from '../../lib/sys/log.js'
import { destroyAtRandom } from '../fetch/destruction.js'
import { accountAt, digest, fetched, fetchOnce, numbers, put } from '../fetch/world.js'
import { Dovecot, mailUser, noDovecot } from '../support/dovecot.js'
import { ImapClient } from '../support/imap-client.js'
import { makePlace } from '../support/place.js'
import { commandPath, has, Program } from '../support/program.js'
import { freePorts, temporaryDirectory } from '../support/world.js'

const range = (count: number, from = 1) => Array.from({ length: count }, (_, i) => from + i)

/** What Dovecot needs for TLS with an authority of our own, and for tokens that a server of ours knows. */
function secureConfiguration(directory: string, imaps: number, introspection: string): string {
  for (const name of ['localhost.pem', 'localhost-key.pem'])
    writeFileSync(join(directory, name), readFileSync(join('fixtures/tls', name)), { mode: 0o600 })
  writeFileSync(
    join(directory, 'oauth2.conf'),
    `introspection_mode = get
introspection_url = ${introspection}
username_attribute = username
active_attribute = active
active_value = true
`,
  )
  return `ssl = yes
ssl_cert = <${directory}/localhost.pem
ssl_key = <${directory}/localhost-key.pem
auth_mechanisms = plain login xoauth2 oauthbearer
service imap-login {
  inet_listener imaps {
    port = ${imaps}
    ssl = yes
  }
}
passdb {
  driver = oauth2
  mechanisms = xoauth2 oauthbearer
  args = ${directory}/oauth2.conf
}
`
}

describe('mail-fetch and Dovecot, further', { skip: noDovecot() }, () => {
  let dovecot: Dovecot
  let root: string
  let imaps = 0
  let user = 0
  /** The one token that is good, and what the token server was asked. */
  let goodToken = 'token-1'
  const asked: string[] = []
  const tokens = createServer((request, response) => {
    const { pathname, search } = new URL(request.url ?? '', 'http://x')
    request.resume()
    asked.push(pathname)
    const known = search.includes(goodToken)
    response.end(
      JSON.stringify(
        pathname === '/token'
          ? { access_token: goodToken, expires_in: 3600 }
          : known
            ? { active: true, username: 'user1' }
            : { active: false },
      ),
    )
  })
  before(async () => {
    root = mkdtempSync(join(tmpdir(), 'fetch-'))
    chmodSync(root, 0o755)
    await new Promise<void>(resolve => tokens.listen(0, '127.0.0.1', resolve))
    const [port = 0] = await freePorts(1)
    imaps = port
    const homes = Object.fromEntries(range(20).map(i => [`user${i}`, join(root, `user${i}`)]))
    const introspection = `${tokenServer()}/introspect?token=`
    dovecot = await Dovecot.start({ homes, configuration: secureConfiguration(root, imaps, introspection) })
  })
  after(async () => {
    await dovecot.stop()
    tokens.close()
    rmSync(root, { recursive: true, force: true })
  })
  const tokenServer = () => `http://127.0.0.1:${(tokens.address() as { port: number }).port}`

  const stage = (t: Parameters<typeof temporaryDirectory>[0], changes = {}, name = `user${++user + 1}`) => {
    const remote = join(root, name, 'Maildir')
    mkdirSync(remote, { recursive: true })
    put(remote, [])
    const home = temporaryDirectory(t)
    return { remote, home, name, account: accountAt(dovecot.imap, home, { user: name, ...changes }) }
  }

  const proved = async (home: string, account: Parameters<typeof fetchOnce>[0]) => {
    const path = join(home, `proof-${Math.random()}`)
    const proof = new Proof(path)
    const result = await fetchOnce(account, { proof })
    proof.end()
    return { result, sent: readFileSync(path, 'latin1').replace(/^(?!> ).*\n/gm, '') }
  }

  test('names in Hangul, emoji, and with what cannot be said', async t => {
    const { remote, home, account, name } = stage(t)
    put(remote, [1])
    const client = await ImapClient.login(dovecot.imap, name, 'pw')
    const names = ['받은 편지', '프로젝트.하위 폴더', '🎉 파티', 'A&B', 'quote"d', '한글'.normalize('NFD')]
    for (const [i, each] of names.entries()) {
      const quoted = encodeMutf7(each).replaceAll('"', '\\"')
      await client.ok(`CREATE "${quoted}"`)
      await client.ok(`COPY 1 "${quoted}"`).catch(async () => {
        await client.ok('SELECT INBOX')
        await client.ok(`COPY 1 "${quoted}"`)
      })
      assert.ok(i >= 0)
    }
    client.close()
    const there = digest(remote)
    assert.equal(fetched(await fetchOnce(account)), 1 + names.length)
    for (const each of names) assert.deepEqual(await numbers(home, each.normalize('NFC')), [1], each)
    assert.equal(fetched(await fetchOnce(account)), 0)
    assert.deepEqual(digest(remote), there)
  })

  test('folders renamed there are renamed here, those below them too; nothing comes twice', async t => {
    const { remote, home, account, name } = stage(t)
    put(remote, range(5))
    put(join(remote, '.Work'), range(30, 101))
    put(join(remote, '.Work.2026'), range(10, 201))
    put(join(remote, '.Other'), range(10, 301))
    await fetchOnce(account)
    const local = await Account.open(join(home, 'Maildir'))
    const work = await local.open('Work')
    await work.remove([1, 2])
    work.close()
    await local.close()
    const client = await ImapClient.login(dovecot.imap, name, 'pw')
    await client.ok('RENAME Work "Arbeit"')
    await client.ok('RENAME Other "Something"')
    client.close()
    put(join(remote, '.Arbeit'), [131])
    const { result, sent } = await proved(home, account)
    assert.equal(fetched(result), 1)
    assert.doesNotMatch(sent, /RENAME/)
    assert.deepEqual(await numbers(home, 'Arbeit'), range(29, 103))
    assert.deepEqual(await numbers(home, 'Arbeit.2026'), range(10, 201))
    assert.deepEqual(await numbers(home, 'Something'), range(10, 301))
    const again = await Account.open(join(home, 'Maildir'))
    assert.ok(!again.has('Work') && !again.has('Work.2026') && !again.has('Other'))
    await again.close()
    assert.equal(fetched(await fetchOnce(account)), 0)
  })

  test('a folder with another name and another UIDVALIDITY is known by its headers', async t => {
    const { remote, home, account } = stage(t)
    put(join(remote, '.Work'), range(30, 101))
    await fetchOnce(account)
    put(join(remote, '.New'), range(31, 101))
    rmSync(join(remote, '.Work'), { recursive: true })
    const { result, sent } = await proved(home, account)
    assert.equal(fetched(result), 1)
    assert.equal(sent.match(/BODY\.PEEK\[\]/g)?.length, 1)
    assert.deepEqual(await numbers(home, 'New'), range(31, 101))
    assert.deepEqual(await numbers(home, 'Work'), [])
  })

  test('a folder that has another one in its place here stays where it is, and nothing comes twice', async t => {
    const { remote, home, account, name } = stage(t)
    put(join(remote, '.Work'), range(10, 101))
    await fetchOnce(account)
    const local = await Account.open(join(home, 'Maildir'))
    await local.create('Arbeit')
    await local.close()
    const client = await ImapClient.login(dovecot.imap, name, 'pw')
    await client.ok('RENAME Work Arbeit')
    client.close()
    put(join(remote, '.Arbeit'), [111])
    assert.equal(fetched(await fetchOnce(account)), 1)
    assert.deepEqual(await numbers(home, 'Work'), range(10, 101))
    assert.deepEqual(await numbers(home, 'Arbeit'), [111])
  })

  test('what is gone, and flags, are asked for in one command where the server keeps them (QRESYNC)', async t => {
    const { remote, home, account, name } = stage(t, { policy: { flags: 'follow', gone: 'trash' } })
    put(remote, range(50))
    await fetchOnce(account)
    const client = await ImapClient.login(dovecot.imap, name, 'pw')
    await client.ok('SELECT INBOX')
    await client.ok('STORE 2,4:6 +FLAGS.SILENT (\\Deleted)')
    await client.ok('EXPUNGE')
    await client.ok('STORE 1 +FLAGS.SILENT (\\Flagged)')
    client.close()
    const { result, sent } = await proved(home, account)
    assert.match(sent, /UID FETCH 1:50 \(UID FLAGS\) \(CHANGEDSINCE \d+ VANISHED\)/)
    assert.doesNotMatch(sent, /SEARCH/)
    const inbox = result.folders.find(({ folder }) => folder === 'INBOX')
    assert.deepEqual([inbox?.gone, inbox?.trashed, inbox?.flagged], [4, 4, 1])
    assert.deepEqual(await numbers(home, 'Trash'), [2, 4, 5, 6])
    // With nothing new, all folders are asked in one command, and none is opened.
    const idle = join(home, 'idle')
    const proof = new Proof(idle)
    const options = { log: new Log({ write: () => {} }), signal: new AbortController().signal, proof }
    await withAccount(account, options, async session => session.pass(await session.pairings()))
    assert.doesNotMatch(readFileSync(idle, 'latin1'), /EXAMINE|FETCH|STATUS "/)
  })

  for (const protocol of ['imap', 'pop3'] as const)
    test(`${protocol}: a message of 50 MB comes whole, and is never whole in memory`, async t => {
      const { remote, home, account } = stage(t, {
        protocol,
        port: protocol === 'imap' ? dovecot.imap : dovecot.pop3,
      })
      const path = join(remote, 'cur', '1700000000.M1P1.provider:2,')
      const line = `${'0123456789abcdef'.repeat(4)}\n.dots\n`
      writeFileSync(
        path,
        `Message-ID: <1@provider>\nSubject: large\n\n${line.repeat(Math.ceil(50e6 / line.length))}`,
      )
      chownSync(path, mailUser, mailUser)
      put(remote, [2])
      const hash = (file: string) => createHash('sha256').update(readFileSync(file)).digest('hex')
      const there = hash(path)
      const pieces = new Set<string>()
      const { result, sent } = await proved(home, account)
      assert.equal(fetched(result), 2)
      assert.deepEqual(await numbers(home), [1, 2])
      for (const [, piece] of sent.matchAll(/BODY\.PEEK\[\]<(\d+\.\d+)>/g)) pieces.add(piece as string)
      if (protocol === 'imap') assert.ok(pieces.size >= 25, `${pieces.size} pieces`)
      const cur = join(home, 'Maildir', 'cur')
      const here = readdirSync(cur).map(name => join(cur, name))
      const large = here.find(file => statSync(file).size > 1e6) as string
      assert.equal(hash(large), there)
      assert.equal(fetched(await fetchOnce(account)), 0)
    })

  test('50,000 messages', async t => {
    // In memory where that can be: syncing each file is not what is tested.
    const home = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'fetch-'))
    t.after(() => rmSync(home, { recursive: true, force: true }))
    const { remote, account: elsewhere } = stage(t)
    const account = accountAt(dovecot.imap, home, { user: elsewhere.user })
    put(remote, range(50_000))
    assert.equal(fetched(await fetchOnce(account)), 50_000)
    assert.equal(readdirSync(join(home, 'Maildir', 'cur')).length, 50_000)
    put(remote, [50_001])
    const { result, sent } = await proved(home, account)
    assert.equal(fetched(result), 1)
    assert.match(sent, /UID FETCH 50001:\* /)
    assert.equal((await numbers(home)).length, 50_001)
  })

  test('TLS with an authority of our own: trusted when it is named, and not otherwise', async t => {
    const { remote, home, account } = stage(t)
    put(remote, range(3))
    const ours = createSecureContext({ ca: readFileSync('fixtures/tls/ca.pem') })
    const implicit = { ...account, port: imaps, tls: 'implicit' as const }
    const isUntrusted = (error: Error & { exit?: number }) =>
      error.exit === 78 && /the certificate of .* cannot be trusted/.test(error.message)
    await assert.rejects(fetchOnce(implicit), isUntrusted)
    await assert.rejects(fetchOnce({ ...account, tls: 'required' }), isUntrusted)
    assert.equal(fetched(await fetchOnce({ ...implicit, trust: () => ours })), 3)
    put(remote, [4])
    assert.equal(fetched(await fetchOnce({ ...account, tls: 'required', trust: () => ours })), 1)
    assert.deepEqual(await numbers(home), range(4))
    await assert.rejects(fetchOnce({ ...implicit, host: '127.0.0.2', trust: () => ours }), /127\.0\.0\.2/)
  })

  test('OAuth 2: a token is asked for, renewed when it is refused, and a dead account is left alone', async t => {
    const { remote, account } = stage(t, {}, 'user1')
    put(remote, range(3))
    const client = { clientId: 'id', tokenUrl: `${tokenServer()}/token`, scope: 'mail' }
    const source = new AccessTokens(
      client,
      async () => 'refresh',
      async () => {},
    )
    const withToken = { ...account, secret: async (renew: boolean) => ({ token: await source.get(renew) }) }
    assert.equal(fetched(await fetchOnce(withToken)), 3)
    goodToken = 'token-2'
    put(remote, [4])
    assert.equal(fetched(await fetchOnce(withToken)), 1)
    assert.equal(asked.filter(path => path === '/token').length, 2)
    const dead = { ...account, secret: async () => ({ token: 'nonsense' }) }
    await assert.rejects(fetchOnce(dead), LoginRefused)
    const before = asked.length
    await assert.rejects(fetchOnce(dead), /not asked again until/)
    assert.equal(asked.length, before)
  })

  test('on a terminal it says how far it is: folder, messages, octets, rate, time left', {
    skip: !has('script') && 'script is not installed',
  }, t => {
    const { remote, name } = stage(t)
    put(remote, range(1_000))
    const place = makePlace(`
[fetch.far]
host = "127.0.0.1:${dovecot.imap}"
tls = "off"
user = "${name}"
password_command = "echo pw"
into = "bob@ilnmors.internal"
`)
    t.after(() => place.remove())
    const line = `stty cols 200; ${process.execPath} ${commandPath('mail-fetch')} -c ${place.config}`
    const { stdout, status } = spawnSync('script', ['-qec', line, '/dev/null'], {
      encoding: 'utf8',
      env: { ...process.env, TERM: 'xterm' },
      input: '',
    })
    assert.equal(status, 0, stdout)
    assert.match(
      stdout,
      /far INBOX: \d+ of 1000, [\d.]+ [kM]?B of [\d.]+ [kM]B, [\d.]+ [kM]?B\/s, \d+ (?:s|min) left/,
    )
    assert.match(stdout, /far: 1000 fetched/)
  })
})

test('mail-imapd as the provider: whatever is destroyed here, there nothing changes', async t => {
  const provider = makePlace('[imapd]\nlisten = [{ address = "127.0.0.1:0", tls = "off" }]')
  t.after(() => provider.remove())
  const remote = provider.maildir('alice')
  mkdirSync(remote, { recursive: true })
  put(remote, [])
  const server = await Program.start('mail-imapd', provider.config)
  t.after(() => server.stop())
  const home = temporaryDirectory(t)
  const account = accountAt(server.ports('imapd')[0] as number, home, {
    secret: async () => ({ password: 'wonderland' }),
  })
  await destroyAtRandom({ remote, home, account, seed: 12 })
})
