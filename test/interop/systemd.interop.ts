/** Set up by mail-setup on a real systemd: started, used, killed, hung, restarted, stopped. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { Machine, noMachine, packagePath } from '../support/booted.js'
import { until } from '../support/world.js'

const skip = noMachine()
const command = (name: string) => `node ${packagePath}/dist/bin/${name}.cjs`
const servers = ['mail-smtpd', 'mail-imapd', 'mail-pop3d', 'mail-sieved'] as const
const ports = { 'mail-smtpd': 465, 'mail-imapd': 993, 'mail-pop3d': 995, 'mail-sieved': 4190 } as const

let machine: Machine
let told = ''

before(
  async () => {
    if (skip) return
    machine = await Machine.boot()
    told = await machine.sh(
      `${command('mail-setup')} --domain example.internal --user me --user you --pop3 2>&1`,
    )
  },
  { timeout: 600_000 },
)

after(async () => {
  await machine?.stop()
})

/** What systemd says of a unit. */
const property = async (unit: string, name: string) =>
  (await machine.exec('systemctl', 'show', '--value', '-p', name, unit)).trim()

/** A greeting, over TLS where the port begins with it, from inside. */
const greeting = (port: number) =>
  machine.script(`
    import { connect } from 'node:${port === 4190 ? 'net' : 'tls'}'
    const socket = connect({ host: '127.0.0.1', port: ${port}, rejectUnauthorized: false })
    socket.setTimeout(20_000, () => { console.error('nothing was said'); process.exit(1) })
    socket.once('data', data => { console.log(String(data)); process.exit() })
  `)

test('mail-setup: mail went in at 587 and came out at 993', { skip }, async () => {
  assert.match(told, /^a message went in at 0\.0\.0\.0:587$/m)
  assert.match(told, /^and came out at 0\.0\.0\.0:993$/m)
  assert.equal((await machine.sh('systemctl --failed --no-legend')).trim(), '')
})

test('no process of ours is root, and each is ready when systemd says so', { skip }, async () => {
  for (const name of servers) {
    await greeting(ports[name])
    assert.equal(await property(`${name}.service`, 'ActiveState'), 'active')
    const user = await machine.sh(`stat -c %U /proc/${await property(`${name}.service`, 'MainPID')}`)
    assert.equal(user.trim(), 'postern')
  }
})

test('systemd has nothing to say about the units', { skip }, async () => {
  const said = await machine.sh(
    'systemd-analyze verify --man=no $(ls -d /etc/systemd/system/mail* | grep -v -e @ -e wants) 2>&1',
  )
  assert.equal(said, '')
})

test('the authority has no reader among the servers', { skip }, async () => {
  const pid = await property('mail-imapd.service', 'MainPID')
  const seen = await machine.sh(`cat /proc/${pid}/root/etc/postern/tls/ca.key 2>&1 | wc -l`)
  assert.equal(seen.trim(), '0', 'the key of the authority is hidden from mail-imapd')
})

for (const [what, signal] of [
  ['killed', 'KILL'],
  ['hanging', 'STOP'],
] as const)
  test(`a ${what} server is back`, { skip, timeout: 120_000 }, async () => {
    const again = async (name: keyof typeof ports) => {
      const service = `${name}.service`
      const before = await property(service, 'MainPID')
      await machine.sh(`kill -s ${signal} ${before}`)
      // One that hangs is found out by the watchdog.
      await until(async () => !['0', before].includes(await property(service, 'MainPID')), 90_000)
      assert.match(await greeting(ports[name]), /^(220|\* OK|\+OK|"IMPLEMENTATION")/, name)
    }
    await Promise.all(servers.map(again))
  })

test('a killed relay is back', { skip, timeout: 60_000 }, async () => {
  await machine.sh('systemctl start mail-relay.service')
  const before = await property('mail-relay.service', 'MainPID')
  await machine.sh(`kill -s KILL ${before}`)
  await until(async () => !['0', before].includes(await property('mail-relay.service', 'MainPID')), 20_000)
})

test('50 of 50 connections across restarts are served', { skip, timeout: 60_000 }, async () => {
  const count = machine.countServed()
  await machine.sh('for i in 1 2 3; do sleep 0.5; systemctl restart mail-imapd.service; done')
  assert.equal((await count).trim(), '50')
})

test('what anybody leaves in the queue starts mail-relay', { skip, timeout: 60_000 }, async () => {
  await machine.sh(
    `printf 'Subject: x\\n\\nx\\n' | setpriv --reuid 1000 --clear-groups ` +
      `${command('mail-send')} -f me@example.internal me@example.internal`,
  )
  const arrived = "find /var/lib/postern/home -path '*/new/*' -type f | wc -l"
  await until(async () => (await machine.sh(arrived)).trim() === '1', 20_000)
  assert.equal(await property('mail-relay.service', 'ActiveState'), 'active')
})

test('who is idle goes home, and comes back when called', { skip, timeout: 60_000 }, async () => {
  await machine.sh(
    `sed -i '/^.pop3d.$/a idle_exit = "1s"' /etc/postern/mail.toml; systemctl restart mail-pop3d`,
  )
  await until(async () => (await property('mail-pop3d.service', 'ActiveState')) === 'inactive', 20_000)
  assert.equal(await property('mail-pop3d.service', 'Result'), 'success')
  assert.match(await greeting(995), /^\+OK/)
})

test('mail-check finds nothing wrong, by hand and from its timer', { skip, timeout: 60_000 }, async () => {
  assert.equal(await machine.sh(command('mail-check')), '')
  await machine.sh('systemctl start mail-check.service mail-cert-renew.service')
  assert.equal(await property('mail-check.service', 'ExecMainStatus'), '0')
  assert.equal(await property('mail-cert-renew.service', 'ExecMainStatus'), '0')
})

test('a failure is told', { skip, timeout: 60_000 }, async () => {
  await machine.sh('systemctl start mail-failure@mail-smtpd.service')
  const journal = 'journalctl -o cat -u mail-failure@mail-smtpd.service'
  await until(async () => /mail-smtpd on mail\.example\.internal has failed/.test(await machine.sh(journal)))
})

test('the timer of an account pulls its mail in', { skip, timeout: 60_000 }, async () => {
  const account = [
    ['[fetch.other]', 'host = "localhost:993"', 'ca = "tls/ca.crt"', 'user = "you"'],
    [
      'password_file = "secrets/other"',
      'into = "me@example.internal"',
      'folders = ["INBOX"]',
      'every = "2s"',
    ],
  ].flat()
  await machine.sh(`printf 'over there\\n' | ${command('mail-user')} passwd you@example.internal`)
  await machine.sh(
    `install -o postern -m 600 /dev/stdin /etc/postern/secrets/other <<END\nover there\nEND\n` +
      `cat >> /etc/postern/mail.toml <<END\n${account.join('\n')}\nEND\n` +
      `${command('mail-setup')} units && systemctl daemon-reload && systemctl start mail-fetch@other.timer`,
  )
  await machine.sh(
    `printf 'Subject: from over there\\n\\nx\\n' | ${command('mail-send')} -f me@example.internal you@example.internal`,
  )
  const arrived = "grep -rls 'from over there' /var/lib/postern/home/example.internal/me/Maildir | wc -l"
  await until(async () => (await machine.sh(arrived)).trim() === '1', 40_000)
  await machine.sh('systemctl stop mail-fetch@other.timer')
})

test('mail-setup again changes nothing', { skip, timeout: 60_000 }, async () => {
  const again = await machine.sh(`${command('mail-setup')} --no-test 2>&1`)
  assert.deepEqual(
    again.split('\n').filter(line => /^(made|changed|kept) /.test(line)),
    ['kept /etc/postern/mail.toml, which was changed by hand; --dry-run shows the differences'],
  )
})

test('stop leaves nothing, and remove takes back the units but no mail', {
  skip,
  timeout: 60_000,
}, async () => {
  await machine.sh('systemctl stop mail.target')
  // systemctl waits for the target alone.
  const active = "systemctl list-units --no-legend --state=active,activating,deactivating 'mail*'"
  await until(async () => (await machine.sh(active)).trim() === '', 30_000)
  assert.equal((await machine.sh('ps -u postern -o pid= || true')).trim(), '')
  assert.equal((await machine.sh("ss -Hltn | grep -E ':(587|465|993|995) ' || true")).trim(), '')
  await machine.sh(`${command('mail-setup')} remove`)
  assert.equal((await machine.sh('ls /etc/systemd/system | grep ^mail || true')).trim(), '')
  await machine.sh('test -d /var/lib/postern/home/example.internal/me/Maildir')
})
