/**
 * A client of IMAP that remembers: UIDVALIDITY, UIDs, flags and MODSEQ of every folder it had open. It believes what it
 * is told unasked, resynchronises with QRESYNC (RFC 7162 §3.2.5), and is compared with what there is when all is quiet.
 */
import { parseInternalDate } from '../../lib/message/date.js'
import { ImapClient } from '../support/imap-client.js'
import { note, type Stage } from './model-stage.js'
import { password, user } from './model-world.js'

/** What a client keeps of a folder. */
interface Memory {
  validity: string
  modseq: bigint
  /** Flags by UID; undefined while it has not been told of them. */
  readonly flags: Map<number, string | undefined>
  /** It was told the flags of all that was there at that MODSEQ. */
  isWhole: boolean
}

/** Flags as one text, without those that only this session has. */
export function flagText(list: string): string {
  return list
    .split(' ')
    .filter(flag => flag !== '' && flag !== '\\Recent')
    .sort()
    .join(' ')
}

export class Session {
  readonly #stage: Stage
  readonly name: string
  readonly server: string
  #client: ImapClient | undefined
  #isResyncing = false
  /** It was told all that changed, and nothing since. */
  #isFresh = false
  folder = ''
  readonly #memories = new Map<string, Memory>()
  #memory: Memory = { validity: '', modseq: 0n, flags: new Map(), isWhole: false }

  constructor(stage: Stage, name: string, server: string) {
    this.#stage = stage
    this.name = name
    this.server = server
  }

  get validity(): string {
    return this.#memory.validity
  }

  /** UIDs of the open folder that this session has been told of, and whose message is known. */
  get uids(): number[] {
    const { constants } = this.#stage
    return (this.#client?.uids ?? []).filter(
      uid => uid !== 0 && constants.idOf(this.folder, this.validity, uid) !== undefined,
    )
  }

  async connect(): Promise<void> {
    this.#client?.close()
    this.#client = undefined
    this.folder = ''
    this.#isResyncing = false
    const client = await ImapClient.login(this.#stage.world.imap(this.server), user, password)
    client.onUntagged = line => this.#take(line)
    this.#client = client
  }

  close(): void {
    this.#client?.close()
  }

  /** IDLE for a while, in milliseconds. */
  async idle(time: number): Promise<void> {
    await this.#client?.idle(time)
  }

  /** Sends a command. What ends the connection is a fault. */
  async say(text: string, literal?: Buffer) {
    if (!this.#client) await this.connect()
    const start = performance.now()
    const reply = await (this.#client as ImapClient).command(text, literal)
    const shown = `(${(performance.now() - start).toFixed(1)} ms) ${text} -> ${reply.status} ${reply.text}`
    const more = reply.untagged.find(line => /COPYUID/.test(line)) ?? ''
    note(this.#stage, this.name, `${this.folder}: ${shown} ${more}`.slice(0, 400))
    return { ...reply, all: `${reply.untagged.join('\n')}\n${reply.text}` }
  }

  /** Opens a folder and forgets what was known of it. @returns false when there is no such folder */
  async select(folder: string): Promise<boolean> {
    this.#enter(folder, { validity: '', modseq: 0n, flags: new Map(), isWhole: true })
    const { status, all } = await this.say(`SELECT ${folder}`)
    if (status !== 'OK') return this.#leave()
    this.#greeted(all)
    await this.say('UID FETCH 1:* (UID FLAGS)')
    await this.learn()
    return true
  }

  /** Opens a folder as a client does that was there before. @returns false when there is no such folder */
  async resync(folder: string, isAll: boolean): Promise<boolean> {
    const known = this.#memories.get(folder)
    if (!known || known.validity === '' || known.modseq === 0n) return await this.select(folder)
    if (!this.#isResyncing) {
      await this.say('ENABLE QRESYNC')
      this.#isResyncing = true
    }
    this.#enter(folder, known)
    const uids = [...known.flags.keys()].sort((a, b) => a - b)
    const list = isAll || uids.length === 0 ? '' : ` ${uids.join(',')}`
    const before = known.validity
    const { status, all } = await this.say(
      `SELECT ${folder} (QRESYNC (${known.validity} ${known.modseq}${list}))`,
    )
    if (status !== 'OK') return this.#leave()
    this.#greeted(all)
    if (before !== this.validity) this.#memory.flags.clear()
    // Which sequence number is which: a client that shows a list asks for that.
    await this.say('UID FETCH 1:* (UID)')
    for (const uid of this.#memory.flags.keys())
      if (!this.#client?.uids.includes(uid))
        this.#stage.book.faults.push(
          `${this.name} (${this.server}) was not told that ${folder} ${uid} vanished`,
        )
    // Of messages that it did not name it is told nothing (RFC 7162 §3.2.5.1), nor the next time, by a later MODSEQ.
    if (list !== '') known.isWhole = false
    this.#isFresh = known.isWhole
    await this.learn()
    return true
  }

  #enter(folder: string, memory: Memory): void {
    this.folder = folder
    this.#isFresh = false
    this.#memory = memory
    this.#memories.set(folder, memory)
    if (this.#client) this.#client.uids.length = 0
  }

  #leave(): false {
    this.#memories.delete(this.folder)
    this.folder = ''
    return false
  }

  #greeted(all: string): void {
    const number = (name: string) => new RegExp(`${name} (\\d+)`).exec(all)?.[1] ?? '0'
    this.#memory.validity = number('UIDVALIDITY')
    this.#memory.modseq = BigInt(number('HIGHESTMODSEQ'))
  }

  /** Asks for what is new: which message it is, how large, and of when. */
  async learn(): Promise<void> {
    const { constants } = this.#stage
    if (this.folder === '') return
    if (this.#client?.uids.includes(0)) await this.say('FETCH 1:* (UID)')
    const news = (this.#client?.uids ?? []).filter(
      uid => uid !== 0 && constants.idOf(this.folder, this.validity, uid) === undefined,
    )
    for (const uid of this.#client?.uids ?? [])
      if (uid !== 0) this.#meet(uid, constants.idOf(this.folder, this.validity, uid))
    if (news.length === 0) return
    const { untagged } = await this.say(
      `UID FETCH ${news.join(',')} (UID RFC822.SIZE INTERNALDATE BODY.PEEK[HEADER.FIELDS (X-Trust)])`,
    )
    for (const line of untagged) this.#tell(line)
  }

  #tell(line: string): void {
    const { constants, uids } = this.#stage
    const uid = Number(/[ (]UID (\d+)/.exec(line)?.[1])
    const tell = (what: string, value: string | undefined) => {
      if (value !== undefined)
        constants.tell(`${this.name} (${this.server})`, this.folder, this.validity, uid, what, value)
    }
    const id = /X-Trust: (\S+)/.exec(line)?.[1]
    // Dovecot's word for a file that was renamed or removed just now: no header, or a size of nothing.
    if (!uid || id === undefined) return
    tell('ID', id)
    tell('SIZE', /RFC822\.SIZE (\d+)/.exec(line)?.[1])
    const date = /INTERNALDATE "([^"]+)"/.exec(line)?.[1]
    tell('DATE', date && String(parseInternalDate(date)?.utc))
    for (const each of uids.values()) each.tell(`${this.folder}/${this.validity}`, this.validity, uid, id)
    this.#meet(uid, id)
  }

  #meet(uid: number, id: string | undefined): void {
    if (id !== undefined) this.#stage.book.meet(this.folder, uid, id)
  }

  /** What was told, asked for or not. */
  #take(line: string): void {
    const { flags } = this.#memory
    const vanished = /^VANISHED (?:\(EARLIER\) )?([\d:,]+)/.exec(line)?.[1]
    if (vanished !== undefined) for (const uid of rangeOf(vanished, flags.keys())) flags.delete(uid)
    const fetched = /^(\d+) FETCH /.exec(line)
    if (!fetched) return
    const uid =
      Number(/[ (]UID (\d+)/.exec(line)?.[1] ?? 0) || this.#client?.uids[Number(fetched[1]) - 1] || 0
    const list = /FLAGS \(([^)]*)\)/.exec(line)?.[1]
    if (uid !== 0 && list !== undefined) flags.set(uid, flagText(list))
  }

  /** It changed flags itself and asked not to be told. */
  forget(uids: readonly number[]): void {
    for (const uid of uids) this.#memory.flags.set(uid, undefined)
  }

  /** What it believes, held against what is asked for now. @returns where it is wrong */
  async doubts(): Promise<string[]> {
    if (this.folder === '') return []
    await this.say('NOOP')
    if (this.#client?.uids.includes(0)) await this.say('FETCH 1:* (UID)')
    const believed = new Map(this.#memory.flags)
    const there = [...(this.#client?.uids ?? [])]
    const { untagged } = await this.say('UID FETCH 1:* (UID FLAGS)')
    const told = new Map<number, string>()
    for (const line of untagged) {
      const [, uid, list] = /^\d+ FETCH \(.*?UID (\d+).*FLAGS \(([^)]*)\)/.exec(line) ?? []
      if (uid !== undefined) told.set(Number(uid), flagText(list ?? ''))
    }
    const faults: string[] = []
    const at = `${this.name} (${this.server}) in ${this.folder}`
    for (const [uid, flags] of told) {
      const known = believed.get(uid)
      if (!there.includes(uid)) faults.push(`${at} was not told of ${uid}`)
      if (this.#isFresh && !believed.has(uid)) faults.push(`${at} was not told the flags of ${uid}`)
      if (known !== undefined && known !== flags)
        faults.push(`${at} was told that ${uid} has (${known}), and it has (${flags})`)
    }
    for (const uid of there) if (!told.has(uid)) faults.push(`${at} was not told that ${uid} is gone`)
    this.#memory.isWhole = true
    return faults
  }
}

/** UIDs of a set of which only those matter that are known. */
function rangeOf(set: string, known: Iterable<number>): number[] {
  const ranges = set.split(',').map(part => part.split(':').map(Number))
  return [...known].filter(uid => ranges.some(([from = 0, to = from]) => uid >= from && uid <= to))
}
