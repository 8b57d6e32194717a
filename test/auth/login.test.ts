import assert from 'node:assert/strict'
import { createHash, createHmac, pbkdf2Sync } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { Checker } from '../../lib/auth/checker.js'
import type { LoginRefused, Origin } from '../../lib/auth/gate.js'
import { Logins } from '../../lib/auth/login.js'
import { makePassword } from '../../lib/auth/password.js'
import { Users } from '../../lib/auth/users.js'
import { TemporaryError } from '../../lib/sys/error.js'
import { Log } from '../../lib/sys/log.js'
import { authenticate, mechanisms } from '../../lib/wire/sasl.js'

const slow = await makePassword('BLF-CRYPT', 'pencil', 4)
const app = await makePassword('SSHA512', 'app-pass')
const people = `alice:${slow}
alice:${app}::::::postern_label=phone postern_protocols=imap,smtp
bob:{PLAIN}bobs
net:{PLAIN}nets::::::allow_nets=10.1.0.0/16,local
scram:${await makePassword('SCRAM-SHA-256', 'pencil')}
cram:${await makePassword('CRAM-MD5', 'pencil')}
cut:{ARGON2ID}$argon2id$v=19$m=4
none:
`

/** The regular expression that the manual page gives to fail2ban, for what follows the journal's prefix. */
const failregex = /^event=login-failed (?:[a-z]+=[^" ]+ )*?address=(\S+) protocol=/

interface WorldOptions {
  readonly penalty?: number
  readonly sleep?: (milliseconds: number) => Promise<void>
}

async function open(t: TestContext, options: WorldOptions = {}) {
  const directory = mkdtempSync(join(tmpdir(), 'postern-login-'))
  const file = join(directory, 'users')
  writeFileSync(file, people)
  const lines: string[] = []
  const log = new Log({ write: line => lines.push(line.slice(3).trimEnd()), journal: true })
  const users = await Users.open({ file, home: '/%n', domain: 'x.org', log, watch: false })
  const world = { now: Date.parse('2026-03-15T12:00:00Z'), held: [] as number[], checked: [] as string[] }
  const real = new Checker()
  const checker = {
    check: (stored: string, password: string, key: string) => {
      world.checked.push(stored)
      return real.check(stored, password, key)
    },
    close: () => real.close(),
  }
  const sleep =
    options.sleep ??
    (async (milliseconds: number) => {
      world.held.push(milliseconds)
    })
  const logins = new Logins({
    users,
    log,
    penalty: options.penalty ?? 2_000,
    clock: () => world.now,
    sleep,
    checker,
  })
  t.after(async () => {
    await logins.close()
    await users.close()
    rmSync(directory, { recursive: true, force: true })
  })
  const origin: Origin = { protocol: 'imap', address: '192.0.2.1', secure: true, session: 'abc' }
  /** @returns the user's name, or `wrong`, or `later` */
  const login = (user: string, password: string, from: Partial<Origin> = {}) =>
    logins.verify({ ...origin, ...from, user, password }).then(
      found => found.name,
      (error: LoginRefused) => (error.temporary ? 'later' : 'wrong'),
    )
  const lastLog = () => lines.at(-1) ?? ''
  return { world, logins, login, lines, lastLog, users, file, origin }
}

test('the right password lets in, whatever the case of the name', async t => {
  const { login, lastLog } = await open(t)
  assert.equal(await login('Alice@X.org', 'pencil'), 'alice@x.org')
  assert.equal(
    lastLog(),
    'event=login session=abc address=192.0.2.1 protocol=imap user=alice@x.org how=password',
  )
  assert.equal(await login('bob', 'bobs'), 'bob@x.org')
  assert.equal(await login('bob', 'Bobs'), 'wrong')
  assert.equal(await login('bob', ''), 'wrong')
})

test('a login that succeeded lately is not hashed again, and not for ever', async t => {
  const { world, login, lastLog } = await open(t)
  await login('alice', 'pencil')
  const before = world.checked.length
  assert.equal(await login('alice', 'pencil', { protocol: 'smtp', address: '192.0.2.9' }), 'alice@x.org')
  assert.match(lastLog(), /how=memory$/)
  assert.equal(world.checked.length, before)
  assert.equal(await login('alice', 'pencils'), 'wrong')
  world.now += 10 * 60_000
  assert.equal(await login('alice', 'pencil'), 'alice@x.org')
  assert.match(lastLog(), /how=password$/)
})

test('a changed users file drops the memory, and a changed password is the only one', async t => {
  const { login, lastLog, users, file } = await open(t)
  await login('alice', 'pencil')
  users.reload()
  await login('alice', 'pencil')
  assert.match(lastLog(), /how=password$/)
  writeFileSync(file, 'alice:{PLAIN}new\n')
  users.reload()
  assert.equal(await login('alice', 'pencil'), 'wrong')
  assert.equal(await login('alice', 'new'), 'alice@x.org')
})

test('somebody unknown costs the hash of those who are known', async t => {
  const { world, login, lastLog } = await open(t)
  assert.equal(await login('nobody', 'pencil'), 'wrong')
  assert.equal(world.checked.length, 1)
  assert.match(world.checked[0] as string, /^\{(BLF-CRYPT|SCRAM-SHA-256|ARGON2ID)\}/)
  assert.match(lastLog(), /reason=unknown-user/)
  await login('none', 'pencil')
  assert.equal(world.checked.length, 2)
  assert.match(lastLog(), /reason=no-password-for-this/)
})

test('in an empty house a wrong password costs as much', async t => {
  const { world, login, users, file } = await open(t)
  writeFileSync(file, '')
  users.reload()
  assert.equal(await login('nobody', 'x'), 'wrong')
  assert.match(world.checked[0] as string, /^\{ARGON2ID\}\$argon2id/)
})

test('an app password is good for its protocols, and its use is noted once a day', async t => {
  const { world, logins, login, lines, file, users } = await open(t)
  assert.equal(await login('alice', 'app-pass'), 'alice@x.org')
  assert.match(lines.at(-1) as string, /how=password app=phone$/)
  assert.equal(await login('alice', 'app-pass', { protocol: 'pop3' }), 'wrong')
  assert.equal(await login('alice', 'app-pass', { protocol: 'smtp' }), 'alice@x.org')
  await logins.close()
  assert.equal(readFileSync(file, 'utf8'), people.replace('imap,smtp', 'imap,smtp postern_used=2026-03-15'))
  users.reload()
  world.now += 86_400_000
  assert.equal(await login('alice', 'app-pass'), 'alice@x.org')
  await logins.close()
  assert.match(readFileSync(file, 'utf8'), /postern_used=2026-03-16/)
})

test('a users file that may not be written stops no login', async t => {
  const { logins, login, lines, file } = await open(t)
  rmSync(join(file, '..'), { recursive: true })
  assert.equal(await login('alice', 'app-pass'), 'alice@x.org')
  await logins.close()
  assert.match(lines.at(-1) as string, /event=app-password-use-not-noted/)
})

for (const [address, outcome] of [
  ['10.1.2.3', 'net@x.org'],
  ['10.2.2.3', 'wrong'],
  ['', 'net@x.org'],
  ['2001:db8::1', 'wrong'],
] as const)
  test(`allow_nets: from "${address}" ${outcome}`, async t => {
    const { login } = await open(t)
    assert.equal(await login('net', 'nets', { address }), outcome)
  })

test('a broken hash fits nothing, and is told', async t => {
  const { login, lines } = await open(t)
  assert.equal(await login('cut', 'x'), 'wrong')
  assert.match(lines.at(-2) as string, /event=password-unusable user=cut@x\.org reason=/)
})

test('answers to failures are held back longer each time, then nobody is let in for a while', async t => {
  const { world, login, lines } = await open(t)
  for (let i = 0; i < 8; i++) assert.equal(await login('bob', 'no'), 'wrong')
  assert.deepEqual(
    world.held,
    [2, 4, 8, 16, 16, 16, 16, 16].map(seconds => seconds * 1_000),
  )
  assert.equal(await login('bob', 'bobs'), 'later')
  assert.match(lines.at(-1) as string, /^event=login-refused /)
  assert.equal(await login('alice', 'pencil'), 'alice@x.org', 'another user of that address')
  world.now += 59_000
  assert.equal(await login('bob', 'bobs'), 'later')
  world.now += 2_000
  assert.equal(await login('bob', 'no'), 'wrong')
  world.now += 61_000
  assert.equal(await login('bob', 'bobs'), 'later', 'the second time lasts twice as long')
  world.now += 60_000
  assert.equal(await login('bob', 'bobs'), 'bob@x.org')
  assert.equal(await login('bob', 'no'), 'wrong', 'the right password has cleared the slate')
  assert.equal(world.held.at(-1), 2_000)
})

test('another address is not held to account', async t => {
  const { login } = await open(t)
  for (let i = 0; i < 8; i++) await login('bob', 'no')
  assert.equal(await login('bob', 'bobs', { address: '192.0.2.2' }), 'bob@x.org')
})

test('the time that a check took is part of what the answer is held back for', async t => {
  const { world, login } = await open(t)
  const attempt = login('bob', 'no')
  world.now += 500
  await attempt
  assert.deepEqual(world.held, [1_500])
})

test('half an hour of quiet is forgotten', async t => {
  const { world, login } = await open(t)
  await login('bob', 'no')
  await login('bob', 'no')
  world.now += 31 * 60_000
  await login('bob', 'no')
  assert.deepEqual(world.held, [2_000, 4_000, 2_000])
})

test('an IPv6 host is its network of 64 bits', async t => {
  const { login } = await open(t)
  for (let i = 1; i <= 8; i++) await login('bob', 'no', { address: `2001:db8:0:1::${i}` })
  assert.equal(await login('bob', 'bobs', { address: '2001:db8:0:1:ffff::1' }), 'later')
  assert.equal(await login('bob', 'bobs', { address: '2001:db8:0:2::1' }), 'bob@x.org')
})

test('who is remembered comes in beside failures, until that itself could be guessed', async t => {
  const { login } = await open(t)
  await login('alice', 'pencil')
  for (let i = 0; i < 8; i++) await login('alice', `guess ${i}`)
  assert.equal(await login('alice', 'pencil'), 'alice@x.org')
  for (let i = 0; i < 21; i++) assert.equal(await login('alice', `more ${i}`), 'later')
  assert.equal(await login('alice', 'pencil'), 'later')
})

test('guesses side by side gain nothing over guesses one by one', async t => {
  const { login } = await open(t)
  const guesses = Array.from({ length: 30 }, (_, i) => (i === 29 ? 'pencil' : `guess ${i}`))
  const outcomes = await Promise.all(guesses.map(guess => login('alice', guess)))
  assert.equal(outcomes.filter(outcome => outcome === 'wrong').length, 8)
  assert.equal(outcomes.at(-1), 'later')
})

test('the same right password, many times at once, is hashed once', async t => {
  const { login } = await open(t)
  const outcomes = await Promise.all(Array.from({ length: 150 }, () => login('alice', 'pencil')))
  assert.deepEqual(new Set(outcomes), new Set(['alice@x.org']))
})

test('a penalty of 0 holds nothing and refuses nobody', async t => {
  const { world, login } = await open(t, { penalty: 0 })
  for (let i = 0; i < 20; i++) assert.equal(await login('bob', 'no'), 'wrong')
  assert.equal(await login('bob', 'bobs'), 'bob@x.org')
  assert.deepEqual(world.held, [])
})

test('too many different checks at once are refused for now', async () => {
  const checker = new Checker()
  const results = await Promise.allSettled(
    Array.from({ length: 103 }, (_, i) => checker.check(slow, `${i}`, `${i}`)),
  )
  const refused = results.filter(result => result.status === 'rejected')
  assert.equal(refused.length, 3)
  assert.ok(refused.every(({ reason }) => reason instanceof TemporaryError))
  await checker.close()
})

test('each failure is one line, which fail2ban finds the address in', async t => {
  const { login, lines } = await open(t)
  await login('bob', 'no')
  assert.deepEqual(lines, [
    'event=login-failed session=abc address=192.0.2.1 protocol=imap user=bob@x.org reason=wrong-password failures=1',
  ])
  await login('nobody', 'no', { address: '2001:db8::1', secure: false })
  for (const [i, address] of ['192.0.2.1', '2001:db8::1'].entries())
    assert.equal(failregex.exec(lines[i] as string)?.[1], address)
})

for (const user of [
  'x address=203.0.113.9 protocol=smtp',
  'x\nevent=login-failed address=203.0.113.9 protocol=imap',
  '" address=203.0.113.9 protocol=imap "',
])
  test(`nobody has another one banned by the name ${JSON.stringify(user)}`, async t => {
    const { login, lines } = await open(t)
    await login(user, 'x')
    const found = lines.flatMap(line => line.split('\n')).map(line => failregex.exec(line)?.[1])
    assert.deepEqual(found, ['192.0.2.1'])
  })

test('nothing of a password comes into the log', async t => {
  const { login, lines } = await open(t)
  await login('bob', 'sesame')
  await login('sesame?', 'sesame')
  await login('alice', 'pencil')
  assert.doesNotMatch(lines.join('\n'), /sesame\b(?!\?)|pencil|\$2y/)
})

/** A SCRAM client. @returns the user's name or how it was refused, and what the server said first */
async function scram(verifier: ReturnType<Logins['verifier']>, user: string, password: string) {
  const bare = `n=${user},r=clientnonce`
  let first = ''
  const outcome = await authenticate(
    'SCRAM-SHA-256',
    Buffer.from(`n,,${bare}`),
    async challenge => {
      if (challenge.toString().startsWith('v=')) return Buffer.alloc(0)
      first = challenge.toString()
      const [, nonce, salt = '', iterations] = /^r=(.*),s=(.*),i=(.*)$/.exec(first) ?? []
      const salted = pbkdf2Sync(password, Buffer.from(salt, 'base64'), Number(iterations), 32, 'sha256')
      const key = createHmac('sha256', salted).update('Client Key').digest()
      const unsigned = `c=biws,r=${nonce}`
      const signature = createHmac('sha256', createHash('sha256').update(key).digest())
        .update(`${bare},${first},${unsigned}`)
        .digest()
      const proof = Buffer.from(key.map((octet, i) => octet ^ (signature[i] as number)))
      return Buffer.from(`${unsigned},p=${proof.toString('base64')}`)
    },
    verifier,
  ).then(
    found => found.name,
    (error: LoginRefused) => (error.temporary ? 'later' : 'wrong'),
  )
  return { outcome, salt: /s=([^,]*)/.exec(first)?.[1], iterations: /i=(.*)/.exec(first)?.[1] }
}

test('SCRAM-SHA-256: who has keys comes in, who has none fails without a tell-tale', async t => {
  const { logins, origin, lines } = await open(t)
  const verifier = logins.verifier(origin)
  assert.equal((await scram(verifier, 'scram', 'pencil')).outcome, 'scram@x.org')
  assert.match(lines.at(-1) as string, /how=scram$/)
  assert.equal((await scram(verifier, 'Bob@x.org', 'bobs')).outcome, 'bob@x.org')
  for (const [user, reason] of [
    ['scram', 'wrong-proof'],
    ['alice', 'no-scram-keys'],
    ['nobody', 'unknown-user'],
  ] as const) {
    const [one, two] = [await scram(verifier, user, 'wrong'), await scram(verifier, user, 'pencils')]
    assert.equal(one.outcome, 'wrong')
    assert.match(lines.at(-1) as string, new RegExp(`reason=${reason} failures=2$`))
    assert.equal(one.salt, two.salt)
    assert.equal(one.salt?.length, 24)
    assert.equal(one.iterations, '4096')
  }
})

test('SCRAM-SHA-256: made-up salts outlive the process', async t => {
  const { logins, users, origin } = await open(t)
  const log = new Log({ write: () => {} })
  const other = new Logins({ users, log, penalty: 0 })
  t.after(() => other.close())
  const [one, two] = await Promise.all(
    [logins, other].map(each => scram(each.verifier({ ...origin, address: '::1' }), 'nobody', 'x')),
  )
  assert.equal(one?.salt, two?.salt)
  const elsewhere = await scram(logins.verifier(origin), 'nobody2', 'x')
  assert.notEqual(elsewhere.salt, one?.salt)
})

test('SCRAM-SHA-256: who waits with the proof does not wait less for the answer', async t => {
  const { world, logins, origin } = await open(t)
  const attempt = await logins.verifier(origin).scram('scram')
  world.now += 60_000
  await assert.rejects(attempt.refuse())
  assert.deepEqual(world.held, [2_000])
})

test('SCRAM-SHA-256: failures count as those by password do', async t => {
  const { logins, login, origin } = await open(t)
  for (let i = 0; i < 8; i++) await scram(logins.verifier(origin), 'scram', 'no')
  assert.equal((await scram(logins.verifier(origin), 'scram', 'pencil')).outcome, 'later')
  assert.equal(await login('scram', 'pencil'), 'later')
})

test('CRAM-MD5: stored states and passwords in the clear both do', async t => {
  const { logins, origin, lastLog } = await open(t)
  const cram = (user: string, password: string) =>
    authenticate(
      'CRAM-MD5',
      undefined,
      async challenge =>
        Buffer.from(`${user} ${createHmac('md5', password).update(challenge).digest('hex')}`),
      logins.verifier(origin),
    ).then(
      found => found.name,
      () => lastLog().replace(/.*reason=(\S+).*/, '$1'),
    )
  assert.equal(await cram('cram', 'pencil'), 'cram@x.org')
  assert.equal(await cram('bob', 'bobs'), 'bob@x.org')
  assert.equal(await cram('cram', 'wrong'), 'wrong-proof')
  assert.equal(await cram('alice', 'pencil'), 'no-cram-keys')
  assert.equal(await cram('nobody', 'x'), 'unknown-user')
})

test('the verifier fits the mechanisms', async t => {
  const { logins, origin } = await open(t)
  const names = ['PLAIN', 'LOGIN', 'CRAM-MD5', 'SCRAM-SHA-256']
  assert.deepEqual(mechanisms(names, logins.verifier(origin)), names)
  const user = await authenticate(
    'PLAIN',
    Buffer.from('\0bob\0bobs'),
    async () => undefined,
    logins.verifier(origin),
  )
  assert.equal(user.name, 'bob@x.org')
})
