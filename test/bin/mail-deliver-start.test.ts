/** mail-deliver with the code that was made of its bundles, without it, and with another's. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { after, before, test } from 'node:test'
import { codePath } from '../../lib/sys/bundle.js'
import { commandPath } from '../support/program.js'

const bundles = ['mail-deliver.bundle', 'deliver-more.bundle']
let directory = ''

before(() => {
  directory = mkdtempSync(join(tmpdir(), 'deliver-start-'))
  const from = dirname(commandPath('mail-deliver'))
  for (const name of readdirSync(from).filter(name => name.includes('deliver')))
    cpSync(join(from, name), join(directory, name))
  const home = join(directory, 'home')
  mkdirSync(home)
  writeFileSync(join(home, '.dovecot.sieve'), 'require ["fileinto", "mailbox"]; fileinto :create "Done";')
  writeFileSync(join(directory, 'users'), 'u:{PLAIN}x:::::\n')
  writeFileSync(
    join(directory, 'mail.toml'),
    `hostname = "mail.example.org"\ndomains = ["example.org"]\n[users]\nhome = "${home}"\n`,
  )
})

after(() => rmSync(directory, { recursive: true, force: true }))

/** @returns how many messages the script has filed */
function deliver(): number {
  const argv = [join(directory, 'mail-deliver.cjs'), '-c', join(directory, 'mail.toml'), '-d', 'u']
  const { status, stderr } = spawnSync(process.execPath, argv, {
    input: 'Subject: x\n\nx\n',
    encoding: 'utf8',
  })
  assert.equal(stderr, '')
  assert.equal(status, 0)
  return readdirSync(join(directory, 'home/Maildir/.Done/new')).length
}

test('the bundles import() nothing: they could not', () => {
  for (const name of bundles) assert.doesNotMatch(readFileSync(join(directory, name), 'utf8'), /\bimport\(/)
})

test('the build has kept the code of both bundles', () => {
  for (const name of bundles) assert.ok(readFileSync(codePath(join(directory, name))).length > 10_000)
  assert.equal(deliver(), 1)
})

test('code of another V8 is passed over', () => {
  for (const name of bundles) {
    const code = readFileSync(codePath(join(directory, name)))
    // The second word is the sum of V8's version.
    code.writeUInt32LE((code.readUInt32LE(4) ^ 0x5a5a) >>> 0, 4)
    writeFileSync(codePath(join(directory, name)), code)
  }
  assert.equal(deliver(), 2)
})

test('code that was cut short is passed over', () => {
  for (const name of bundles) {
    const code = readFileSync(codePath(join(directory, name)))
    writeFileSync(codePath(join(directory, name)), code.subarray(0, 5_000))
  }
  assert.equal(deliver(), 3)
})

test('there need be no code', () => {
  for (const name of bundles) rmSync(codePath(join(directory, name)))
  assert.equal(deliver(), 4)
})

test('a delivery, with a script or without, loads no module of Node that takes milliseconds', () => {
  const hook = join(directory, 'hook.cjs')
  const list = join(directory, 'loaded')
  writeFileSync(
    hook,
    `const known = new Set(process.moduleLoadList)
process.on('exit', () => require('node:fs').writeFileSync(${JSON.stringify(list)},
  process.moduleLoadList.filter(name => !known.has(name)).join('\\n')))`,
  )
  const program = join(directory, 'mail-deliver.cjs')
  for (const args of [
    ['--maildir', join(directory, 'Plain')],
    ['-c', join(directory, 'mail.toml'), '-d', 'u'],
  ]) {
    rmSync(list, { force: true })
    const argv = ['-r', hook, program, ...args]
    assert.equal(spawnSync(process.execPath, argv, { input: 'Subject: x\n\nx\n' }).status, 0)
    const loaded = readFileSync(list, 'utf8').split('\n')
    assert.ok(loaded.includes('NativeModule vm'), loaded.join(' '))
    const slow =
      /^NativeModule (child_process|crypto|fs\/promises|net|perf_hooks|stream|tls|worker_threads|zlib)$/
    assert.deepEqual(
      loaded.filter(name => slow.test(name)),
      [],
    )
  }
})

test('a wrong call is explained, and help is shown', () => {
  const run = (...argv: string[]) =>
    spawnSync(process.execPath, [commandPath('mail-deliver'), ...argv], { encoding: 'utf8' })
  assert.match(run('--help').stdout, /--maildir/)
  const { status, stderr } = run('--no-such')
  assert.equal(status, 64)
  assert.match(stderr, /mail-deliver --help/)
})
