/** sieve-connect against mail-sieved. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { existsSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { after, before, test } from 'node:test'
import { makePlace, type Place } from '../support/place.js'
import { has, Program } from '../support/program.js'

const skip = has('sieve-connect') ? false : 'sieve-connect is not installed'

let place: Place
let sieved: Program
let port = 0
let home = ''

before(async () => {
  if (skip) return
  place = makePlace(
    '[[sieved.listen]]\naddress = "127.0.0.1:0"\ntls = "offered"\n',
    'penalty = "0s"\nmechanisms = ["PLAIN", "LOGIN", "CRAM-MD5"]',
  )
  sieved = await Program.start('mail-sieved', place.config)
  ;[port = 0] = sieved.ports('sieved')
  home = dirname(place.maildir('alice'))
})

after(async () => {
  await sieved?.stop()
  place?.remove()
})

/** What one run came to: all it printed, whether it ended well or not. */
interface Ran {
  readonly output: string
  readonly ok: boolean
}

/** Runs sieve-connect over TLS that it verifies, logging in as alice. */
function connect(...args: readonly string[]): Promise<Ran> {
  const login = ['-s', 'localhost', '-p', String(port), '-u', 'alice', '--passwordfd', '0']
  const argv = [...login, '--tlscafile', place.ca, ...args]
  return new Promise(resolve => {
    const child = execFile('sieve-connect', argv, { timeout: 60_000 }, (error, stdout, stderr) =>
      resolve({ output: stdout + stderr, ok: !error }),
    )
    child.stdin?.end('wonderland\n')
  })
}

/** As {@link connect}. @returns what it printed @throws Error when it failed */
async function succeed(...args: readonly string[]): Promise<string> {
  const { output, ok } = await connect(...args)
  assert.ok(ok, output)
  return output
}

/** Writes a script to be sent. @returns its path */
function local(name: string, text: string): string {
  const path = join(place.directory, name)
  writeFileSync(path, text)
  return path
}

const text = 'require "fileinto";\nif header :contains "subject" "안녕" { fileinto "인사"; }\n'

for (const mechanism of ['PLAIN', 'LOGIN', 'CRAM-MD5'])
  test(`logs in with ${mechanism}, after STARTTLS`, { skip }, async () => {
    assert.match(
      await succeed('--debug', '--authmech', mechanism, '--list'),
      new RegExp(`AUTHENTICATE "${mechanism}"`),
    )
  })

test('a wrong password is refused', { skip }, async () => {
  const { output, ok } = await connect('--user', 'bob', '--list')
  assert.ok(!ok)
  assert.match(output, /AUTHENTICATIONFAILED|[Aa]uthentication/)
})

test('a script is sent, made active, listed, fetched and deleted', { skip }, async () => {
  const path = local('filters.sieve', text)
  await succeed('--upload', '--localsieve', path, '--remotesieve', 'my filters')
  await succeed('--activate', '--remotesieve', 'my filters')
  assert.equal(readFileSync(join(home, '.dovecot.sieve'), 'utf8'), text)
  assert.equal(readlinkSync(join(home, '.dovecot.sieve')), 'sieve/my filters.sieve')
  assert.match(await succeed('--list'), /"my filters" ACTIVE/)

  const fetched = join(place.directory, 'fetched.sieve')
  await succeed('--download', '--remotesieve', 'my filters', '--localsieve', fetched)
  assert.equal(readFileSync(fetched, 'utf8'), text)

  const { ok } = await connect('--delete', '--remotesieve', 'my filters')
  assert.ok(!ok, 'the active script is not deleted')
  await succeed('--deactivate')
  assert.ok(!existsSync(join(home, '.dovecot.sieve')))
  await succeed('--delete', '--remotesieve', 'my filters')
  assert.ok(!existsSync(join(home, 'sieve', 'my filters.sieve')))
})

test('a script with mistakes is refused with their lines', { skip }, async () => {
  const path = local('broken.sieve', 'keep;\nfileinto "a";\nif true {\n  keep "x";\n}\n')
  const { output, ok } = await connect('--upload', '--localsieve', path, '--remotesieve', 'broken')
  assert.ok(!ok)
  assert.match(output, /line 2/)
  assert.match(output, /line 4/)
  assert.ok(!existsSync(join(home, 'sieve', 'broken.sieve')))
})
