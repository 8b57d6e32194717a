/** The scripts of fixtures/sieve through Pigeonhole's sieve-test: the same actions. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { folder, messagePath, readCases } from '../sieve/cases.js'

const missing = spawnSync('sieve-test', ['-?']).error !== undefined
const skip = missing
  ? 'sieve-test is not installed'
  : process.getuid?.() === 0
    ? false
    : 'sieve-test needs root here'

const directory = mkdtempSync(join(tmpdir(), 'sieve-test-'))
after(() => rmSync(directory, { recursive: true, force: true }))
const configuration = join(directory, 'dovecot.conf')

if (!skip) {
  for (const name of ['home', 'base']) mkdirSync(join(directory, name), { mode: 0o777 })
  for (const name of ['', 'home', 'base']) chmodSync(join(directory, name), 0o777)
  writeFileSync(
    configuration,
    `base_dir = ${directory}/base
ssl = no
mail_location = maildir:${directory}/home/Maildir
mail_home = ${directory}/home
mail_uid = nobody
mail_gid = nogroup
log_path = /dev/stderr
postmaster_address = postmaster@example.org
hostname = mail.example.org
plugin {
  sieve_extensions = +editheader +spamtest +spamtestplus +virustest +vacation-seconds +special-use +mime +foreverypart +extracttext
}
namespace inbox {
  inbox = yes
  separator = .
}
`,
  )
}

/** Runs one script as Pigeonhole does. @returns what it says it would do, in the words of the fixtures */
function sieveTest(script: string, message: string, from: string, to: string): string {
  const copy = join(directory, 'script.sieve')
  copyFileSync(join(folder, script), copy)
  rmSync(join(directory, 'script.svbin'), { force: true })
  const argv = ['-c', configuration, '-f', from, '-r', to, copy, messagePath(message)]
  const { stdout } = spawnSync('sieve-test', argv, { encoding: 'utf8' })
  const [, performed, implicit] = /^Performed actions:(.*)^Implicit keep:(.*)/ms.exec(stdout) ?? []
  if (performed === undefined || implicit === undefined) return 'error'
  const words = [...performed.matchAll(/^ \* (.*)$((?:\n {8}.*$)*)/gm)].flatMap(
    ([, action = '', effects = '']) => (action.startsWith('track ') ? [] : [word(action) + flags(effects)]),
  )
  if (/^ \* /m.test(implicit)) words.push(`implicit keep${flags(implicit)}`)
  return words.join(', ')
}

function word(action: string): string {
  if (action === 'keep') return 'store INBOX'
  if (action.startsWith('reject')) return 'reject'
  if (action.startsWith('send vacation')) return 'vacation'
  if (action.includes('notif')) return 'notify'
  return action
    .replace(/^store message in folder: /, 'store ')
    .replace(/^redirect message to: <(.*)>$/, 'redirect $1')
}

function flags(effects: string): string {
  const [, list] = /add IMAP flags: (.*)/.exec(effects) ?? []
  return list === undefined ? '' : ` (${list.toLowerCase().split(' ').sort().join(' ')})`
}

for (const { script, message, from, to, expected } of readCases().filter(({ shared }) => shared))
  test(`${script} ${message} from=${from} to=${to}`, { skip }, () =>
    assert.equal(sieveTest(script, message, from, to), expected),
  )
