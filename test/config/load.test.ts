import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { test } from 'node:test'
import { ConfigError, loadConfig, parseConfig } from '../../lib/config/load.js'
import { temporaryDirectory } from '../support/world.js'

const minimal = 'hostname = "mail.example.org"\ndomains = ["example.org"]\n'
const configOf = (text: string) => parseConfig(minimal + text, '/etc/postern/mail.toml')

/** The messages without the file's name, lines counted from the first after the minimal ones. */
function problemsOf(text: string): string[] {
  try {
    configOf(text)
  } catch (error) {
    assert.ok(error instanceof ConfigError)
    assert.equal(error.exit, 78)
    return error.problems.map(problem =>
      problem.replace(/^\/etc\/postern\/mail.toml:?(\d*)/, (_, line) => (line === '' ? '' : `${line - 2}`)),
    )
  }
  return []
}

test('hostname and domains are enough', () => {
  const config = configOf('')
  assert.equal(config.users.file, '/etc/postern/users')
  assert.equal(config.tls.key, '/etc/postern/tls/mail.key')
  assert.equal(config.smtpd.max_message_size, 50 * 1024 * 1024)
  assert.equal(config.login.penalty, 2_000)
  assert.deepEqual(config.login.mechanisms, ['PLAIN', 'LOGIN'])
  assert.deepEqual(
    config.smtpd.listen.map(({ address, tls, auth }) => [address, tls, auth]),
    [
      [{ host: '0.0.0.0', port: 587 }, 'required', 'required'],
      [{ host: '0.0.0.0', port: 465 }, 'implicit', 'required'],
    ],
  )
  assert.deepEqual(config.pop3d.listen, [])
  assert.equal(config.relay, undefined)
})

test('a whole file', async () => {
  const config = await loadConfig('fixtures/config/whole.toml')
  assert.deepEqual(
    config.smtpd.listen.map(({ address, protocol, tls, auth }) => ({ ...address, protocol, tls, auth })),
    [
      { host: '0.0.0.0', port: 25, protocol: 'smtp', tls: 'offered', auth: 'offered' },
      { host: '0.0.0.0', port: 587, protocol: 'smtp', tls: 'required', auth: 'required' },
      { host: '::', port: 465, protocol: 'smtp', tls: 'implicit', auth: 'required' },
      { path: resolve('fixtures/config/lmtp.sock'), protocol: 'lmtp', tls: 'off', auth: 'off' },
    ],
  )
  assert.deepEqual(config.relay?.host, { host: 'smtp.gmail.com', port: 465 })
  assert.equal(config.relay?.password_file, resolve('fixtures/config/secrets/gmail'))
  assert.equal(config.relay?.route[0]?.sender, '*@naver.com')
  assert.equal(config.fetch['gmail']?.every, 300_000)
})

test('everything that is wrong is told at once, with its line', async () => {
  const golden = readFileSync('fixtures/config/wrong.txt', 'utf8').trimEnd().split('\n')
  await assert.rejects(loadConfig('fixtures/config/wrong.toml'), (error: unknown) => {
    assert.ok(error instanceof ConfigError)
    assert.deepEqual(error.problems, golden)
    assert.equal(error.exit, 78)
    return true
  })
})

test('what is no TOML is told with line and column', () => {
  assert.deepEqual(problemsOf('[smtpd\nx = 1\n').length, 1)
  assert.match(problemsOf('[users]\nfile = users\n')[0] ?? '', /^2: not TOML, at column \d+: /)
})

test('a file that is not there is said to be not there', async t => {
  const file = `${temporaryDirectory(t)}/mail.toml`
  await assert.rejects(loadConfig(file), { exit: 78, message: /no such file; .*--config/ })
})

const cases: readonly (readonly [why: string, text: string, ...problems: RegExp[]])[] = [
  [
    'a listener twice',
    '[imapd]\nlisten = [{ address = "1.2.3.4:9" }, { address = "1.2.3.4:9" }]',
    /^2: imapd.listen\[1\].address is 1.2.3.4:9, which imapd.listen\[0\] has/,
  ],
  [
    'one port, two servers',
    '[[imapd.listen]]\naddress = "[::]:99"\n[[pop3d.listen]]\naddress = "[::]:99"',
    /^4: pop3d.listen\[0\]/,
  ],
  [
    'tls off on the network',
    '[[imapd.listen]]\naddress = "0.0.0.0:143"\ntls = "off"',
    /^3: imapd.listen\[0\].tls is "off" on 0.0.0.0:143, which other machines can reach/,
  ],
  [
    'tls off on the network with logins',
    '[[smtpd.listen]]\naddress = "10.0.0.1:25"\ntls = "off"',
    /^3: smtpd.listen\[0\].tls .* auth = "off"/,
  ],
  [
    'tls off on the network without logins',
    '[[smtpd.listen]]\naddress = "10.0.0.1:25"\ntls = "off"\nauth = "off"',
  ],
  ['tls off on loopback', '[[imapd.listen]]\naddress = "127.0.0.1:143"\ntls = "off"'],
  ['tls off on the IPv6 loopback', '[[imapd.listen]]\naddress = "[::1]:143"\ntls = "off"'],
  ['tls off on a Unix socket', '[[imapd.listen]]\naddress = "unix:/run/imap"\ntls = "off"'],
  [
    'trusting everybody',
    '[smtpd]\ntrusted = ["0.0.0.0/0"]\n[[smtpd.listen]]\naddress = "0.0.0.0:25"',
    /^3: smtpd.listen\[0\] would be an open relay: .*0.0.0.0:25 from 0.0.0.0\/0/,
  ],
  [
    'trusting everybody by halves',
    '[[smtpd.listen]]\naddress = "0.0.0.0:25"\ntrusted = ["0.0.0.0/1", "128.0.0.0/1"]',
    /open relay/,
  ],
  ['trusting all of IPv6', '[[smtpd.listen]]\naddress = "[::]:25"\ntrusted = ["::/0"]', /open relay/],
  [
    'trusting all of IPv4 as IPv6',
    '[[smtpd.listen]]\naddress = "[::]:25"\ntrusted = ["::ffff:0:0/96"]',
    /open relay/,
  ],
  ['trusting the default listeners to all', '[smtpd]\ntrusted = ["0.0.0.0/0"]', /open relay/, /open relay/],
  [
    'trusting private networks',
    '[smtpd]\ntrusted = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fd00::/8", "fe80::/10"]',
  ],
  [
    'trusting more than a private network',
    '[smtpd]\nlisten = [{ address = "0.0.0.0:25" }]\ntrusted = ["172.0.0.0/8"]',
    /open relay/,
  ],
  ["trusting a public prefix of one's own", '[smtpd]\ntrusted = ["2001:db8:1::/48", "203.0.113.0/28"]'],
  ['trusting everybody on loopback', '[[smtpd.listen]]\naddress = "127.0.0.1:25"\ntrusted = ["0.0.0.0/0"]'],
  [
    'trusting everybody behind a proxy',
    '[smtpd]\nproxies = ["127.0.0.1"]\n[[smtpd.listen]]\naddress = "127.0.0.1:25"\ntrusted = ["0.0.0.0/0"]',
    /open relay/,
  ],
  [
    'trusting everybody for whom a proxy speaks',
    '[smtpd]\nxclient = ["127.0.0.1"]\n[[smtpd.listen]]\naddress = "127.0.0.1:25"\ntrusted = ["0.0.0.0/0"]',
    /open relay/,
  ],
  [
    'trusting everybody, for our domains',
    '[[smtpd.listen]]\naddress = "0.0.0.0:25"\ntrusted = ["0.0.0.0/0"]\nrecipients = ["*@Example.org", "example.org"]',
  ],
  [
    'trusting everybody, for any domain',
    '[[smtpd.listen]]\naddress = "0.0.0.0:25"\ntrusted = ["0.0.0.0/0"]\nrecipients = ["*@example.org", "*"]',
    /open relay/,
  ],
  ['a relay without a host', '[relay]\nfrom = "me@x.org"', /^1: relay.host is missing/],
  ['a relay with routes alone', '[relay]\n[[relay.route]]\nrecipient = "x.org"\nhost = "x.org:25"'],
  [
    'a route for nobody',
    '[relay]\n[[relay.route]]\nhost = "x.org:25"',
    /^2: relay.route\[0\] needs a sender or a recipient/,
  ],
  [
    'a user without a password',
    '[relay]\nhost = "x.org:25"\nuser = "me"',
    /^3: relay.user needs a password_file/,
  ],
  [
    'two passwords',
    '[relay]\nhost = "x.org:25"\nuser = "me"\npassword_file = "a"\npassword_command = "b"',
    /^5: relay.password_command stands beside password_file/,
  ],
  [
    'a password without a user',
    '[relay]\nhost = "x.org:25"\npassword_file = "a"',
    /^3: relay.password_file stands without a user/,
  ],
  [
    'mail fetched for strangers',
    '[fetch.a]\nprovider = "gmail"\nuser = "me"\npassword_file = "x"\ninto = "me@example.com"',
    /^5: fetch.a.into is me@example.com, but example.com is none of domains/,
  ],
  [
    'a key in the wrong table',
    '[users]\nmax_message_size = "1M"',
    /^2: users.max_message_size is unknown; did you mean smtpd.max_message_size\?/,
  ],
  ['a table that is a value', 'smtpd = 5', /^1: smtpd must be a table/],
  ['a list that is none', '[smtpd]\ntrusted = "10.0.0.0/8"', /^2: smtpd.trusted must be a list/],
  [
    'an empty domain list',
    '[log]\nlevel = "loud"',
    /^2: log.level must be "error", "warning", "info" or "debug"; it is "loud"/,
  ],
  [
    'a fraction of a connection',
    '[imapd]\nmax_connections = 1.5',
    /^2: imapd.max_connections must be a whole number/,
  ],
  ['a name like a method of objects', 'constructor = 1\n', /^1: constructor is unknown/],
]
for (const [why, text, ...problems] of cases)
  test(`parseConfig() ${why}`, () => {
    const told = problemsOf(text)
    assert.equal(told.length, problems.length, told.join('\n'))
    for (const [i, problem] of problems.entries()) assert.match(told[i] ?? '', problem)
  })

test('a hostname must be one, domains must be some', () => {
  const problems = (text: string) => {
    try {
      parseConfig(text, 'mail.toml')
    } catch (error) {
      return String((error as Error).message)
    }
    return ''
  }
  assert.equal(problems(''), 'mail.toml: hostname is missing\nmail.toml: domains is missing')
  assert.match(problems('hostname = "a b"\ndomains = ["x"]'), /mail.toml:1: hostname must be a name/)
  assert.match(problems('hostname = "192.0.2.1"\ndomains = ["x"]'), /:1: hostname must be a name/)
  assert.match(problems('hostname = "a"\ndomains = []'), /:2: domains must name at least one/)
})

test('domains are compared without case, and in the form of the wire', () => {
  const config = parseConfig('hostname = "MAIL.Example.org."\ndomains = ["메일.한국", "X", "x"]', 'mail.toml')
  assert.equal(config.hostname, 'mail.example.org')
  assert.deepEqual(config.domains, ['xn--h32bq4v.xn--3e0b707e', 'x'])
})

const checks = [
  ['header = "X A"\npattern = "."\naction = "discard"', /header must be the name/],
  ['header = "X"\npattern = "."\naction = "add"\nvalue = "yes"', /value must be a field, as "Name: value"/],
  ['header = "X"\npattern = "."\naction = "redirect"', /value must be an address/],
  ['header = "X"\npattern = "."\naction = "replace"', /value must be the new value/],
  ['header = "X"\npattern = "."\naction = "explode"', /action must be "add"/],
] as const
for (const [text, problem] of checks)
  test(`a header check ${text.replaceAll('\n', ', ')} is an error`, () =>
    assert.match(problemsOf(`[[smtpd.header_check]]\n${text}`).join(), problem))
