/**
 * IMAP on a generated mailbox: mail-imapd and Debian's Dovecot by turns, each on its own copy. Prints wall time, CPU
 * time of the server and the ratio; asserts nothing.
 * `node dist/tree/test/bench/imap.bench.js [COUNT [LINES [ROUNDS [DIRECTORY]]]]` after `npm run build && npm run build:tree`,
 * as root. LINES are parts of their names with `|` between them, or empty for all; in DIRECTORY, which must be on the file
 * system of the place for temporary files, the messages are kept and linked from the next time.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Dovecot, mailUser, noDovecot } from '../support/dovecot.js'
import { fillMaildir } from '../support/generator.js'
import { LoadClient } from '../support/imap-load.js'
import { type Figure, measure, median, pssKiB, report } from '../support/measure.js'
import { makePlace } from '../support/place.js'
import { Program } from '../support/program.js'

const count = Number(process.argv[2] ?? 20_000)
/** So many messages are copied, removed, appended, fetched whole. */
const some = Math.min(1_000, count >> 1)
/** What Thunderbird asks of a header. */
const thunderbird =
  'From To Cc Bcc Subject Date Message-ID Priority X-Priority References Newsgroups In-Reply-To Content-Type Reply-To'
const message = Buffer.from(
  `Subject: appended\r\nFrom: a@example.org\r\n\r\n${`${'x'.repeat(70)}\r\n`.repeat(50)}`,
)

const skip = noDovecot()
if (skip) {
  process.stdout.write(`the IMAP bench is skipped: ${skip}\n`)
  process.exit(0)
}

/** One of the two servers. */
interface Side {
  readonly name: string
  readonly maildir: string
  /** Names of the files that can be made anew from the messages. */
  readonly indexes: RegExp
  port: number
  pid: number
  restart(): Promise<void>
}

const place = makePlace(
  '[imapd]\nmax_connections = 10000\nmax_connections_per_address = 10000\n[[imapd.listen]]\naddress = "127.0.0.1:0"\ntls = "off"',
)
writeFileSync(join(place.directory, 'users'), 'm:{PLAIN}pw\n')
const kept = join(process.argv[5] ?? place.directory, `messages-${count}`)
if (!existsSync(kept)) {
  rmSync(`${kept}.part`, { recursive: true, force: true })
  fillMaildir(`${kept}.part`, count, { owner: mailUser })
  renameSync(`${kept}.part`, kept)
}
const peer = join(place.directory, 'peer')
// Links, since servers never write into a message: two copies of so many would not stay in memory.
for (const maildir of [place.maildir('m'), join(peer, 'm', 'Maildir')]) {
  mkdirSync(maildir, { recursive: true })
  spawnSync('cp', ['-al', ...['cur', 'new', 'tmp'].map(part => join(kept, part)), maildir])
}
spawnSync('chown', ['-R', '--from=0', `${mailUser}:${mailUser}`, place.directory])
const dovecot = await Dovecot.start({ homes: { m: join(peer, 'm') } })
let imapd = await Program.start('mail-imapd', place.config, { owner: mailUser })

const ours: Side = {
  name: 'postern',
  maildir: place.maildir('m'),
  indexes: /^postern\./,
  port: imapd.ports('imapd')[0] as number,
  pid: imapd.pid,
  restart: async () => {
    await imapd.stop()
    imapd = await Program.start('mail-imapd', place.config, { owner: mailUser })
    ours.port = imapd.ports('imapd')[0] as number
    ours.pid = imapd.pid
  },
}
const theirs: Side = {
  name: 'dovecot',
  maildir: join(peer, 'm', 'Maildir'),
  indexes: /^dovecot\.(index|list)/,
  port: dovecot.imap,
  pid: dovecot.pid,
  restart: async () => {},
}
const sides = [ours, theirs]

type Work = (client: LoadClient, side: Side) => Promise<unknown>
interface Line {
  readonly what: string
  /** What goes before, unmeasured. */
  readonly before?: Work
  readonly work: Work
  /** Removes what the servers keep of the messages before each round. */
  readonly cold?: boolean
  /** Starts the servers anew before each round: what they keep is on disk. */
  readonly restart?: boolean
  readonly rounds?: number
  /** Whether the measure begins with the login. */
  readonly login?: boolean
}

const command =
  (...texts: string[]): Work =>
  async client => {
    for (const text of texts) await client.run(text)
  }
const singly =
  (times: number, text: (i: number) => string): Work =>
  async client => {
    for (let i = 1; i <= times; i++) await client.run(text(i))
  }

const archive: Work = client => client.run('CREATE Archive').catch(() => {})

const envelope = 'FETCH 1:* (ENVELOPE BODYSTRUCTURE INTERNALDATE RFC822.SIZE)'
const headers = `FETCH 1:* (UID RFC822.SIZE FLAGS BODY.PEEK[HEADER.FIELDS (${thunderbird})])`
const lines: readonly Line[] = [
  { what: 'login, SELECT, no index', work: command('SELECT INBOX'), cold: true, login: true },
  { what: 'login, SELECT', work: command('SELECT INBOX'), login: true, rounds: 5 },
  { what: 'FETCH 1:* (FLAGS UID)', work: command('FETCH 1:* (FLAGS UID)') },
  { what: 'FETCH ENVELOPE …, nothing kept', work: command(envelope), cold: true },
  { what: 'FETCH ENVELOPE …, kept', work: command(envelope) },
  { what: 'FETCH header fields, nothing kept', work: command(headers), cold: true },
  { what: 'FETCH header fields, kept', work: command(headers) },
  { what: `FETCH BODY[] of ${some}`, work: command(`FETCH 1:${some} BODY.PEEK[]`) },
  {
    what: '200 single FETCH BODY[]',
    work: singly(200, i => `FETCH ${i * Math.floor(count / 200)} BODY.PEEK[]`),
  },
  ...[
    'FROM nobody-here',
    'SUBJECT nothing-like-it',
    'SINCE 1-Jan-2030',
    'BODY no-such-word-anywhere',
  ].flatMap(key => [
    { what: `SEARCH ${key.split(' ')[0]}, nothing kept`, work: command(`SEARCH ${key}`), cold: true },
    { what: `SEARCH ${key.split(' ')[0]}, again`, work: command(`SEARCH ${key}`) },
  ]),
  { what: 'SEARCH TEXT, again', work: command('SEARCH TEXT no-such-word-anywhere') },
  ...['SORT (SUBJECT)', 'THREAD REFERENCES'].flatMap(what => [
    { what: `${what}, nothing kept`, work: command(`${what} UTF-8 ALL`), cold: true },
    { what: `${what}, kept`, work: command(`${what} UTF-8 ALL`), restart: true },
    { what: `${what}, again`, work: command(`${what} UTF-8 ALL`) },
  ]),
  ...['SORT (REVERSE DATE)', 'SORT (FROM SUBJECT DATE)', 'THREAD REFS', 'THREAD ORDEREDSUBJECT'].map(
    what => ({
      what: `${what}, again`,
      work: command(`${what} UTF-8 ALL`),
    }),
  ),
  {
    what: 'STORE 1:* +FLAGS',
    before: command('STORE 1:* -FLAGS.SILENT (\\Flagged)'),
    work: command('STORE 1:* +FLAGS (\\Flagged)'),
  },
  {
    what: 'STORE 1:* -FLAGS.SILENT',
    before: command('STORE 1:* +FLAGS.SILENT (\\Flagged)'),
    work: command('STORE 1:* -FLAGS.SILENT (\\Flagged)'),
  },
  {
    what: '200 single STOREs',
    before: command('STORE 1:200 -FLAGS.SILENT (\\Answered)'),
    work: singly(200, i => `STORE ${i} +FLAGS (\\Answered)`),
  },
  {
    what: '200 single STOREs, nothing changes',
    before: command('STORE 1:200 +FLAGS.SILENT (\\Answered)'),
    work: singly(200, i => `STORE ${i} +FLAGS (\\Answered)`),
  },
  {
    what: `COPY ${some}`,
    work: command(`COPY 1:${some} Archive`),
    before: archive,
  },
  {
    what: `APPEND ${some}, singly`,
    before: archive,
    work: async client => {
      for (let i = 0; i < some; i++) await client.append('Archive', message)
    },
  },
  {
    what: `MULTIAPPEND ${some}`,
    before: archive,
    work: client => client.append('Archive', ...Array<Buffer>(some).fill(message)),
  },
  {
    what: `EXPUNGE ${some}`,
    before: command(`COPY 1:${some} INBOX`, 'NOOP', `STORE ${count + 1}:* +FLAGS.SILENT (\\Deleted)`),
    work: command('EXPUNGE'),
  },
]

async function once(side: Side, line: Line): Promise<Figure> {
  if (line.cold) await forget(side)
  if (line.restart) await side.restart()
  if (line.login) {
    let client: LoadClient | undefined
    const figure = await measure(side.pid, async () => {
      client = await LoadClient.login(side.port, 'm')
      await line.work(client, side)
    })
    client?.close()
    return figure
  }
  const client = await LoadClient.login(side.port, 'm')
  await client.run('SELECT INBOX')
  await line.before?.(client, side)
  const figure = await measure(side.pid, () => line.work(client, side))
  client.close()
  return figure
}

async function forget(side: Side): Promise<void> {
  // Dovecot's processes of earlier connections must be gone before their files are.
  await new Promise(resolve => setTimeout(resolve, 200))
  for (const name of readdirSync(side.maildir))
    if (side.indexes.test(name)) rmSync(join(side.maildir, name), { force: true, recursive: true })
  // The kernel may have let go of files, and whoever comes first must not read them for the other.
  spawnSync('sh', ['-c', `find ${side.maildir}/cur -type f -exec cat {} + > /dev/null`])
  await side.restart()
}

/** Milliseconds from a file in new/ to EXISTS at the client. */
async function latency(side: Side): Promise<number> {
  const client = await LoadClient.login(side.port, 'm')
  await client.run('SELECT INBOX')
  const times: number[] = []
  for (let i = 0; i < 20; i++) {
    const name = `${Math.floor(Date.now() / 1000)}.M${i}P${process.pid}.bench`
    writeFileSync(join(side.maildir, 'tmp', name), 'Subject: news\n\nnews\n')
    spawnSync('chown', [`${mailUser}:${mailUser}`, join(side.maildir, 'tmp', name)])
    times.push(
      await client.idle(' EXISTS', () =>
        renameSync(join(side.maildir, 'tmp', name), join(side.maildir, 'new', name)),
      ),
    )
  }
  client.close()
  return median(times)
}

/** How long another session's NOOP takes while one selects and fetches what was not kept, in milliseconds, ascending. */
async function disturbance(): Promise<number[]> {
  await forget(ours)
  const [busy, other] = [await LoadClient.login(ours.port, 'm'), await LoadClient.login(ours.port, 'm')]
  let running = true
  const work = busy
    .run('SELECT INBOX')
    .then(() => busy.run(envelope))
    .then(() => {
      running = false
    })
  const times: number[] = []
  while (running) {
    const start = performance.now()
    await other.run('NOOP')
    times.push(performance.now() - start)
  }
  await work
  busy.close()
  other.close()
  return times.sort((a, b) => a - b)
}

/** KiB of memory that each of so many connections costs that wait for news. */
async function weightOfIdle(connections: number): Promise<number> {
  await ours.restart()
  const first = await LoadClient.login(ours.port, 'm')
  await first.run('SELECT INBOX')
  const before = pssKiB(ours.pid)
  const clients: LoadClient[] = []
  while (clients.length < connections) {
    const more = await Promise.all(Array.from({ length: 50 }, () => LoadClient.login(ours.port, 'm')))
    for (const client of more) {
      await client.run('SELECT INBOX')
      await client.beginIdle()
    }
    clients.push(...more)
  }
  // What was needed to get there is given back a little later.
  await new Promise(resolve => setTimeout(resolve, 2_000))
  const weight = (pssKiB(ours.pid) - before) / connections
  for (const client of [first, ...clients]) client.close()
  return weight
}

const only = process.argv[3]?.split('|') ?? []
const isWanted = (what: string) => only.every(part => part === '') || only.some(part => what.includes(part))

process.stdout.write(`${count} messages; medians of the rounds\n`)
for (const line of lines) {
  if (!isWanted(line.what)) continue
  const figures: [Figure[], Figure[]] = [[], []]
  for (let round = 0; round < (line.rounds ?? Number(process.argv[4] ?? 3)); round++)
    for (const [i, side] of sides.entries()) figures[i]?.push(await once(side, line))
  report(line.what, ...figures, 'dovecot')
}
if (isWanted('NOOP beside')) {
  const times = await disturbance()
  const percentile = times[Math.floor(times.length * 0.99)] ?? 0
  process.stdout.write(
    `NOOP beside a cold SELECT and FETCH, 99th percentile: ${percentile.toFixed(1)} ms, longest ${(times.at(-1) ?? 0).toFixed(1)} ms\n`,
  )
}
if (isWanted('IDLE')) {
  const [here, there] = [await latency(ours), await latency(theirs)]
  process.stdout.write(
    `IDLE, new/ to EXISTS, median: postern ${here.toFixed(1)} ms, dovecot ${there.toFixed(1)} ms, ratio ${(here / there).toFixed(3)}\n`,
  )
}
for (const connections of [1_000, 5_000])
  if (isWanted(`${connections} connections`))
    process.stdout.write(
      `${connections} connections in IDLE: ${(await weightOfIdle(connections)).toFixed(1)} KiB each\n`,
    )
await imapd.stop()
await dovecot.stop()
place.remove()
