import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { hmacMd5, hmacMd5States } from '../../lib/auth/md5.js'
import {
  cramStates,
  isSlow,
  madeSchemes,
  makePassword,
  scramKeys,
  UnusablePassword,
  verifyPassword,
} from '../../lib/auth/password.js'
import { shaCrypt } from '../../lib/auth/sha-crypt.js'

const [header = '', ...hashes] = readFileSync('fixtures/auth/hashes.txt', 'utf8')
  .split('\n')
  .filter(line => line !== '' && !line.startsWith('#'))
const password = header.slice('password='.length)

test('the fixture covers every scheme that can be verified', () => {
  const found = new Set(hashes.map(hash => /^\{([^}.]+)/.exec(hash)?.[1]))
  for (const name of [
    'PLAIN',
    'ARGON2ID',
    'ARGON2I',
    'BLF-CRYPT',
    'SHA512-CRYPT',
    'SCRAM-SHA-256',
    'CRAM-MD5',
  ])
    assert.ok(found.has(name), name)
})

for (const hash of hashes)
  test(`verifyPassword() takes what doveadm made: ${hash.slice(0, 40)}`, async () => {
    assert.equal(await verifyPassword(hash, password), true)
    assert.equal(await verifyPassword(hash, `${password}x`), false)
    assert.equal(await verifyPassword(hash, ''), false)
  })

test('verifyPassword() takes a password composed in another way', async () => {
  const hash = hashes.find(each => each.startsWith('{SSHA256}')) as string
  assert.notEqual(password.normalize('NFD'), password)
  assert.equal(await verifyPassword(hash, password.normalize('NFD')), true)
})

const unusable = [
  ['{NOSUCH}abc', 'unknown scheme'],
  ['{CONSTRUCTOR}abc', 'a name that every object has'],
  ['{ARGON2ID}$argon2id$v=19$m=65536,t=3,p=1$2XRy9i4jFtPhH2X7', 'cut argon2'],
  ['{ARGON2ID}$argon2id$v=19$m=1,t=0,p=0$2XRy9i4jFtPhH2X7AmF7Bw$VaYRVsLg8IsSSPJUO1B7l6iQ', 'impossible cost'],
  ['{BLF-CRYPT}$2y$05$YJbCO.KhvNN.EXfbrap', 'cut bcrypt'],
  ['{SHA512-CRYPT}$6$He3P.1V5eurC4wle$Xdoc6yAaXZWnD66', 'cut SHA-crypt'],
  ['{SHA512-CRYPT}$6$He3P.1V5eurC4wle', 'SHA-crypt without a hash'],
  ['{CRYPT}$y$j9T$F5Jx5fExrKuPp53xLKQ..1$X3DX6M94c7o.9agCG9G317fhZg9SqC.5i5rd.RhAtQ7', 'yescrypt'],
  ['{CRYPT}DJB2C18uVHpl6', 'DES'],
  ['{SSHA256}ayoITa', 'cut digest'],
  ['{SHA256}9ndd4kut5oD9Ri1vd4pvdTb0AJK1ww/tLS3quGi48PK9ndd4', 'digest with something after it'],
  ['{SCRAM-SHA-256}4096,Oa9gu1JE981As2mXw3Qltw==,K4A3nubNQOHe01TyNcex', 'cut SCRAM'],
  ['{CRAM-MD5}280af0a609abda1cd78d528f603e0a85', 'half of the states'],
  ['{PLAIN}', 'nothing'],
  ['x', 'no scheme: crypt'],
  ['', 'nothing at all'],
] as const
for (const [stored, why] of unusable)
  test(`verifyPassword() refuses ${why}`, () => assert.rejects(verifyPassword(stored, 'x'), UnusablePassword))

test('verifyPassword() never takes an empty password, NUL, or more than 1,024 octets', async () => {
  assert.equal(await verifyPassword('{PLAIN}a', 'a\0'), false)
  const long = 'a'.repeat(1_025)
  assert.equal(await verifyPassword(`{PLAIN}${long}`, long), false)
  assert.equal(await verifyPassword(`{PLAIN}${long.slice(1)}`, long.slice(1)), true)
})

for (const scheme of madeSchemes)
  test(`makePassword() makes {${scheme}} that verifies`, async () => {
    const stored = await makePassword(scheme.toLowerCase(), '비밀 pass:w')
    assert.match(stored, new RegExp(`^\\{${scheme}(\\.B64)?\\}[^:\\s]+$`))
    assert.equal(await verifyPassword(stored, '비밀 pass:w'), true)
    assert.equal(await verifyPassword(stored, '비밀 pass:W'), false)
  })

test('makePassword() salts', async () => {
  for (const scheme of ['ARGON2ID', 'SHA512-CRYPT', 'SSHA512', 'SCRAM-SHA-256', 'BLF-CRYPT'])
    assert.notEqual(await makePassword(scheme, 'same'), await makePassword(scheme, 'same'))
})

test('makePassword() takes the cost that is asked for', async () => {
  assert.match(await makePassword('SHA512-CRYPT', 'x', 7_000), /^\{SHA512-CRYPT\}\$6\$rounds=7000\$/)
  assert.match(await makePassword('BLF-CRYPT', 'x', 5), /^\{BLF-CRYPT\}\$2y\$05\$/)
  assert.match(await makePassword('SCRAM-SHA-256', 'x', 5_000), /^\{SCRAM-SHA-256\}5000,/)
})

const notMade = [
  ['MD5', 'x', 64],
  ['SHA256', 'x', 64],
  ['ARGON2ID', '', 65],
  ['ARGON2ID', 'a\nb', 65],
  ['ARGON2ID', 'a'.repeat(1_025), 65],
  ['BLF-CRYPT', 'a'.repeat(73), 65],
] as const
for (const [scheme, text, exit] of notMade)
  test(`makePassword() refuses ${scheme} of ${JSON.stringify(text.slice(0, 5))}`, () =>
    assert.rejects(makePassword(scheme, text), { exit }))

test('isSlow() tells what belongs on a thread', () => {
  assert.deepEqual(
    ['{ARGON2ID}x', '{ssha512.hex}x', '{PLAIN}x', '{SHA512-CRYPT}x', 'x', '{}', '{NOSUCH}'].map(isSlow),
    [true, false, false, true, true, false, false],
  )
})

test('scramKeys() and cramStates() come from their own schemes and from passwords in the clear', async () => {
  const stored = hashes.find(each => each.startsWith('{SCRAM-SHA-256}')) as string
  assert.equal(scramKeys(stored)?.iterations, 4_096)
  assert.deepEqual(scramKeys('{PLAIN}pencil'), scramKeys('{PLAIN}pencil'))
  assert.equal(scramKeys('{SSHA256}ayoITa/deF/EE1wFJ4SOxIncNRKIMu0XM02pk04II1JtKBJF'), undefined)
  assert.deepEqual(cramStates(await makePassword('CRAM-MD5', 'x')), cramStates('{PLAIN}x'))
  assert.equal(cramStates(stored), undefined)
})

test('hmacMd5() equals node:crypto, for keys and texts of every length about a block', () => {
  for (let key = 0; key < 130; key += 3)
    for (const text of [0, 1, 54, 55, 56, 63, 64, 65, 119, 120, 200]) {
      const [k, t] = [Buffer.alloc(key, 'k'), Buffer.alloc(text, 't')]
      assert.deepEqual(hmacMd5(hmacMd5States(k), t), createHmac('md5', k).update(t).digest())
    }
})

// What crypt(3) of glibc answers: setting, password, hash.
const vectors = [
  ['$5$saltstring', 'Hello world!', '$5$saltstring$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc5'],
  [
    '$5$rounds=10000$saltstringsaltstring',
    'Hello world!',
    '$5$rounds=10000$saltstringsaltst$3xv.VbSHBb41AL9AvLeujZkZRBAwqFMz2.opqey6IcA',
  ],
  [
    '$5$rounds=10$roundstoolow',
    'the minimum number is still observed',
    '$5$rounds=1000$roundstoolow$yfvwcWrQ8l/K0DAWyuPMDNHpIVlTQebY9l/gL972bIC',
  ],
  [
    '$6$rounds=1400$anotherlongsaltstring',
    'a very much longer text to encrypt.  This one even stretches over morethan one line.',
    '$6$rounds=1400$anotherlongsalts$POfYwTEok97VWcjxIiSOjiykti.o/pQs.wPvMxQ6Fm7I6IoYN3CmLs66x9t0oSwbtEW7o7UmJEiDwGqd8p4ur1',
  ],
] as const
for (const [setting, text, hash] of vectors)
  test(`shaCrypt() ${setting}`, () => assert.equal(shaCrypt(Buffer.from(text), setting), hash))

test('shaCrypt() knows only its own settings', () => {
  for (const setting of ['', '$1$abc', '$6', 'x', '$y$j9T$salt'])
    assert.equal(shaCrypt(Buffer.from('x'), setting), undefined)
})
