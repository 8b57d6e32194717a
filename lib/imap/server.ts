/** The protocol at a glance, and the loop: greeting, commands, tagged answers, goodbye. */
import { describe, errorCode, isFull, MailError } from '../sys/error.js'
import type { Log } from '../sys/log.js'
import { type Connection, LineTooLong, PeerGone, PeerTimeout } from '../wire/line.js'
import { capabilities } from './capability.js'
import type { Answer, Call, Command } from './command.js'
import { deleteAcl, getAcl, listRights, myRights, setAcl } from './commands/acl.js'
import { append } from './commands/append.js'
import { authenticate, login } from './commands/authenticate.js'
import { cancelUpdate } from './commands/cancel-update.js'
import { check, close, expunge, unselect } from './commands/close.js'
import { compress } from './commands/compress.js'
import { copy, move } from './commands/copy.js'
import { fetch } from './commands/fetch.js'
import { capability, enable, id, logout, namespace, noop, starttls } from './commands/general.js'
import { idle } from './commands/idle.js'
import { list, lsub, xlist } from './commands/list.js'
import { create, deleteMailbox, rename, subscribe, unsubscribe } from './commands/mailboxes.js'
import { getMetadata, setMetadata } from './commands/metadata.js'
import { notify } from './commands/notify.js'
import { getQuota, getQuotaRoot, setQuota } from './commands/quota.js'
import { replace } from './commands/replace.js'
import { search } from './commands/search.js'
import { examine, select } from './commands/select.js'
import { sort } from './commands/sort.js'
import { status } from './commands/status.js'
import { store } from './commands/store.js'
import { thread } from './commands/thread.js'
import type { Decoder } from './decode.js'
import { tellMetadataNews } from './listing.js'
import { Progress } from './progress.js'
import { bad, bye, ImapError, no } from './reply.js'
import { type ImapOptions, Session, type State } from './session.js'
import { tellUpdates } from './updates.js'

const any: readonly State[] = ['notAuthenticated', 'authenticated', 'selected']
const before: readonly State[] = ['notAuthenticated']
const after: readonly State[] = ['authenticated', 'selected']
const selected: readonly State[] = ['selected']

const commands: Readonly<Record<string, Command>> = {
  CAPABILITY: { states: any, run: capability }, // RFC 3501 §6.1.1
  NOOP: { states: any, run: noop }, // §6.1.2
  LOGOUT: { states: any, run: logout }, // §6.1.3
  ID: { states: any, run: id }, // RFC 2971
  STARTTLS: { states: before, run: starttls }, // RFC 3501 §6.2.1
  AUTHENTICATE: { states: before, run: authenticate }, // §6.2.2, RFC 4959
  LOGIN: { states: before, run: login }, // §6.2.3
  ENABLE: { states: after, run: enable }, // RFC 5161
  SELECT: { states: after, run: select }, // RFC 3501 §6.3.1
  EXAMINE: { states: after, run: examine }, // §6.3.2
  CREATE: { states: after, run: create }, // §6.3.3, RFC 6154 §3
  DELETE: { states: after, run: deleteMailbox }, // §6.3.4
  RENAME: { states: after, run: rename }, // §6.3.5
  SUBSCRIBE: { states: after, run: subscribe }, // §6.3.6
  UNSUBSCRIBE: { states: after, run: unsubscribe }, // §6.3.7
  LIST: { states: after, run: list }, // §6.3.8, RFC 5258, RFC 6154
  LSUB: { states: after, run: lsub }, // §6.3.9
  XLIST: { states: after, run: xlist }, // Gmail's; Outlook 2013 knows special folders by nothing else
  STATUS: { states: after, run: status }, // §6.3.10
  APPEND: { states: after, run: append, streams: true }, // §6.3.11, RFC 4315
  NAMESPACE: { states: after, run: namespace }, // RFC 2342
  SETACL: { states: after, run: setAcl }, // RFC 4314 §3.1
  DELETEACL: { states: after, run: deleteAcl }, // §3.2
  GETACL: { states: after, run: getAcl }, // §3.3
  LISTRIGHTS: { states: after, run: listRights }, // §3.4
  MYRIGHTS: { states: after, run: myRights }, // §3.5
  IDLE: { states: after, run: idle }, // RFC 2177
  GETQUOTA: { states: after, run: getQuota }, // RFC 9208
  GETQUOTAROOT: { states: after, run: getQuotaRoot },
  SETQUOTA: { states: after, run: setQuota },
  GETMETADATA: { states: after, run: getMetadata }, // RFC 5464
  SETMETADATA: { states: after, run: setMetadata },
  NOTIFY: { states: after, run: notify }, // RFC 5465
  COMPRESS: { states: after, run: compress }, // RFC 4978
  CHECK: { states: selected, run: check }, // RFC 3501 §6.4.1
  CLOSE: { states: selected, run: close }, // §6.4.2
  UNSELECT: { states: selected, run: unselect }, // RFC 3691
  EXPUNGE: { states: selected, run: expunge }, // RFC 3501 §6.4.3
  'UID EXPUNGE': { states: selected, run: expunge }, // RFC 4315 §2.1
  SEARCH: { states: selected, run: search, keepsNumbers: true }, // RFC 3501 §6.4.4
  'UID SEARCH': { states: selected, run: search },
  SORT: { states: selected, run: sort, keepsNumbers: true }, // RFC 5256 §3
  'UID SORT': { states: selected, run: sort },
  CANCELUPDATE: { states: selected, run: cancelUpdate }, // RFC 5267 §4.3.5
  THREAD: { states: selected, run: thread, keepsNumbers: true }, // RFC 5256 §3
  'UID THREAD': { states: selected, run: thread },
  FETCH: { states: selected, run: fetch, keepsNumbers: true }, // §6.4.5
  'UID FETCH': { states: selected, run: fetch },
  STORE: { states: selected, run: store, keepsNumbers: true }, // §6.4.6
  'UID STORE': { states: selected, run: store },
  COPY: { states: selected, run: copy }, // §6.4.7
  'UID COPY': { states: selected, run: copy },
  MOVE: { states: selected, run: move }, // RFC 6851
  'UID MOVE': { states: selected, run: move },
  REPLACE: { states: selected, run: replace, streams: true }, // RFC 8508
  'UID REPLACE': { states: selected, run: replace, streams: true },
}

/** What this client changes itself is no news to it. */
const changesList = new Set(['CREATE', 'DELETE', 'RENAME', 'SUBSCRIBE', 'UNSUBSCRIBE', 'SETMETADATA'])
/** Commands whose answer a client reads for news. */
const asksNews = new Set(['NOOP', 'CHECK'])
/** Commands that say what went with the news of the mailbox. */
const ownNews = /^(UID )?(EXPUNGE|MOVE|REPLACE)$/

/** Whether the client wants to hear nothing of the mailbox it has selected (RFC 5465 §3.1). */
function isSilenced({ notifier }: Session): boolean {
  return notifier !== undefined && notifier.wishes.selected === undefined
}

/** So many mistakes without one command that works are no mail client's. */
const maxMistakes = 20

/** Speaks IMAP until the client leaves. */
export async function serveImap(connection: Connection, options: ImapOptions, log: Log): Promise<void> {
  const session = new Session(connection, options, log)
  const server = new Server(session)
  connection.onShutdown = () => server.shutdown()
  try {
    session.note(`CAPABILITY ${capabilities(session)}`, `${options.hostname} Postern is ready.`)
    await server.loop()
  } catch (error) {
    if (error instanceof PeerTimeout) session.untagged('BYE Autologout: you were silent for too long.')
    else throw error
  } finally {
    await session.end()
  }
}

class Server {
  readonly #session: Session
  #busy = false
  #closing = false
  #mistakes = 0

  constructor(session: Session) {
    this.#session = session
  }

  /** Says goodbye now, or when the answer under way is whole: a client must not take the words for mail. */
  shutdown(): void {
    this.#closing = true
    if (this.#busy && !this.#session.idling) return
    const goodbye = () => {
      this.#session.untagged('BYE The server is closing.')
      this.#session.connection.close()
    }
    const { notifier } = this.#session
    if (notifier) void notifier.close().finally(goodbye)
    else goodbye()
  }

  async loop(): Promise<void> {
    while (this.#session.state !== 'logout' && !this.#closing) {
      const args = await this.#begin()
      if (!args) return
      this.#busy = true
      await this.#session.notifier?.hold()
      await this.#command(args)
      this.#busy = false
      this.#session.notifier?.release()
      if (this.#mistakes >= maxMistakes) throw this.#goodbye(bye(undefined, 'Too many commands were wrong.'))
    }
    if (this.#closing) this.shutdown()
  }

  /** @returns undefined when the peer closed */
  async #begin(): Promise<Decoder | undefined> {
    for (;;)
      try {
        const args = await this.#session.reader.begin()
        if (args) args.utf8 = this.#session.utf8
        return args
      } catch (error) {
        if (!(error instanceof LineTooLong)) throw error
        this.#session.untagged('BAD The line is too long.')
        if (++this.#mistakes >= maxMistakes) return undefined
      }
  }

  async #command(args: Decoder): Promise<void> {
    const session = this.#session
    const tag = args.tryTag()
    let progress: Progress | undefined
    try {
      if (tag === undefined) throw bad('A command begins with a tag.')
      const { command, call } = this.#find(tag, args)
      if (!command.streams) await session.reader.finish(args)
      session.progress = progress = Progress.begin(session, call)
      const answer = await command.run(session, args, call)
      progress?.stop()
      if (changesList.has(call.name)) await session.notifier?.ownList()
      await this.#tellNews(command.keepsNumbers !== true, ownNews.test(call.name))
      if (asksNews.has(call.name)) session.toldAside = undefined
      await this.#done(call, answer ?? undefined)
      this.#mistakes = 0
    } catch (error) {
      progress?.stop()
      await this.#refuse(tag, error)
    }
  }

  /** The command is done: that the news cannot be told now must not make it look undone. */
  async #tellNews(expunge: boolean, isOwn = false): Promise<void> {
    try {
      if (!isSilenced(this.#session) || isOwn) await tellUpdates(this.#session, expunge)
      await tellMetadataNews(this.#session)
    } catch (error) {
      if (error instanceof ImapError) throw this.#goodbye(error)
      this.#session.log.warning('sync-failed', { reason: describe(error) })
    }
  }

  #find(tag: string, args: Decoder): { command: Command; call: Call } {
    const { state } = this.#session
    let name = args.trySpace() ? (args.tryAtom()?.toUpperCase() ?? '') : ''
    const uid = name === 'UID'
    if (uid && args.trySpace()) name = `UID ${args.tryAtom()?.toUpperCase()}`
    const command = Object.hasOwn(commands, name) ? commands[name] : undefined
    if (!command) throw bad('There is no such command.')
    if (!command.states.includes(state)) throw bad(stateText(command, state))
    return { command, call: { tag, name, uid } }
  }

  async #done({ tag, name }: Call, answer: Answer = {}): Promise<void> {
    const code = typeof answer.code === 'function' ? answer.code() : answer.code
    const words = answer.text ?? `${name} completed.`
    this.#session.connection.write(`${tag} OK ${code === undefined ? '' : `[${code}] `}${words}\r\n`)
    await answer.after?.()
  }

  async #refuse(tag: string | undefined, error: unknown): Promise<void> {
    let refusal = this.#refusalOf(error)
    await this.#session.reader.abandon().catch(failure => {
      refusal = this.#refusalOf(failure)
    })
    if (refusal.condition === 'BYE') throw this.#goodbye(refusal)
    if (refusal.condition === 'BAD') this.#mistakes++
    else await this.#tellNews(false)
    this.#session.connection.write(`${tag ?? '*'} ${refusal.line}\r\n`)
  }

  #goodbye(refusal: ImapError): PeerGone {
    this.#session.untagged(refusal.line)
    return new PeerGone(refusal.message)
  }

  /** What a client is told of an error: its own words, the words of a MailError, or that it is our fault. */
  #refusalOf(error: unknown): ImapError {
    if (error instanceof PeerGone || error instanceof PeerTimeout) throw error
    if (error instanceof ImapError) return error
    if (error instanceof LineTooLong) return bad('The line is too long.')
    const { log } = this.#session
    if (error instanceof MailError) {
      log.warning('command-failed', { reason: describe(error) })
      const code = isFull(error) ? 'OVERQUOTA' : 'UNAVAILABLE'
      return no(error.temporary ? code : undefined, error.message)
    }
    const system = errorCode(error)
    if (system !== undefined && /^E[A-Z0-9]+$/.test(system)) {
      log.error('command-failed', { reason: describe(error) })
      return isFull(error)
        ? no('OVERQUOTA', 'The disk is full.')
        : no('UNAVAILABLE', `The disk says ${system}.`)
    }
    log.error('command-failed', { reason: error instanceof Error ? error.stack : String(error) })
    return no('SERVERBUG', 'This should not have happened; the log of the server tells more.')
  }
}

function stateText(command: Command, state: State): string {
  if (state === 'notAuthenticated') return 'Log in first.'
  return command.states === before ? 'You are logged in already.' : 'Select a mailbox first.'
}
