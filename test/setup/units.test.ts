import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { type Config, parseConfig } from '../../lib/config/load.js'
import { planUnits, type Units } from '../../lib/setup/units.js'
import { has } from '../support/program.js'
import { temporaryDirectory } from '../support/world.js'

const source = 'lib/systemd'
const names = readdirSync(join(source, 'system'))
const head = 'hostname = "mail.example.org"\ndomains = ["example.org"]\n'

function configOf(text: string): Config {
  return parseConfig(head + text, '/etc/postern/mail.toml')
}

function plan(text: string, missing: readonly string[] = [], file = '/etc/postern/mail.toml'): Units {
  const program = (name: string) => (missing.includes(name) ? undefined : `/opt/node /opt/${name}.cjs`)
  return planUnits({ config: configOf(text), file, source, program })
}

const textOf = ({ units }: Units, name: string) => units.find(unit => unit.name === name)?.text ?? ''
const linesOf = (text: string, key: string) => text.split('\n').filter(line => line.startsWith(`${key}=`))

test('every service is hardened alike, runs as postern, and is taken down with mail.target', () => {
  const blocks = new Set<string>()
  for (const name of names.filter(each => each.endsWith('.service'))) {
    const text = readFileSync(join(source, 'system', name), 'utf8')
    blocks.add(text.slice(text.indexOf('\n# Nothing but mail')))
    assert.match(text, /^User=postern$/m, name)
    assert.doesNotMatch(text, /^ExecStart=[+!-]/m, `${name} is nowhere root`)
    if (/^Type=notify$/m.test(text)) assert.match(text, /^PartOf=mail\.target$/m, name)
  }
  assert.equal(blocks.size, 1, 'one block for all')
  for (const name of names.filter(each => /\.(socket|path|timer)$/.test(each)))
    assert.match(readFileSync(join(source, 'system', name), 'utf8'), /^PartOf=mail\.target$/m, name)
})

test('systemd says that each is exposed by 1.5 of 10 at most, and nothing else', {
  skip: has('systemd-analyze') ? false : 'systemd-analyze is not installed',
}, () => {
  for (const name of names.filter(each => each.endsWith('.service'))) {
    const run = spawnSync(
      'systemd-analyze',
      ['security', '--offline=true', '--threshold=15', '--no-pager', join(source, 'system', name)],
      { encoding: 'utf8' },
    )
    assert.equal(run.status, 0, `${name}: ${run.stdout.split('\n').at(-2)}`)
    assert.equal(run.stderr, '', name)
  }
})

test('the sockets are those of the listeners, in their order', () => {
  const units = plan(
    '[smtpd]\nlisten = [{ address = "[::]:2587" }, { address = "0.0.0.0:2587", auth = "required" }, { address = "unix:/run/postern/lmtp.sock", protocol = "lmtp" }]',
  )
  const socket = textOf(units, 'mail-smtpd.socket')
  assert.deepEqual(linesOf(socket, 'ListenStream'), [
    'ListenStream=[::]:2587',
    'ListenStream=0.0.0.0:2587',
    'ListenStream=/run/postern/lmtp.sock',
  ])
  assert.deepEqual(linesOf(socket, 'BindIPv6Only'), ['BindIPv6Only=ipv6-only'], 'one port, both families')
  assert.deepEqual(linesOf(socket, 'SocketMode'), ['SocketMode=0660'])
})

test('the sockets that ship are those of the usual listeners', () => {
  for (const name of ['mail-smtpd.socket', 'mail-imapd.socket'])
    assert.equal(textOf(plan(''), name), readFileSync(join(source, 'system', name), 'utf8'), name)
})

test('profiles have a socket of their own, which wakes mail-imapd', () => {
  const units = plan('[profiles]\nlisten = "0.0.0.0:8443"')
  assert.ok(units.enabled.includes('mail-profiles.socket'))
  const socket = textOf(units, 'mail-profiles.socket')
  assert.deepEqual(linesOf(socket, 'ListenStream'), ['ListenStream=0.0.0.0:8443'])
  assert.deepEqual(linesOf(socket, 'Service'), ['Service=mail-imapd.service'])
  assert.deepEqual(linesOf(textOf(units, 'mail-imapd.service'), 'Sockets'), [
    'Sockets=mail-imapd.socket mail-profiles.socket',
  ])
  assert.ok(!plan('').units.some(({ name }) => name === 'mail-profiles.socket'))
})

test('a name that is no address: exit 78', () => {
  assert.throws(() => plan('[[smtpd.listen]]\naddress = "mail.example.org:587"'), { exit: 78 })
})

test('what is off, or not installed, has no units', () => {
  const units = plan('[[sieved.listen]]\naddress = "0.0.0.0:4190"', ['mail-sieved'])
  assert.ok(!units.enabled.includes('mail-pop3d.socket'))
  assert.ok(!units.enabled.includes('mail-sieved.socket'))
  assert.match(units.notes.join(), /mail-sieved is not installed/)
})

test('commands are named where they stand, with the configuration where it is another', () => {
  assert.deepEqual(linesOf(textOf(plan(''), 'mail-smtpd.service'), 'ExecStart'), [
    'ExecStart=/opt/node /opt/mail-smtpd.cjs',
  ])
  assert.deepEqual(linesOf(textOf(plan('', [], '/etc/my mail.toml'), 'mail-relay.service'), 'ExecStart'), [
    'ExecStart=/opt/node /opt/mail-relay.cjs --config "/etc/my mail.toml"',
  ])
})

test('mail elsewhere can be written there', () => {
  const units = plan('[users]\nhome = "/srv/mail/%d/%n"\n[queue]\ndirectory = "/srv/queue"')
  assert.deepEqual(linesOf(textOf(units, 'mail-imapd.service'), 'ReadWritePaths'), [
    'ReadWritePaths=/srv/queue /srv/mail',
  ])
  assert.deepEqual(linesOf(textOf(units, 'mail-relay.path'), 'DirectoryNotEmpty'), [
    'DirectoryNotEmpty=/srv/queue/mail',
    'DirectoryNotEmpty=/srv/queue/drop',
  ])
})

test('each account has its timer, and its own rhythm', () => {
  const account = (name: string, more = '') =>
    `[fetch.${name}]\nprovider = "gmail"\nuser = "x@gmail.com"\npassword_file = "x"\ninto = "me@example.org"\n${more}`
  const units = plan(account('gmail') + account('naver', 'every = "90s"\n'))
  assert.deepEqual(
    units.enabled.filter(name => name.startsWith('mail-fetch')),
    ['mail-fetch@gmail.timer', 'mail-fetch@naver.timer'],
  )
  assert.match(textOf(units, 'mail-fetch@naver.timer.d/every.conf'), /OnUnitInactiveSec=90000ms/)
  assert.throws(() => plan(account('"a b"')), { exit: 78 })
})

test('systemd-analyze verify has nothing to say', {
  skip: has('systemd-analyze') && process.getuid?.() === 0 ? false : 'needs root and systemd-analyze',
}, t => {
  const root = temporaryDirectory(t)
  const directory = join(root, 'etc/systemd/system')
  mkdirSync(directory, { recursive: true })
  const config = configOf(
    '[[pop3d.listen]]\naddress = "0.0.0.0:995"\n[[sieved.listen]]\naddress = "0.0.0.0:4190"\n' +
      '[fetch.gmail]\nprovider = "gmail"\nuser = "x@gmail.com"\npassword_file = "x"\ninto = "me@example.org"\nevery = "1m"\n',
  )
  const program = () => process.execPath
  const { units } = planUnits({ config, file: '/etc/postern/mail.toml', source, program })
  for (const { name, text } of units) {
    mkdirSync(join(directory, name, '..'), { recursive: true })
    writeFileSync(join(directory, name), text)
  }
  const all = units.filter(({ name }) => !name.includes('/')).map(({ name }) => join(directory, name))
  const paths = all.map(path => path.replace('@.', '@gmail.'))
  for (const path of all.filter(each => each.includes('@.')))
    writeFileSync(path.replace('@.', '@gmail.'), readFileSync(path))
  const run = spawnSync('systemd-analyze', ['verify', '--man=no', ...paths], {
    encoding: 'utf8',
    env: { ...process.env, SYSTEMD_UNIT_PATH: `${directory}:` },
  })
  assert.equal(run.stdout + run.stderr, '')
  assert.equal(run.status, 0)
})
