/**
 * Each call to the file system that a delivery, an APPEND, a change of flags, an expunge and so on makes is failed once,
 * with each error it may have, and once is the last thing the process does. What was answered holds; what was refused
 * was refused for now only; the store is whole; and the same works when nothing fails any more. FAULTS=all has every
 * error, otherwise a few of them are chosen for each call.
 */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text as readAll } from 'node:stream/consumers'
import { test } from 'node:test'
import { Account } from '../../lib/mailbox/account.js'
import { Queue } from '../../lib/queue/queue.js'
import { Log } from '../../lib/sys/log.js'
import { Sink } from '../relay/sink.js'
import { ImapClient } from '../support/imap-client.js'
import { commandPath, Program } from '../support/program.js'
import { arm, disarm, errors, faultEnvironment, kinds } from './faults.js'

const all = process.env['FAULTS'] === 'all'
const only = process.env['ONLY']

/** What came of a deed: done, refused for now, refused for good, or nobody knows. */
type Outcome = 'done' | 'refused' | 'wrong' | 'unknown'

interface Told {
  readonly outcome: Outcome
  readonly text: string
}

/** One thing that a program is asked to do. */
interface Scenario {
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
}

interface Stage {
  readonly directory: string
  readonly config: string
  readonly control: string
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

const text = `Subject: x\n\n${'a line of the message\n'.repeat(8_000)}`
const maildir = (stage: Stage, user: string, folder = '') =>
  join(stage.directory, 'home', user, 'Maildir', folder)

async function makeStage(): Promise<Stage> {
  const directory = mkdtempSync(join(tmpdir(), 'postern-fault-'))
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
${door('smtpd', 'auth = "off"\n')}${door('imapd')}${door('pop3d')}`,
  )
  const people = Array.from({ length: 2_000 }, (_, i) => `u${i}:{PLAIN}pw\nv${i}:{PLAIN}pw\n`)
  writeFileSync(join(directory, 'users'), people.join(''))
  const control = join(directory, 'control')
  mkdirSync(control)
  Object.assign(process.env, faultEnvironment(`${directory}/home:${directory}/queue`, control))
  return {
    directory,
    config,
    control,
    sink,
    programs: new Map(),
    fault: '',
    user: 'u0',
    other: 'v0',
    turn: 0,
  }
}

async function program(stage: Stage, name: string): Promise<Program> {
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

function fresh(stage: Stage): void {
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
function put(stage: Stage, count: number, folder = '', part = 'cur'): void {
  const directory = maildir(stage, stage.user, folder)
  for (const each of ['cur', 'new', 'tmp']) mkdirSync(join(directory, each), { recursive: true, mode: 0o700 })
  for (let i = 1; i <= count; i++)
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
  } finally {
    client.close()
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

async function once(stage: Stage, name: string, args: readonly string[], input = ''): Promise<Told> {
  const child = spawn(process.execPath, [commandPath(name), '-c', stage.config, ...args], {
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

/** One after the other, for what is made of several files. */
const some = (count: number, flags = '') => Array(count).fill(`small${flags}`).join(', ')

const scenarios: readonly Scenario[] = [
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
    prepare: stage => enter(stage, ''),
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

for (const scenario of scenarios.filter(({ name }) => !only || name.includes(only)))
  test(`${scenario.name}: each call fails once`, async t => {
    const stage = await makeStage()
    const counts = new Map<string, number>()
    const wrong: string[] = []
    try {
      for (const kind of kinds)
        for (let at = 1, hit = true; hit && at < 200; at++) {
          // A call that comes is failed with its other errors too.
          const some = errors[kind].filter(error => error !== 'KILL')
          const chosen = all
            ? errors[kind]
            : [at % 2 === 0 ? 'KILL' : (some[(at >> 1) % some.length] as string)]
          for (const error of new Set(chosen)) {
            const what = `${kind} ${at} ${error}`
            const found = await attempt(stage, scenario, { kind, at, error })
            hit = found.hit
            if (!hit) break
            counts.set(found.outcome, (counts.get(found.outcome) ?? 0) + 1)
            if (found.wrong) wrong.push(`${what}: ${found.wrong}`)
          }
        }
    } finally {
      for (const each of stage.programs.values()) await each.stop()
      await stage.sink.close()
      rmSync(stage.directory, { recursive: true, force: true })
    }
    t.diagnostic([...counts].map(([outcome, count]) => `${count} ${outcome}`).join(', '))
    assert.deepEqual(wrong, [])
  })

interface Fault {
  readonly kind: string
  readonly at: number
  readonly error: string
}

async function attempt(
  stage: Stage,
  scenario: Scenario,
  fault: Fault,
): Promise<{ hit: boolean; outcome: Outcome; wrong?: string }> {
  fresh(stage)
  stage.fault = ''
  await scenario.prepare(stage)
  const daemon = scenario.daemon && (await program(stage, scenario.daemon))
  stage.fault = `${fault.kind} ${fault.at} ${fault.error}`
  process.env['FAULT_TELL'] = '1'
  if (daemon) await arm(stage.control, daemon, fault)
  const { outcome, text } = await scenario.run(stage)
  const hit = daemon
    ? await disarm(stage.control, daemon)
    : outcome === 'unknown' || text.includes(` at ${stage.directory}`)
  if (!hit) return { hit, outcome }
  if (daemon && fault.error === 'KILL') await daemon.stop()
  let wrong: string | undefined
  try {
    const state = await scenario.state(stage)
    const allowed =
      outcome === 'done'
        ? [scenario.after]
        : outcome === 'refused'
          ? [scenario.before]
          : [scenario.before, scenario.after]
    const isBetween = outcome !== 'done' && scenario.between?.test(state) === true
    const isUndone = scenario.undone?.test(state) === true
    if (!allowed.includes(state) && !isBetween && !isUndone)
      wrong = `answered "${text}", and the store has: ${state}`
    if (outcome === 'wrong' || (outcome === 'unknown' && fault.error !== 'KILL')) wrong = `answered "${text}"`
    if (!wrong && daemon && fault.error !== 'KILL') wrong = await again(stage, scenario)
  } catch (error) {
    wrong = `answered "${text}", and ${error}`
  }
  return { hit, outcome, ...(wrong === undefined ? {} : { wrong }) }
}

/** With nothing failing any more, the same process does it as it should. */
async function again(stage: Stage, scenario: Scenario): Promise<string | undefined> {
  fresh(stage)
  stage.fault = ''
  await scenario.prepare(stage)
  const { outcome, text } = await scenario.run(stage)
  const state = await scenario.state(stage)
  return outcome === 'done' && state === scenario.after ? undefined : `afterwards "${text}": ${state}`
}
