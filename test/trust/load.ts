/** Clients of every protocol, each doing one thing after the other until it is told to stop or is cut off. */
import { mkdirSync, renameSync, writeFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { Sink } from '../relay/sink.js'
import { ImapClient } from '../support/imap-client.js'
import { type DaemonName, type Fleet, password } from './fleet.js'
import { type Entry, type Ledger, type Places, place } from './ledger.js'
import type { Uids } from './uids.js'

/** What a load works with. */
export interface Stage {
  readonly fleet: Fleet
  readonly ledger: Ledger
  readonly uids: Uids
  readonly sink: Sink
  /** Identifiers of messages for elsewhere that were taken. */
  readonly sent: Set<string>
  /** Messages that the provider has. */
  readonly provided: Map<string, string>
  halted: boolean
}

export const folders = ['INBOX', 'Archive', 'Work'] as const
const flagPool = ['\\Seen', '\\Flagged', '\\Answered', '\\Draft', '$Label1', 'Blue', 'Later']
/** A folder is kept at about so many messages. */
const plenty = 60

/** A line protocol, as little of it as a client needs. */
export class Lines {
  readonly #socket: Socket
  #text = ''
  #closed = false
  #wake: () => void = () => {}

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.on('data', chunk => {
      this.#text += chunk.toString('latin1')
      this.#wake()
    })
    socket.on('error', () => {})
    socket.on('close', () => {
      this.#closed = true
      this.#wake()
    })
  }

  static open(port: number): Promise<Lines> {
    return new Promise((resolve, reject) => {
      const socket = connect({ port, host: '127.0.0.1', noDelay: true }, () => resolve(new Lines(socket)))
      socket.once('error', reject)
    })
  }

  /** What comes up to and with `end`. */
  async until(end: RegExp): Promise<string> {
    for (;;) {
      const found = end.exec(this.#text)
      if (found) {
        const whole = this.#text.slice(0, found.index + found[0].length)
        this.#text = this.#text.slice(whole.length)
        return whole
      }
      if (this.#closed) throw new Error('cut off')
      await new Promise<void>(resolve => {
        this.#wake = resolve
      })
    }
  }

  say(text: string): void {
    this.#socket.write(text, 'latin1')
  }

  close(): void {
    this.#socket.destroy()
  }
}

export const reply = /(?:^|\r\n)\d{3} [^\r]*\r\n/

/** Messages by SMTP to alice, to bob, to both, to carol, and to elsewhere. */
async function smtp({ fleet, ledger, sent }: Stage, go: () => boolean): Promise<void> {
  const client = await Lines.open(fleet.port('mail-smtpd'))
  const say = async (line: string) => {
    client.say(`${line}\r\n`)
    return await client.until(reply)
  }
  try {
    await client.until(reply)
    await say('EHLO trust')
    while (go()) {
      const to = ledger.chance.pick([['alice'], ['bob'], ['alice', 'bob'], ['carol'], ['alice', 'carol'], []])
      const isOut = to.length === 0
      const entry = ledger.make(isOut ? 'out' : 'smtp')
      if (isOut) ledger.entries.delete(entry.id)
      await say('MAIL FROM:<sender@example.org>')
      for (const user of isOut ? ['far@example.org'] : to.map(user => `${user}@x.internal`))
        await say(`RCPT TO:<${user}>`)
      const deed = async () => {
        await say('DATA')
        const answer = await say(`${entry.text.replace(/\n/g, '\r\n')}.`)
        if (!/^[245]/.test(answer.trim())) throw new Error(answer)
        if (!/^2/.test(answer.trim())) ledger.faults.push(`SMTP answered ${answer.trim()}`)
        return /^2/.test(answer.trim())
      }
      if (!isOut) await ledger.doing('SMTP', [entry], () => subsets(to), deed)
      else if (await deed()) sent.add(entry.id)
    }
    client.say('QUIT\r\n')
  } finally {
    client.close()
  }
}

/** Before all are answered, any of the recipients may have it. */
function subsets(users: readonly string[]): Places[] {
  return Array.from({ length: 2 ** users.length - 1 }, (_, mask) =>
    users.filter((_, i) => ((mask + 1) >> i) & 1).map(user => place(`${user}/INBOX`)),
  )
}

/** One session of IMAP: everything that changes a mailbox. */
class ImapLoad {
  readonly #stage: Stage
  readonly #client: ImapClient
  readonly #user: string
  #folder = 'INBOX'
  #validity = ''

  constructor(stage: Stage, client: ImapClient, user: string) {
    this.#stage = stage
    this.#client = client
    this.#user = user
  }

  async select(): Promise<void> {
    const { uids, ledger } = this.#stage
    this.#folder = ledger.chance.pick(folders)
    this.#client.uids.length = 0
    const told = (await this.#client.ok(`SELECT ${this.#folder}`)).join('\n')
    this.#validity = /UIDVALIDITY (\d+)/.exec(told)?.[1] ?? ''
    for (const line of await this.#client
      .ok('FETCH 1:* (UID BODY.PEEK[HEADER.FIELDS (X-Trust)])')
      .catch(() => [])) {
      const [, uid, id] = /UID (\d+).*X-Trust: (\S+)/s.exec(line) ?? []
      if (uid !== undefined && id !== undefined) uids.tell(this.#path(), this.#validity, Number(uid), id)
    }
  }

  async step(): Promise<void> {
    const { chance } = this.#stage.ledger
    const crowd = this.#client.uids.length
    const deeds = [
      () => this.#store(),
      () => this.#store(),
      () => this.#copy(),
      () => this.#move(),
      () => this.#append(),
    ]
    if (crowd > plenty) deeds.push(...[0, 1, 2, 3].map(() => () => this.#remove()))
    else if (crowd > 10) deeds.push(() => this.#remove())
    if (chance.below(8) === 0) await this.select()
    else if (chance.below(12) === 0)
      await this.#client.ok(`${chance.pick(['SUBSCRIBE', 'UNSUBSCRIBE'])} ${chance.pick(folders)}`)
    else await chance.pick(deeds)()
  }

  #path(folder = this.#folder): string {
    return `${this.#user}/${folder}`
  }

  /** Messages of this session that nobody else works on, with their UIDs. */
  #some(most: number, allows: (entry: Entry) => boolean = () => true): Map<number, Entry> {
    const { ledger, uids } = this.#stage
    const byId = new Map<string, number>()
    for (const uid of this.#client.uids) {
      const id = uids.idOf(this.#path(), uid)
      if (id !== undefined) byId.set(id, uid)
    }
    const free = ledger.free(byId.keys()).filter(entry => this.#flagsOf(entry) !== undefined && allows(entry))
    const count = 1 + ledger.chance.below(ledger.chance.below(5) === 0 ? most : 3)
    const from = ledger.chance.below(Math.max(1, free.length - count))
    return new Map(free.slice(from, from + count).map(entry => [byId.get(entry.id) as number, entry]))
  }

  /** Its flags in this folder, if it is here once. */
  #flagsOf(entry: Entry): string[] | undefined {
    const here = (entry.may[0] ?? []).filter(at => at.split(' ')[0] === this.#path())
    return here.length === 1 ? (here[0] as string).split(' ').slice(1) : undefined
  }

  #others(entry: Entry): string[] {
    return (entry.may[0] ?? []).filter(at => at.split(' ')[0] !== this.#path())
  }

  async #done(command: string, literal?: Buffer): Promise<string | undefined> {
    const { status, text, untagged } = await this.#client.command(command, literal)
    if (status === 'OK') return `${untagged.join('\n')}\n${text}`
    this.#stage.ledger.faults.push(`${command}: ${status} ${text}`)
    return undefined
  }

  async #change(
    what: string,
    chosen: Map<number, Entry>,
    flags: (old: string[]) => string[],
    command: string,
  ) {
    const { ledger } = this.#stage
    const next = new Map(
      [...chosen.values()].map(entry => [
        entry,
        [...this.#others(entry), place(this.#path(), flags(this.#flagsOf(entry) as string[]))].sort(),
      ]),
    )
    await ledger.doing(
      what,
      [...chosen.values()],
      entry => [next.get(entry) as Places],
      async () => (await this.#done(`UID STORE ${[...chosen.keys()].join()} ${command}`)) !== undefined,
    )
  }

  async #store(): Promise<void> {
    const { chance } = this.#stage.ledger
    const chosen = this.#some(30)
    if (chosen.size === 0) return
    const flag = chance.pick(flagPool)
    const mode = chance.pick(['+', '-', ''])
    const flags = (old: string[]) => {
      if (mode === '') return [flag]
      return mode === '+' ? [...new Set([...old, flag])] : old.filter(each => each !== flag)
    }
    await this.#change('STORE', chosen, flags, `${mode}FLAGS.SILENT (${flag})`)
  }

  async #remove(): Promise<void> {
    const chosen = this.#some(40)
    if (chosen.size === 0) return
    await this.#change(
      'STORE',
      chosen,
      old => [...new Set([...old, '\\Deleted'])],
      '+FLAGS.SILENT (\\Deleted)',
    )
    const next = new Map([...chosen.values()].map(entry => [entry, this.#others(entry)]))
    await this.#stage.ledger.doing(
      'EXPUNGE',
      [...chosen.values()],
      entry => [next.get(entry) as Places],
      async () => (await this.#done(`UID EXPUNGE ${[...chosen.keys()].join()}`)) !== undefined,
    )
  }

  #copy(): Promise<void> {
    return this.#transfer('COPY', entry => [...(entry.may[0] as Places)])
  }

  /** A rename within one file system: in one place or in the other, never in both. */
  #move(): Promise<void> {
    return this.#transfer('MOVE', entry => this.#others(entry))
  }

  async #transfer(what: string, left: (entry: Entry) => string[]): Promise<void> {
    const { ledger, uids } = this.#stage
    const target = ledger.chance.pick(folders.filter(folder => folder !== this.#folder))
    const path = this.#path(target)
    const chosen = this.#some(30, entry => !(entry.may[0] ?? []).some(at => at.split(' ')[0] === path))
    if (chosen.size === 0) return
    const next = new Map(
      [...chosen.values()].map(entry => [
        entry,
        [...left(entry), place(path, this.#flagsOf(entry) as string[])].sort(),
      ]),
    )
    await ledger.doing(
      what,
      [...chosen.values()],
      entry => [next.get(entry) as Places],
      async () => {
        const told = await this.#done(`UID ${what} ${[...chosen.keys()].join()} ${target}`)
        const [, validity = '', from = '', to = ''] =
          /COPYUID (\d+) ([\d:,]+) ([\d:,]+)/.exec(told ?? '') ?? []
        const targets = expand(to)
        for (const [i, uid] of expand(from).entries())
          uids.tell(path, validity, targets[i] as number, (chosen.get(uid) as Entry).id)
        if (told !== undefined && targets.length !== chosen.size)
          ledger.faults.push(`${what} of ${chosen.size} messages told ${targets.length} UIDs`)
        return told !== undefined
      },
    )
  }

  async #append(): Promise<void> {
    const { ledger, uids } = this.#stage
    const folder = ledger.chance.pick(folders)
    const entry = ledger.make('append')
    const flags = flagPool.filter(() => ledger.chance.below(4) === 0)
    await ledger.doing(
      'APPEND',
      [entry],
      () => [[place(this.#path(folder), flags)]],
      async () => {
        const literal = Buffer.from(entry.text.replace(/\n/g, '\r\n'))
        const told = await this.#done(`APPEND ${folder} (${flags.join(' ')})`, literal)
        const [, validity, uid] = /APPENDUID (\d+) (\d+)/.exec(told ?? '') ?? []
        if (validity !== undefined) uids.tell(this.#path(folder), validity, Number(uid), entry.id)
        return told !== undefined
      },
    )
  }
}

/** A set of UIDs as numbers: `1,3:5`. */
export function expand(set: string): number[] {
  return set
    .split(',')
    .filter(part => part !== '')
    .flatMap(part => {
      const [from = 0, to = from] = part.split(':').map(Number)
      return Array.from({ length: to - from + 1 }, (_, i) => from + i)
    })
}

async function imap(stage: Stage, go: () => boolean, daemon: DaemonName, user: string): Promise<void> {
  const client = await ImapClient.login(stage.fleet.port(daemon), user, password)
  try {
    const load = new ImapLoad(stage, client, user)
    await load.select()
    while (go()) await load.step()
  } finally {
    client.close()
  }
}

/** Sessions of POP3 that read and delete some of carol's mail; what is deleted is gone with QUIT. */
async function pop3({ fleet, ledger }: Stage, go: () => boolean): Promise<void> {
  while (go()) {
    const client = await Lines.open(fleet.port('mail-pop3d'))
    const say = async (line: string, end = /\r\n/) => {
      client.say(`${line}\r\n`)
      return await client.until(end)
    }
    try {
      await client.until(/\r\n/)
      await say('USER carol')
      await say(`PASS ${password}`)
      const count = Number(/^\+OK (\d+)/.exec(await say('STAT'))?.[1])
      const chosen: Entry[] = []
      for (let number = 1; number <= count && chosen.length < 5; number++) {
        const id = /X-Trust: (\S+)/.exec(await say(`TOP ${number} 0`, /\r\n\.\r\n/))?.[1] ?? ''
        const [entry] = ledger.free([id])
        if (!entry) continue
        chosen.push(entry)
        entry.busy = true
        await say(`DELE ${number}`)
      }
      const left = (entry: Entry) => (entry.may[0] as Places).filter(at => !at.startsWith('carol/'))
      await ledger.doing(
        'POP3 QUIT',
        chosen,
        entry => [left(entry)],
        async () => {
          const answer = await say('QUIT')
          if (!answer.startsWith('+OK')) ledger.faults.push(`QUIT: ${answer}`)
          return answer.startsWith('+OK')
        },
      )
    } finally {
      client.close()
    }
    await delay(20)
  }
}

async function deliver({ fleet, ledger }: Stage, go: () => boolean): Promise<void> {
  while (go()) {
    const user = ledger.chance.pick(['alice', 'bob', 'carol'])
    const entry = ledger.make('deliver')
    await ledger.doing(
      'mail-deliver',
      [entry],
      () => [[place(`${user}/INBOX`)]],
      async () => {
        const status = await fleet.run('mail-deliver', ['-d', user], entry.text)
        if (status === undefined) throw new Error('killed')
        if (status !== 0) ledger.faults.push(`mail-deliver ended with ${status}`)
        return status === 0
      },
    )
  }
}

async function send({ fleet, ledger, sent }: Stage, go: () => boolean): Promise<void> {
  while (go()) {
    const entry = ledger.make('send')
    ledger.entries.delete(entry.id)
    const status = await fleet.run('mail-send', ['-i', 'far@example.org'], entry.text)
    if (status === 0) sent.add(entry.id)
    else if (status !== undefined) ledger.faults.push(`mail-send ended with ${status}`)
  }
}

/** New mail at the provider, and runs that fetch it. Who was killed has held the account for a moment: 75. */
async function fetch({ fleet, ledger, provided }: Stage, go: () => boolean): Promise<void> {
  const maildir = fleet.maildir('provider')
  mkdirSync(join(maildir, 'new'), { recursive: true })
  while (go()) {
    for (let i = ledger.chance.below(4); i >= 0; i--) {
      const { id, text } = ledger.make('fetch')
      ledger.entries.delete(id)
      const name = `${Math.floor(Date.now() / 1000)}.M${provided.size}P1.provider`
      writeFileSync(join(maildir, 'tmp', name), text)
      renameSync(join(maildir, 'tmp', name), join(maildir, 'new', name))
      provided.set(id, text)
    }
    const isThere = fleet.isUp('provider')
    const status = await fleet.run('mail-fetch', ['--once'])
    const isFine =
      status === undefined || status === 0 || status === 75 || !isThere || !fleet.isUp('provider')
    if (!isFine) ledger.faults.push(`mail-fetch ended with ${status}`)
    await delay(50)
  }
}

/** All of them at once, until `stage.halted`; each ends when it is cut off. */
export async function work(stage: Stage): Promise<void> {
  const go = () => !stage.halted
  const all = [
    smtp(stage, go),
    imap(stage, go, 'mail-imapd', 'alice'),
    imap(stage, go, 'mail-imapd 2', 'alice'),
    imap(stage, go, 'mail-imapd', 'bob'),
    imap(stage, go, 'mail-imapd 2', 'bob'),
    pop3(stage, go),
    deliver(stage, go),
    send(stage, go),
    fetch(stage, go),
  ]
  const cut = /cut off|closed at|ECONNRESET|ECONNREFUSED|EPIPE|killed|does not run/
  for (const { status, reason } of (await Promise.allSettled(all)) as { status: string; reason?: unknown }[])
    if (status === 'rejected' && !cut.test(String(reason))) stage.ledger.faults.push(String(reason))
}
