/** One IMAP session that does something of everything, and removes what became too much. */
import { Caller } from './caller.js'
import { letter, type Scene } from './sessions.js'
import { password } from './suite.js'

/** So many messages a mailbox may have before most of them are removed. */
const plenty = 60
const kept = 10

class Session {
  readonly #caller: Caller
  readonly #scene: Scene
  readonly #mailbox: string
  #tag = 0
  messages = 0

  constructor(caller: Caller, scene: Scene, mailbox: string) {
    this.#caller = caller
    this.#scene = scene
    this.#mailbox = mailbox
  }

  /** @returns what was answered; commands that are refused are faults */
  async run(command: string): Promise<string> {
    const tag = `t${++this.#tag}`
    const told = await this.#caller.ask(
      `${tag} ${command}\r\n`,
      new RegExp(`(?:^|\\r\\n)${tag} [^\\r]*\\r\\n`),
    )
    if (!new RegExp(`(?:^|\\r\\n)${tag} OK`).test(told))
      throw new Error(`${command.slice(0, 100)}: ${told.slice(-200)}`)
    for (const [, count] of told.matchAll(/^\* (\d+) EXISTS/gm)) this.messages = Number(count)
    this.messages -= [...told.matchAll(/^\* \d+ EXPUNGE/gm)].length
    return told
  }

  async select(mailbox = this.#mailbox): Promise<void> {
    this.messages = 0
    await this.run(`SELECT ${mailbox}`)
  }

  async append(): Promise<void> {
    const { chance, suite } = this.#scene
    const literals = Array.from({ length: 4 }, () => letter(chance)).map(
      text => ` {${text.length}+}\r\n${text}`,
    )
    await this.run(`APPEND ${this.#mailbox}${literals.join('')}`)
    suite.count('messages', 4)
    suite.count('in', 4)
  }

  async look(): Promise<void> {
    const { chance } = this.#scene
    const last = Math.max(1, this.messages - 9)
    const ways = [
      () => this.run(`FETCH ${last}:* (UID FLAGS ENVELOPE BODYSTRUCTURE)`),
      () => this.run(`FETCH ${last}:* (FLAGS PREVIEW BODY.PEEK[HEADER.FIELDS (Subject)])`),
      () => this.run(`FETCH ${this.messages} BODY.PEEK[]`),
      () => this.run('UID SEARCH RETURN (COUNT ALL) TEXT "needle 7"'),
      () => this.run('UID SEARCH OR SUBJECT "soak 1" UNSEEN'),
      () => this.run('UID SORT (REVERSE DATE) UTF-8 ALL'),
      () => this.run('UID THREAD REFERENCES UTF-8 ALL'),
      () => this.run('LIST (SUBSCRIBED) "" * RETURN (STATUS (MESSAGES UNSEEN))'),
    ]
    for (let i = 0; i < 4; i++) await chance.pick(ways)()
  }

  async change(): Promise<void> {
    const { chance, suite } = this.#scene
    const flag = chance.pick(['\\Seen', '\\Flagged', '$Label1', 'Blue'])
    await this.run(
      `STORE ${1 + chance.below(this.messages)}:* ${chance.pick(['+', '-'])}FLAGS.SILENT (${flag})`,
    )
    await this.run('NOOP')
    const some = Math.min(this.messages, 3)
    if (chance.below(2) === 0) {
      await this.run(`COPY 1:${some} Archive`)
      suite.count('in', some)
    } else await this.run(`MOVE 1:${some} Archive`)
  }

  async manage(): Promise<void> {
    const name = `Work.n${this.#scene.chance.below(1_000_000)}`
    await this.run(`CREATE ${name}`)
    await this.run(`SUBSCRIBE ${name}`)
    await this.run(`STATUS ${name} (MESSAGES)`)
    await this.run(`RENAME ${name} ${name}x`)
    await this.run(`SELECT ${name}x`)
    await this.run('CLOSE')
    await this.run(`DELETE ${name}x`)
    await this.run(`UNSUBSCRIBE ${name}`)
    await this.select()
  }

  async remove(left: number): Promise<void> {
    // What mail-pop3d removed a moment ago is not to be counted here too.
    await this.run('NOOP')
    if (this.messages <= left) return
    await this.run(`STORE 1:${this.messages - left} +FLAGS.SILENT (\\Deleted)`)
    const told = await this.run('EXPUNGE')
    this.#scene.suite.count('out', [...told.matchAll(/^\* \d+ EXPUNGE/gm)].length)
  }
}

export async function imap(scene: Scene, user: string, mailbox = 'INBOX'): Promise<void> {
  const { suite, chance, busy } = scene
  busy.add(user)
  const isSecure = chance.below(3) === 0
  const { ports } = suite.state
  const from = `127.3.${chance.below(250)}.${1 + chance.below(250)}`
  const caller = await Caller.open({ port: isSecure ? ports.imaps : ports.imap, tls: isSecure, from })
  try {
    const session = new Session(caller, scene, mailbox)
    await session.run(`LOGIN ${user} ${password}`)
    if (chance.below(10) === 0) await session.run('ENABLE CONDSTORE')
    await session.select()
    if (mailbox === 'INBOX') await session.append()
    if (session.messages === 0) return
    await session.look()
    await session.change()
    if (chance.below(8) === 0) await session.manage()
    if (session.messages > plenty) await session.remove(kept)
    if (chance.below(4) === 0) {
      await session.select('Archive')
      if (session.messages > plenty) await session.remove(kept)
    }
    // Half of the clients of the world just go.
    if (chance.below(2) === 0) await session.run('LOGOUT')
    suite.count('IMAP sessions')
  } finally {
    caller.drop()
    busy.delete(user)
  }
}
