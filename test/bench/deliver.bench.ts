/**
 * Delivery with a script of 200 rules, by LMTP, beside Debian's dovecot-lmtp with the same script and messages; and
 * what one mail-deliver costs beside `node -e 0`. Prints figures; asserts nothing. Needs root, as Dovecot does.
 * `node dist/tree/test/bench/deliver.bench.js [COUNT]` after `npm run build && npm run build:tree`.
 */
import { spawnSync } from 'node:child_process'
import { chmodSync, chownSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Dovecot, mailUser, noDovecot } from '../support/dovecot.js'
import { Generator, randomFrom } from '../support/generator.js'
import { Lmtp } from '../support/lmtp.js'
import { type Figure, measure, median, report } from '../support/measure.js'
import { makePlace, type Place } from '../support/place.js'
import { commandPath, Program } from '../support/program.js'

const count = Number(process.argv[2] ?? 1_000)
const rounds = 3
const users = Array.from({ length: 20 }, (_, i) => `u${i}`)
const folders = ['Lists', 'Reports', 'Family', 'Shops']

/** Rules as filter editors write them; few are true of any one message, and the first that is ends the script. */
function script(rules: number): string {
  const random = randomFrom(7)
  const word = () => Math.floor(random() * 36 ** 4).toString(36)
  const kinds = [
    (w: string) => `header :contains "subject" "${w}"`,
    (w: string) => `header :contains ["from","to","cc"] "${w}@"`,
    (w: string) => `address :is :domain "from" "${w}.example"`,
    (w: string) => `address :localpart :is ["to","cc"] "${w}"`,
    (w: string) => `header :matches "list-id" "*${w}*"`,
    (w: string) => `allof (exists "x-${w}", not size :over 1M)`,
    (w: string) => `anyof (header :is "x-mailer" "${w}", header :is "sender" "${w}@x.example")`,
  ]
  const lines = Array.from({ length: rules }, (_, i) => {
    const test = kinds[i % kinds.length]?.(word()) ?? 'false'
    return `if ${test} { fileinto "${folders[i % folders.length]}"; stop; }`
  })
  lines[rules - 20] = 'if header :contains "subject" "backup" { fileinto "Reports"; stop; }'
  return `require ["fileinto"];\n${lines.join('\n')}\n`
}

const generator = new Generator(5)
const messages = Array.from({ length: count }, (_, i) =>
  Buffer.from(
    generator
      .message(i, 1_790_000_000 + i * 60)
      .replace(/\n/g, '\r\n')
      .replace(/^\./gm, '..'),
  ),
)

async function deliverAll(port: number, sessions: number, to: (user: string) => string): Promise<void> {
  let next = 0
  const session = async () => {
    const client = await Lmtp.open(port)
    for (let i = next++; i < count; i = next++) {
      const [reply = ''] = await client.send({
        from: 'ann@x.example',
        to: [to(users[i % users.length] as string)],
        text: messages[i] as Buffer,
      })
      if (!reply.startsWith('250')) throw new Error(`message ${i}: ${reply}`)
    }
    await client.end()
  }
  await Promise.all(Array.from({ length: sessions }, session))
}

/** Homes with the script, empty mailboxes and the folders it files into. */
function prepare(home: (user: string) => string, text: string | undefined): void {
  for (const user of users) {
    rmSync(home(user), { recursive: true, force: true })
    for (const folder of ['', ...folders.map(name => `.${name}`)])
      for (const part of ['cur', 'new', 'tmp'])
        mkdirSync(join(home(user), 'Maildir', folder, part), { recursive: true })
    if (text !== undefined) writeFileSync(join(home(user), '.dovecot.sieve'), text)
  }
  for (const user of users) spawnSync('chown', ['-R', `${mailUser}:${mailUser}`, home(user)])
}

function stored(home: (user: string) => string): string {
  const counts = ['', ...folders.map(name => `.${name}`)].map(folder =>
    users.reduce((sum, user) => sum + readdirSync(join(home(user), 'Maildir', folder, 'new')).length, 0),
  )
  return counts.join(' ')
}

function place(): Place {
  const made = makePlace(
    '[[smtpd.listen]]\naddress = "127.0.0.1:0"\nprotocol = "lmtp"\ntls = "off"\nauth = "off"',
  )
  writeFileSync(join(made.directory, 'users'), users.map(user => `${user}:{PLAIN}x:::::\n`).join(''))
  chmodSync(made.directory, 0o755)
  spawnSync('chown', ['-R', `${mailUser}:${mailUser}`, made.directory])
  return made
}

async function benchLmtp(): Promise<void> {
  const made = place()
  const ourHome = (user: string) => join(made.directory, 'home', user)
  const theirRoot = join(made.directory, 'dovecot')
  const theirHome = (user: string) => join(theirRoot, user)
  mkdirSync(theirRoot)
  chownSync(theirRoot, mailUser, mailUser)
  const dovecot = await Dovecot.start({
    homes: Object.fromEntries(users.map(user => [user, theirHome(user)])),
    configuration:
      'protocol lmtp {\n  mail_plugins = sieve\n}\nplugin {\n  sieve = ~/.dovecot.sieve\n}\nservice lmtp {\n  process_min_avail = 10\n}',
  })
  const server = await Program.start('mail-smtpd', made.config, { owner: mailUser })
  const [port = 0] = server.ports('smtpd')
  try {
    for (const [name, text] of [
      ['200 rules', script(200)],
      ['no script', undefined],
    ] as const)
      for (const sessions of [1, 10]) {
        const ours: Figure[] = []
        const theirs: Figure[] = []
        for (let round = 0; round <= rounds; round++) {
          prepare(ourHome, text)
          prepare(theirHome, text)
          const our = await measure(server.pid, () =>
            deliverAll(port, sessions, user => `${user}@ilnmors.internal`),
          )
          const their = await measure(dovecot.pid, () => deliverAll(dovecot.lmtp, sessions, user => user))
          // The first round warms up, and compiles Dovecot's script.
          if (round > 0) {
            ours.push(our)
            theirs.push(their)
          }
        }
        const same =
          stored(ourHome) === stored(theirHome)
            ? 'the same places'
            : `OTHER PLACES: ${stored(ourHome)} / ${stored(theirHome)}`
        report(
          `${count} messages, ${name}, ${sessions} session${sessions > 1 ? 's' : ''}`,
          ours,
          theirs,
          'dovecot',
        )
        process.stdout.write(
          `  ${(count / median(ours.map(({ wall }) => wall))).toFixed(0)} / ${(count / median(theirs.map(({ wall }) => wall))).toFixed(0)} messages/s, ${same}\n`,
        )
      }
  } finally {
    await server.stop()
    await dovecot.stop()
    made.remove()
  }
}

function milliseconds(args: readonly string[], input: string): number {
  const start = process.hrtime.bigint()
  const { status, stderr } = spawnSync(process.execPath, args, { input })
  if (status !== 0) throw new Error(String(stderr))
  return Number(process.hrtime.bigint() - start) / 1e6
}

/** One-shot deliveries beside a Node that does nothing, by turns: the machine is not the same a second later. */
function benchOnce(): void {
  const made = place()
  const input = messages[0]?.toString('latin1').replace(/\r\n/g, '\n') ?? ''
  prepare(user => join(made.directory, 'home', user), undefined)
  writeFileSync(join(made.directory, 'home', 'u0', '.dovecot.sieve'), script(200))
  const mail = [commandPath('mail-deliver')]
  const works = {
    'node -e 0': ['-e', '0'],
    'mail-deliver --maildir': [...mail, '--maildir', join(made.directory, 'Plain')],
    'mail-deliver -d, no script': [...mail, '-c', made.config, '-d', 'u1'],
    'mail-deliver -d, 200 rules': [...mail, '-c', made.config, '-d', 'u0'],
  }
  try {
    const turns = Array.from({ length: 41 }, () =>
      Object.values(works).map(args => milliseconds(args, input)),
    )
    const medians = Object.keys(works).map((_, i) => median(turns.map(turn => turn[i] as number)))
    for (const [i, what] of Object.keys(works).entries()) {
      const [figure = 0, bare = 0] = [medians[i], medians[0]]
      const more = i === 0 ? '' : `, ${(figure - bare).toFixed(1)} more than node -e 0`
      process.stdout.write(`${what.padEnd(34)} ${figure.toFixed(1)} ms${more}\n`)
    }
  } finally {
    made.remove()
  }
}

benchOnce()
const missing = noDovecot()
if (missing) process.stdout.write(`no comparison: ${missing}\n`)
else await benchLmtp()
