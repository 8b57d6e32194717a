/**
 * One thing each that a program is asked to do to a store, what the store holds before and after, and what it may
 * hold in between: for whoever lets something fail meanwhile.
 */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { text as readAll } from 'node:stream/consumers'
import { Account } from '../../lib/mailbox/account.js'
import { Queue } from '../../lib/queue/queue.js'
import { Log } from '../../lib/sys/log.js'
import { Sink } from '../relay/sink.js'
import { ImapClient } from '../support/imap-client.js'
import { Lmtp } from '../support/lmtp.js'
import { commandPath, Program } from '../support/program.js'
import { removeTree } from '../support/world.js'

/** What came of a deed: done, refused for now, refused for good, or nobody knows. */
export type Outcome = 'done' | 'refused' | 'wrong' | 'unknown'

export interface Told {
  readonly outcome: Outcome
  readonly text: string
  /** What the store must hold of it, where a part was done. */
  readonly promised?: RegExp
}

/** One thing that a program is asked to do. */
export interface Scenario {
  readonly name: string
  /** The daemon that does it; a command that runs once when left out. */
  readonly daemon?: 'mail-smtpd' | 'mail-imapd' | 'mail-pop3d'
  /** Brings the store to where it begins, with nothing failing. */
  prepare(stage: Stage): Promise<void>
  /** Does it. */
  run(stage: Stage): Promise<Told>
  /** What the store then holds, in words; `before` and `after` are what it may be. */
  state(stage: Stage): Promise<string>
  readonly before: string
  readonly after: string
  /** What else may be when nobody knows, or when it was refused. */
  readonly between?: RegExp
  /** What may be left undone without a word. */
  readonly undone?: RegExp
  /** Whether doing it once more finishes what was begun. */
  readonly resumes?: boolean
}

export interface Stage {
  readonly directory: string
  readonly config: string
  readonly sink: Sink
  programs: Map<string, Program>
  /** Every attempt is made by users who have no mail yet. */
  user: string
  other: string
  turn: number
  /** For commands that run once. */
  fault: string
  session?: ImapClient
}

const people = Array.from({ length: 2_000 }, (_, i) => `u${i}:{PLAIN}pw\nv${i}:{PLAIN}pw\n`).join('')
export const text = `Subject: x\n\n${'a line of the message\n'.repeat(8_000)}`
const maildir = (stage: Stage, user: string, folder = '') =>
  join(stage.directory, 'home', user, 'Maildir', folder)

/**
 * @param under where its directory is made
 * @param environment of its programs, from its directory
 */
export async function makeStage(
  under: string,
  environment: (directory: string) => Readonly<Record<string, string>> = () => ({}),
): Promise<Stage> {
  const directory = mkdtempSync(join(under, 'postern-fault-'))
  const sink = await Sink.start()
  const config = join(directory, 'mail.toml')
  const door = (name: string, rest = '') =>
    `[[${name}.listen]]\naddress = "127.0.0.1:0"\ntls = "off"\n${rest}`
  writeFileSync(
    config,
    `hostname = "mail.x.internal"
domains = ["x.internal"]
[users]
file = "users"
home = "${directory}/home/%n"
[login]
penalty = "0s"
[queue]
directory = "queue"
first_retry = "1s"
[relay]
host = "127.0.0.1:${sink.port}"
tls = "off"
${door('smtpd', 'auth = "off"\n')}${door('smtpd', 'protocol = "lmtp"\nauth = "off"\n')}${door('imapd')}${door('pop3d')}`,
  )
  writeFileSync(join(directory, 'users'), people)
  Object.assign(process.env, environment(directory))
  return {
    directory,
    config,
    sink,
    programs: new Map(),
    fault: '',
    user: 'u0',
    other: 'v0',
    turn: 0,
  }
}

export async function program(stage: Stage, name: string): Promise<Program> {
  const running = stage.programs.get(name)
  if (running && running.child.exitCode === null && running.child.signalCode === null) return running
  const started = await Program.start(name, stage.config)
  stage.programs.set(name, started)
  return started
}

const quiet = new Log({ write: () => {} })

/** Texts and flags of a mailbox, read from disk by a process that has seen nothing yet; and that nothing is amiss. */
async function holds(stage: Stage, user: string, folder = 'INBOX'): Promise<string> {
  const root = maildir(stage, user)
  const account = await Account.open(root, { log: quiet })
  try {
    if (!account.has(folder)) return 'no folder'
    const mailbox = await account.open(folder)
    await mailbox.refresh()
    const found = [...mailbox.uids].map(uid => {
      const octets = mailbox.read(uid)?.toString('latin1') ?? 'gone'
      const whole = octets.endsWith(text)
        ? 'whole'
        : octets.endsWith('small\n')
          ? 'small'
          : `${octets.length} octets`
      return [whole, ...[...(mailbox.message(uid)?.flags ?? [])].sort()].join(' ')
    })
    const directory = folder === 'INBOX' ? root : join(root, `.${folder}`)
    const files = ['cur', 'new'].flatMap(part => readdirSync(join(directory, part)))
    assert.equal(files.length, found.length, 'each file is a message')
    for (const name of readdirSync(directory))
      assert.doesNotMatch(name, /uidlist\.lock|\.tmp|^\.[^.]+\.[0-9a-f]{12}$/)
    return found.join(', ')
  } finally {
    await account.close()
  }
}

export function fresh(stage: Stage): void {
  stage.session?.close()
  delete stage.session
  stage.turn++
  stage.user = `u${stage.turn}`
  stage.other = `v${stage.turn}`
  // The queue's own directories stay while a daemon has it open.
  const queue = join(stage.directory, 'queue')
  if (stage.programs.size === 0) rmSync(queue, { recursive: true, force: true })
  else
    for (const part of ['mail', 'drop'])
      for (const name of existsSync(join(queue, part)) ? readdirSync(join(queue, part)) : [])
        rmSync(join(queue, part, name))
  stage.sink.received.length = 0
}

/** Messages in a folder of alice's, put there by another program. */
function put(stage: Stage, count: number, folder = '', part = 'cur', from = 1): void {
  const directory = maildir(stage, stage.user, folder)
  for (const each of ['cur', 'new', 'tmp']) mkdirSync(join(directory, each), { recursive: true, mode: 0o700 })
  for (let i = from; i < from + count; i++)
    writeFileSync(
      join(directory, part, `170000000${i}.M${i}P1.host${part === 'cur' ? ':2,' : ''}`),
      'Subject: x\n\nsmall\n',
    )
}

/** A session of alice's, begun before anything fails. */
async function enter(stage: Stage, folder = 'INBOX'): Promise<void> {
  const daemon = await program(stage, 'mail-imapd')
  stage.session = await ImapClient.login(daemon.ports('imapd')[0] as number, stage.user, 'pw')
  if (folder !== '') await stage.session.ok(`SELECT ${folder}`)
}

async function ask(stage: Stage, command: string, literal?: Buffer): Promise<Told> {
  const client = stage.session as ImapClient
  try {
    const { status, text } = await client.command(command, literal)
    const isLater = /^\[(?:OVERQUOTA|UNAVAILABLE|INUSE)\]/.test(text)
    const outcome = status === 'OK' ? 'done' : status === 'NO' && isLater ? 'refused' : 'wrong'
    return { outcome, text: `${status} ${text}` }
  } catch (error) {
    return { outcome: 'unknown', text: String(error) }
  }
}

/** A dialogue of a line protocol: each line is said when the one before was answered. @returns the last answer */
function talk(port: number, lines: readonly string[]): Promise<string> {
  return new Promise(resolve => {
    const socket = connect(port, '127.0.0.1')
    const left = [...lines]
    let answer = ''
    socket.on('data', chunk => {
      answer += chunk.toString('latin1')
      if (!/^(?:\d{3} |[+-])[^\n]*\n$/m.test(answer)) return
      const next = /^(?:[45]|-ERR)/.test(answer) ? undefined : left.shift()
      if (next === undefined) return void socket.end()
      answer = ''
      socket.write(next, 'latin1')
    })
    socket.on('error', () => {})
    socket.on('close', () => resolve(answer.trim()))
  })
}

async function submit(stage: Stage, to: readonly string[]): Promise<Told> {
  const daemon = await program(stage, 'mail-smtpd')
  const answer = await talk(daemon.ports('smtpd')[0] as number, [
    'EHLO x\r\n',
    'MAIL FROM:<s@example.org>\r\n',
    ...to.map(address => `RCPT TO:<${address}>\r\n`),
    'DATA\r\n',
    `${text.replace(/\n/g, '\r\n')}.\r\n`,
  ])
  const outcome =
    answer === '' ? 'unknown' : answer[0] === '2' ? 'done' : answer[0] === '4' ? 'refused' : 'wrong'
  return { outcome, text: answer }
}

/** By LMTP, where each recipient has an answer. */
async function hand(stage: Stage, to: readonly string[]): Promise<Told> {
  const daemon = await program(stage, 'mail-smtpd')
  const client = await Lmtp.open(daemon.ports('smtpd')[1] as number)
  const answers = await client.send({ from: 's@example.org', to, text }).catch(() => [''])
  await client.end().catch(() => {})
  const said = answers.join(' | ')
  if (answers.includes('')) return { outcome: 'unknown', text: said }
  const promised = new RegExp(
    `^${answers.map(answer => (answer[0] === '2' ? 'whole' : '(?:whole)?')).join(' / ')}$`,
  )
  if (answers.every(answer => answer[0] === '2')) return { outcome: 'done', text: said }
  return {
    outcome: answers.every(answer => /^[24]/.test(answer)) ? 'refused' : 'wrong',
    text: said,
    promised,
  }
}

async function once(stage: Stage, name: string, args: readonly string[], input = ''): Promise<Told> {
  const [first = '', ...rest] = args
  const verb = first.startsWith('-') ? [] : [first]
  const all = [...verb, '-c', stage.config, ...(verb.length > 0 ? rest : args)]
  const child = spawn(process.execPath, [commandPath(name), ...all], {
    stdio: ['pipe', 'ignore', 'pipe'],
    env: { ...process.env, FAULT: stage.fault },
  })
  // One that hangs has failed.
  const hung = setTimeout(() => child.kill('SIGTERM'), 20_000)
  child.stdin.on('error', () => {})
  child.stdin.end(input)
  const [said, status] = await Promise.all([
    readAll(child.stderr),
    new Promise<number | null>(resolve => child.on('exit', resolve)),
  ])
  clearTimeout(hung)
  const outcome =
    child.signalCode === 'SIGTERM'
      ? 'wrong'
      : status === null
        ? 'unknown'
        : status === 0
          ? 'done'
          : status === 75
            ? 'refused'
            : 'wrong'
  return { outcome, text: `${status} ${said}` }
}

async function queued(stage: Stage): Promise<string> {
  if (!existsSync(join(stage.directory, 'queue', 'mail'))) return 'none'
  const queue = await Queue.open(join(stage.directory, 'queue'))
  try {
    assert.deepEqual((await queue.sweep()).broken, [])
    const ids = await queue.list()
    const drops = existsSync(queue.dropDirectory)
      ? readdirSync(queue.dropDirectory).filter(name => name.endsWith('.envelope') && !name.startsWith('.'))
      : []
    return String(ids.length + drops.length)
  } finally {
    queue.close()
  }
}

/** Three messages at a provider, to be fetched for alice. */
async function provide(stage: Stage): Promise<void> {
  const place = join(tmpdir(), `${basename(stage.directory)}-provider`)
  const config = join(place, 'provider.toml')
  if (!stage.programs.has('provider')) {
    const inbox = join(place, 'provider', 'Maildir')
    for (const part of ['cur', 'new', 'tmp']) mkdirSync(join(inbox, part), { recursive: true, mode: 0o700 })
    for (let i = 1; i <= 3; i++)
      writeFileSync(join(inbox, 'cur', `170000000${i}.M${i}P1.provider:2,`), 'Subject: x\n\nsmall\n')
    writeFileSync(join(place, 'users'), 'provider:{PLAIN}pw\n')
    writeFileSync(
      config,
      `hostname = "provider.internal"
domains = ["provider.internal"]
[users]
file = "users"
home = "${place}/%n"
[[imapd.listen]]
address = "127.0.0.1:0"
tls = "off"
`,
    )
    stage.programs.set('provider', await Program.start('mail-imapd', config))
  }
  const provider = stage.programs.get('provider') as Program
  writeFileSync(join(stage.directory, 'secret'), 'pw\n', { mode: 0o600 })
  const own = readFileSync(stage.config, 'utf8').replace(/\[fetch\.[\s\S]*/, '')
  writeFileSync(
    stage.config,
    `${own}[fetch.provider]
host = "127.0.0.1:${provider.ports('imapd')[0]}"
tls = "off"
user = "provider"
password_file = "secret"
into = "${stage.user}@x.internal"
folders = ["INBOX"]
`,
  )
}

/** Ends all that runs, and removes what was made. */
export async function strike(stage: Stage): Promise<void> {
  stage.session?.close()
  for (const each of stage.programs.values()) await each.stop()
  await stage.sink.close()
  removeTree(stage.directory)
  removeTree(join(tmpdir(), `${basename(stage.directory)}-provider`))
}

/** One after the other, for what is made of several files. */
const some = (count: number, flags = '') => Array(count).fill(`small${flags}`).join(', ')

export const scenarios: readonly Scenario[] = [
  {
    name: 'a delivery to two users by SMTP',
    daemon: 'mail-smtpd',
    prepare: async stage => void (await program(stage, 'mail-smtpd')),
    run: stage => submit(stage, [`${stage.user}@x.internal`, `${stage.other}@x.internal`]),
    state: async stage => `${await holds(stage, stage.user)} / ${await holds(stage, stage.other)}`,
    before: ' / ',
    after: 'whole / whole',
    between: /^(?:whole \/ | \/ whole)$/,
  },
  {
    name: 'a delivery to two users by LMTP',
    daemon: 'mail-smtpd',
    prepare: async stage => void (await program(stage, 'mail-smtpd')),
    run: stage => hand(stage, [`${stage.user}@x.internal`, `${stage.other}@x.internal`]),
    state: async stage => `${await holds(stage, stage.user)} / ${await holds(stage, stage.other)}`,
    before: ' / ',
    after: 'whole / whole',
    between: /^(?:whole \/ | \/ whole)$/,
  },
  {
    name: 'a message for elsewhere by SMTP',
    daemon: 'mail-smtpd',
    prepare: async stage => void (await program(stage, 'mail-smtpd')),
    run: stage => submit(stage, ['far@example.org']),
    state: queued,
    before: '0',
    after: '1',
    between: /none/,
  },
  {
    name: 'mail-deliver',
    prepare: async () => {},
    run: async stage => once(stage, 'mail-deliver', ['-d', stage.user], text),
    state: stage => holds(stage, stage.user),
    before: '',
    after: 'whole',
  },
  {
    name: 'mail-send',
    prepare: async () => {},
    run: async stage => once(stage, 'mail-send', ['-i', 'far@example.org'], text),
    state: queued,
    before: '0',
    after: '1',
    between: /none/,
  },
  {
    name: 'mail-relay --once',
    prepare: async stage => {
      stage.fault = ''
      await once(stage, 'mail-send', ['-i', 'far@example.org'], text)
    },
    run: async stage => once(stage, 'mail-relay', ['--once', '--all']),
    state: async stage =>
      `${await queued(stage)} left, ${stage.sink.received.length > 0 ? 'sent' : 'not sent'}`,
    before: '1 left, not sent',
    after: '0 left, sent',
    // What was sent and could not be noted is sent again: at least once is what SMTP promises.
    between: /^1 left, sent$/,
    // An entry that could not be worked on waits for the next time, and the command has done what it could.
    undone: /^1 left, not sent$/,
  },
  {
    name: 'APPEND',
    daemon: 'mail-imapd',
    prepare: stage => enter(stage, ''),
    run: stage => ask(stage, 'APPEND INBOX (\\Seen)', Buffer.from(text.replace(/\n/g, '\r\n'))),
    state: stage => holds(stage, stage.user),
    before: '',
    after: 'whole \\Seen',
  },
  {
    name: 'SELECT of a mailbox with new mail',
    daemon: 'mail-imapd',
    prepare: async stage => {
      put(stage, 3, '', 'new')
      await enter(stage, '')
    },
    run: stage => ask(stage, 'SELECT INBOX'),
    state: stage => holds(stage, stage.user),
    before: some(3),
    after: some(3),
  },
  {
    name: 'NOOP with new mail',
    daemon: 'mail-imapd',
    prepare: async stage => {
      put(stage, 3)
      await enter(stage)
      put(stage, 3, '', 'new', 4)
    },
    run: async stage => {
      const told = await ask(stage, 'NOOP')
      const isThere = stage.session?.uids.length === 6
      return isThere ? told : { outcome: 'refused', text: 'NO [UNAVAILABLE] as if it were not there' }
    },
    state: stage => holds(stage, stage.user),
    before: some(6),
    after: some(6),
  },
  {
    name: 'STORE of a new keyword',
    daemon: 'mail-imapd',
    prepare: async stage => {
      put(stage, 3)
      await enter(stage)
    },
    run: stage => ask(stage, 'UID STORE 1:3 +FLAGS (\\Flagged Blue)'),
    state: stage => holds(stage, stage.user),
    before: some(3),
    after: some(3, ' Blue \\Flagged'),
    between: /^(?:small(?: Blue \\Flagged)?(?:, |$)){3}$/,
  },
  {
    name: 'EXPUNGE with a rewrite of the list',
    daemon: 'mail-imapd',
    prepare: async stage => {
      put(stage, 4)
      await enter(stage)
      await stage.session?.ok('UID STORE 1:3 +FLAGS.SILENT (\\Deleted)')
    },
    run: stage => ask(stage, 'EXPUNGE'),
    state: stage => holds(stage, stage.user),
    before: `${some(3, ' \\Deleted')}, small`,
    after: 'small',
    between: /^(?:small \\Deleted, )*small$/,
  },
  {
    name: 'COPY',
    daemon: 'mail-imapd',
    prepare: async stage => {
      put(stage, 3)
      await enter(stage)
    },
    run: stage => ask(stage, 'UID COPY 1:3 Archive'),
    state: async stage => `${await holds(stage, stage.user)} / ${await holds(stage, stage.user, 'Archive')}`,
    before: `${some(3)} / `,
    after: `${some(3)} / ${some(3)}`,
    // Killed, it may have copied some; a refusal takes all of them back.
    between: /^small, small, small \/ (?:small(?:, |$))*$/,
  },
  {
    name: 'MOVE',
    daemon: 'mail-imapd',
    prepare: async stage => {
      put(stage, 3)
      await enter(stage)
    },
    run: stage => ask(stage, 'UID MOVE 1:3 Archive'),
    state: async stage => {
      const [here, there] = [await holds(stage, stage.user), await holds(stage, stage.user, 'Archive')]
      const count = (list: string) => (list === '' ? 0 : list.split(', ').length)
      assert.equal(count(here) + count(there), 3, `in one place or in the other: ${here} / ${there}`)
      return `${here} / ${there}`
    },
    before: `${some(3)} / `,
    after: ` / ${some(3)}`,
    between: /./,
  },
  {
    name: 'CREATE',
    daemon: 'mail-imapd',
    prepare: stage => enter(stage, ''),
    run: stage => ask(stage, 'CREATE Work'),
    state: stage => holds(stage, stage.user, 'Work'),
    before: 'no folder',
    after: '',
    // What was made before the trouble may stay.
    between: /^$/,
  },
  {
    name: 'RENAME',
    daemon: 'mail-imapd',
    prepare: async stage => {
      put(stage, 2, '.Work')
      await enter(stage, '')
    },
    run: stage => ask(stage, 'RENAME Work Play'),
    state: async stage =>
      `${await holds(stage, stage.user, 'Work')} / ${await holds(stage, stage.user, 'Play')}`,
    before: 'small, small / no folder',
    after: 'no folder / small, small',
    between: /^no folder \/ small, small$/,
  },
  {
    name: 'SUBSCRIBE',
    daemon: 'mail-imapd',
    prepare: stage => {
      put(stage, 0, '.Somewhere')
      return enter(stage, '')
    },
    run: stage => ask(stage, 'SUBSCRIBE Somewhere'),
    state: async stage => {
      const account = await Account.open(maildir(stage, stage.user), { log: quiet })
      await account.subscribe('INBOX')
      await account.close()
      return account.subscriptions().includes('Somewhere') ? 'subscribed' : 'not'
    },
    before: 'not',
    after: 'subscribed',
  },
  {
    name: 'QUIT of POP3',
    daemon: 'mail-pop3d',
    prepare: async stage => {
      put(stage, 3)
      await program(stage, 'mail-pop3d')
    },
    run: async stage => {
      const daemon = await program(stage, 'mail-pop3d')
      const lines = [`USER ${stage.user}\r\n`, 'PASS pw\r\n', 'DELE 1\r\n', 'DELE 2\r\n', 'QUIT\r\n']
      const answer = await talk(daemon.ports('pop3d')[0] as number, lines)
      const outcome = answer === '' ? 'unknown' : answer.startsWith('+OK') ? 'done' : 'refused'
      return { outcome, text: answer }
    },
    state: stage => holds(stage, stage.user),
    before: some(3),
    after: 'small',
    between: /^small(?:, small)*$/,
  },
]

/** The same for commands that take more calls than each can be failed of in a short time. */
export const others: readonly Scenario[] = [
  {
    name: 'mail-fetch --once',
    prepare: provide,
    run: stage => once(stage, 'mail-fetch', ['--once']),
    state: async stage => (existsSync(maildir(stage, stage.user, 'cur')) ? holds(stage, stage.user) : ''),
    before: '',
    after: some(3),
    between: /^(?:small(?:, |$)){0,3}$/,
    resumes: true,
  },
  {
    name: 'mail-user passwd',
    prepare: async stage => {
      writeFileSync(join(stage.directory, 'users'), people)
    },
    run: async stage => {
      const told = await once(stage, 'mail-user', ['passwd', stage.user], 'new password\n')
      // Cannot be written: for whoever sits before it that says enough.
      return told.text.startsWith('73 ') ? { ...told, outcome: 'refused' } : told
    },
    state: async stage => {
      const lines = readFileSync(join(stage.directory, 'users'), 'utf8').split('\n')
      const old = people.split('\n')
      const others = lines.filter((line, i) => line !== old[i])
      if (lines.length !== old.length || others.length > 1) return `${others.length} lines of ${lines.length}`
      return others.length === 0 ? 'old' : others[0]?.startsWith(`${stage.user}:{ARGON2ID}`) ? 'new' : 'wrong'
    },
    before: 'old',
    after: 'new',
  },
]

/** What mail-imapd tells of a mailbox that is not in its list, so that other messages could get the same UIDs. */
export async function unlistedUids({ session, directory, user }: Stage): Promise<string | undefined> {
  if (!session) return undefined
  // First as it is, then opened anew.
  for (const folder of [undefined, 'Archive', 'INBOX']) {
    if (folder) session.uids.length = 0
    const { status } = await session.command(folder ? `SELECT ${folder}` : 'NOOP')
    if (status !== 'OK') continue
    const { untagged } = await session.command('UID SEARCH ALL')
    const path = join(
      directory,
      'home',
      user,
      'Maildir',
      folder === 'Archive' ? '.Archive' : '',
      'dovecot-uidlist',
    )
    const list = existsSync(path) ? readFileSync(path, 'latin1') : ''
    const listed = new Set([...list.matchAll(/^(\d+) .*:/gm)].map(([, uid]) => uid))
    for (const uid of untagged.find(line => /^E?SEARCH/.test(line))?.match(/\d+/g) ?? [])
      if (!listed.has(uid)) return `UID ${uid} of ${folder} was told, and is not in the list: ${list}`
  }
  return undefined
}
