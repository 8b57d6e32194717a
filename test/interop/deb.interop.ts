/** The Debian packages on a booted Debian: installed, set up, upgraded with mail coming in, removed, purged. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { Machine, noMachine } from '../support/booted.js'
import { has } from '../support/program.js'

const skip = noMachine() || (!has('dpkg-deb') && 'dpkg-deb is not installed')

let machine: Machine

before(
  async () => {
    if (skip) return
    machine = await Machine.boot()
    await machine.sh('rm -rf /usr/lib/node_modules')
    for (const version of ['0.1.0', '0.2.0']) {
      execFileSync('.ci/deb', { env: { ...process.env, VERSION: version } })
      for (const name of ['postern', 'postern-sendmail']) take(`dist/${name}_${version}_all.deb`)
    }
    take(nodejs())
    await machine.sh('dpkg -i /root/nodejs.deb')
  },
  { timeout: 600_000 },
)

after(async () => {
  await machine?.stop()
})

/** Copies a file into the machine's /root. */
function take(path: string): void {
  copyFileSync(path, `/proc/${machine.pid}/root/root/${path.split('/').at(-1)}`)
}

/** Node is there already; this says so to dpkg, as the package of it would. */
function nodejs(): string {
  const work = mkdtempSync(join(tmpdir(), 'postern-nodejs-'))
  mkdirSync(join(work, 'tree/DEBIAN'), { recursive: true })
  writeFileSync(
    join(work, 'tree/DEBIAN/control'),
    `Package: nodejs\nVersion: ${process.versions.node}\nArchitecture: all\nMaintainer: nobody <nobody@localhost>\nDescription: the Node that runs\n`,
  )
  execFileSync('dpkg-deb', ['--root-owner-group', '--build', join(work, 'tree'), 'dist/nodejs.deb'])
  rmSync(work, { recursive: true })
  return 'dist/nodejs.deb'
}

// A server keeps a lock ready in tmp/, and takes it away when it ends.
const mail = () =>
  machine.sh('find /var/lib/postern/home -path "*/Maildir/*" ! -path "*/tmp/*" -type f | sort')

test('installed: commands, pages, units, the user; set up in one command', {
  skip,
  timeout: 120_000,
}, async () => {
  await machine.sh('dpkg -i /root/postern_0.1.0_all.deb /root/postern-sendmail_0.1.0_all.deb')
  assert.match(await machine.sh('mail-smtpd --version'), /0\.1\.0/)
  await machine.sh('test -e /usr/share/man/man8/mail-smtpd.8.gz -a -e /usr/share/man/man5/mail.toml.5.gz')
  assert.match(await machine.sh('getent passwd postern'), /\/var\/lib\/postern/)
  assert.equal((await machine.sh('stat -c %a /var/lib/postern/queue/drop')).trim(), '3733')
  const told = await machine.sh('mail-setup --domain example.internal --user me 2>&1')
  assert.match(told, /^and came out at 0\.0\.0\.0:993$/m)
  assert.equal((await machine.sh('systemctl --failed --no-legend')).trim(), '')
})

test('sendmail of the package leaves mail for everybody', { skip, timeout: 60_000 }, async () => {
  await machine.sh(
    "printf 'Subject: by sendmail\\n\\nx\\n' | setpriv --reuid 1000 --clear-groups /usr/sbin/sendmail me",
  )
  await machine.sh(
    'for i in $(seq 200); do grep -rqs "by sendmail" /var/lib/postern/home && exit; sleep 0.1; done; exit 1',
  )
  assert.match(await machine.sh('mailq 2>&1'), /empty/i)
})

test('an upgrade turns nobody away, and keeps all', { skip, timeout: 120_000 }, async () => {
  const before = await mail()
  const count = machine.countServed()
  await machine.sh('dpkg -i /root/postern_0.2.0_all.deb /root/postern-sendmail_0.2.0_all.deb')
  assert.equal((await count).trim(), '50')
  assert.equal(await mail(), before)
  assert.equal((await machine.sh('systemctl --failed --no-legend')).trim(), '')
})

test('removed: nothing runs, the configuration and the mail stay', { skip, timeout: 60_000 }, async () => {
  const before = await mail()
  await machine.sh('dpkg -r postern-sendmail postern')
  assert.equal(
    await machine.sh('systemctl list-units --no-legend --all "mail*" | grep -w active || true'),
    '',
  )
  assert.equal(await machine.sh('ls /etc/systemd/system | grep ^mail || true'), '')
  await machine.sh('test -e /etc/postern/mail.toml -a -e /etc/postern/users -a ! -e /usr/bin/mail-smtpd')
  assert.equal(await mail(), before)
})

test('purged: the configuration goes, the mail stays', { skip, timeout: 60_000 }, async () => {
  const before = await mail()
  assert.match(
    await machine.sh('dpkg -P postern postern-sendmail 2>&1'),
    /The mail stays in \/var\/lib\/postern/,
  )
  await machine.sh('test ! -e /etc/postern')
  assert.equal(await mail(), before)
  assert.equal(await machine.sh('dpkg -l "postern*" 2>/dev/null | grep ^ii || true'), '')
})
