/** IDLE (RFC 2177): news come as they happen until the client says DONE. */
import { describe } from '../../sys/error.js'
import { PeerGone } from '../../wire/line.js'
import type { ImapMailbox } from '../backend.js'
import type { Answer } from '../command.js'
import type { Decoder } from '../decode.js'
import { bad, ImapError } from '../reply.js'
import type { Session } from '../session.js'
import { tellUpdates } from '../updates.js'

const twoMinutes = 120_000

export async function idle(session: Session, args: Decoder): Promise<Answer> {
  args.end()
  const { connection, reader, options, mailbox } = session
  const teller = new Teller(session)
  // RFC 5465 §4: in IDLE the client hears of what it has asked for, and of nothing else.
  const { notifier } = session
  const stop = notifier ? undefined : mailbox?.onChange(() => teller.tell())
  const still = setInterval(() => teller.stillHere(), options.stillHere ?? twoMinutes)
  session.idling = true
  session.log.debug('idle')
  connection.write('+ idling\r\n')
  if (!notifier && mailbox && session.toldAside === mailbox) tellAgain(session, mailbox)
  try {
    if (notifier) notifier.release(true)
    else teller.tell()
    const line = await connection.readLine(reader.limits.line, reader.timeout)
    if (!line) throw new PeerGone('the connection closed in IDLE')
    if (line.toString('latin1').trim().toUpperCase() !== 'DONE') throw bad('DONE was expected.')
  } finally {
    session.idling = false
    session.log.debug('idle-ended')
    clearInterval(still)
    stop?.()
    await teller.finished()
    await notifier?.hold()
  }
  return { text: 'You were idle.' }
}

/**
 * Thunderbird passes over an EXISTS that comes with the answer to STORE, and would show the new message at its next
 * look some minutes later; in IDLE it listens.
 */
function tellAgain(session: Session, mailbox: ImapMailbox): void {
  session.toldAside = undefined
  session.untagged(`${mailbox.uids.length} EXISTS`)
}

/** Tells one after another; what changes meanwhile is told in the next round. */
class Teller {
  readonly #session: Session
  #running: Promise<void> | undefined
  #again = false
  #stopped = false

  constructor(session: Session) {
    this.#session = session
  }

  tell(): void {
    this.#again = true
    this.#running ??= this.#rounds().finally(() => {
      this.#running = undefined
    })
  }

  async #rounds(): Promise<void> {
    const { connection, log } = this.#session
    try {
      while (this.#again && !this.#stopped) {
        this.#again = false
        await tellUpdates(this.#session, true)
        this.#session.toldAside = undefined
        connection.flush()
      }
    } catch (error) {
      if (!(error instanceof ImapError)) {
        // A lock that is held, say, will be free when the next change is told.
        log.warning('sync-failed', { reason: describe(error) })
        return
      }
      this.#session.untagged(error.line)
      connection.close()
    }
  }

  /** Keeps the way through address translators open; without this some forget a connection in minutes. */
  stillHere(): void {
    if (this.#running || this.#stopped || this.#session.notifier?.isTelling) return
    this.#session.note(undefined, 'Still here')
    this.#session.connection.flush()
  }

  /** Resolves when nothing is being told any more. */
  async finished(): Promise<void> {
    this.#stopped = true
    await this.#running
  }
}
