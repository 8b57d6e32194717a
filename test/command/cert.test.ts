import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { X509Certificate } from 'node:crypto'
import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { temporaryDirectory } from '../support/world.js'

const configuration = 'hostname = "mail.home.internal"\ndomains = ["home.internal", "example.org"]\n'

function home(t: TestContext) {
  const directory = temporaryDirectory(t)
  const config = join(directory, 'mail.toml')
  writeFileSync(config, configuration)
  const run = (...words: string[]) => {
    const { status, stdout, stderr } = spawnSync(process.execPath, ['dist/bin/mail-cert.cjs', ...words], {
      encoding: 'utf8',
      env: { ...process.env, POSTERN_CONFIG: config },
    })
    return { status, stdout, stderr }
  }
  const file = (name: string) => join(directory, 'tls', name)
  return { directory, run, file, leaf: () => new X509Certificate(readFileSync(file('mail.crt'))) }
}

test('mail-cert ca, server, show: the names come from the configuration', t => {
  const { run, file } = home(t)
  const ca = run('ca')
  assert.deepEqual([ca.status, ca.stderr], [0, ''])
  assert.match(ca.stdout, /tls\/ca.crt\n {2}authority {2}home.internal mail authority\n/)
  const server = run('server')
  assert.deepEqual([server.status, server.stderr], [0, ''])
  assert.match(server.stdout, /names +mail.home.internal\n/)
  const shown = run('show', '--json')
    .stdout.trimEnd()
    .split('\n')
    .map(line => JSON.parse(line))
  assert.deepEqual(
    shown.map(({ file, names, authority }) => ({ file, names, authority })),
    [
      { file: file('ca.crt'), names: [], authority: true },
      { file: file('mail.crt'), names: ['mail.home.internal'], authority: false },
    ],
  )
})

test('mail-cert server: other names, with a word on the one that is missing', t => {
  const { run, leaf } = home(t)
  run('ca')
  const { status, stderr } = run('server', 'imap.example.org', '127.0.0.1', '--days', '90')
  assert.equal(status, 0)
  assert.match(stderr, /hostname, mail.home.internal, is not among the names/)
  const { subjectAltName, validFrom, validTo } = leaf()
  assert.equal(subjectAltName, 'DNS:imap.example.org, IP Address:127.0.0.1')
  assert.equal(Math.ceil((Date.parse(validTo) - Date.parse(validFrom)) / 86_400_000), 90)
})

test('mail-cert renew: the same names, the same key unless told', t => {
  const { run, file, leaf } = home(t)
  run('ca')
  run('server', 'mail.home.internal', '::1')
  const [before, key, mode] = [leaf(), readFileSync(file('mail.key'), 'utf8'), statSync(file('mail.key')).ino]
  assert.equal(run('renew').status, 0)
  assert.notEqual(leaf().serialNumber, before.serialNumber)
  assert.equal(leaf().subjectAltName, before.subjectAltName)
  assert.equal(statSync(file('mail.key')).ino, mode, 'the key is not even written again')
  assert.equal(run('renew', '--new-key').status, 0)
  assert.notEqual(readFileSync(file('mail.key'), 'utf8'), key)
  const kept = leaf().serialNumber
  assert.deepEqual(run('renew', '--within', '30'), { status: 0, stdout: '', stderr: '' })
  assert.equal(leaf().serialNumber, kept)
  assert.equal(run('renew', '--within', '398').status, 0)
  assert.notEqual(leaf().serialNumber, kept)
})

test('mail-cert --directory needs no configuration', t => {
  const { directory, run } = home(t)
  const elsewhere = join(directory, 'elsewhere')
  const none = ['-c', join(directory, 'none.toml'), '--directory', elsewhere]
  assert.equal(run('ca', ...none).status, 64)
  assert.equal(run('ca', ...none, '--domain', 'x.lan').status, 0)
  assert.equal(run('server', ...none).status, 64)
  assert.equal(run('server', ...none, 'x.lan').status, 0)
  assert.match(run('show', ...none).stdout, /elsewhere\/mail.crt\n {2}server {5}x.lan/)
})

const wrong: readonly (readonly [string[], number, RegExp])[] = [
  [['server'], 66, /cannot read the certificate .*ca.crt: there is none; `mail-cert ca`/],
  [['renew'], 66, /mail.crt: there is none/],
  [['show'], 66, /mail.crt: there is none/],
  [['show', 'package.json'], 66, /cannot read the certificate package.json/],
  [['server', '--days', '398'], 64, /--days must be from 1 to 397/],
  [['ca', '-c', '/nowhere/mail.toml'], 78, /no such file/],
  [['ca', 'operand'], 64, /Try `mail-cert ca --help'/],
  [[], 64, /say which: ca, server, renew, show/],
]
for (const [words, status, text] of wrong)
  test(`mail-cert ${words.join(' ')}: exit ${status}`, t => {
    const result = home(t).run(...words)
    assert.equal(result.status, status, result.stderr)
    assert.match(result.stderr, text)
  })

test('mail-cert ca twice: exit 73; server for a stranger: exit 65', t => {
  const { run } = home(t)
  run('ca')
  assert.equal(run('ca').status, 73)
  assert.equal(run('ca', '--force').status, 0)
  assert.equal(run('server', 'mail.google.com').status, 65)
})
