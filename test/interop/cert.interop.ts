/** What OpenSSL says of the certificates that mail-cert makes. */
import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { temporaryDirectory } from '../support/world.js'

const skip = spawnSync('openssl', ['version']).error ? 'openssl is not installed' : false

function mailCert(directory: string, ...words: string[]): void {
  const [command = '', ...rest] = words
  const argv = [
    'dist/bin/mail-cert.cjs',
    command,
    '-c',
    join(directory, 'none.toml'),
    '--directory',
    directory,
    ...rest,
  ]
  execFileSync(process.execPath, argv, { stdio: 'pipe' })
}

function verify(directory: string, ...options: string[]): string {
  const argv = [
    'verify',
    '-x509_strict',
    '-purpose',
    'sslserver',
    '-CAfile',
    join(directory, 'ca.crt'),
    ...options,
  ]
  const { stdout, stderr } = spawnSync('openssl', [...argv, join(directory, 'mail.crt')], {
    encoding: 'utf8',
  })
  return stdout.trim().endsWith(': OK') ? 'OK' : stderr
}

for (const rsa of [[], ['--rsa']])
  test(`openssl verify agrees ${rsa}`, { skip }, async (t: TestContext) => {
    const directory = temporaryDirectory(t)
    mailCert(directory, 'ca', '--domain', 'home.internal', ...rsa)
    mailCert(
      directory,
      'server',
      ...rsa,
      'mail.home.internal',
      'localhost',
      '127.0.0.1',
      '::1',
      '192.168.7.9',
    )
    assert.equal(verify(directory), 'OK')
    for (const name of ['mail.home.internal', 'localhost'])
      assert.equal(verify(directory, '-verify_hostname', name), 'OK')
    for (const address of ['127.0.0.1', '::1', '192.168.7.9'])
      assert.equal(verify(directory, '-verify_ip', address), 'OK')
    assert.match(verify(directory, '-verify_hostname', 'www.home.internal'), /hostname mismatch/i)
    mailCert(directory, 'renew', '--new-key')
    assert.equal(verify(directory, '-verify_hostname', 'localhost'), 'OK')
    const text = execFileSync('openssl', ['x509', '-in', join(directory, 'mail.crt'), '-noout', '-text'], {
      encoding: 'utf8',
    })
    assert.match(text, /TLS Web Server Authentication/)
    assert.match(text, rsa.length > 0 ? /sha256WithRSAEncryption/ : /ecdsa-with-SHA256/)
    const key = spawnSync('openssl', ['pkey', '-in', join(directory, 'mail.key'), '-check', '-noout'], {
      encoding: 'utf8',
    })
    assert.match(key.stdout + key.stderr, /is valid/)
  })
