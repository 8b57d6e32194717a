/** The search program of SEARCH, SORT and THREAD (RFC 3501 §6.4.4, §9 search-key; RFC 5032), decoded. */
import { parseDay } from '../message/date.js'
import { Flag } from '../message/flags.js'
import type { SearchKey, TextField } from '../message/query.js'
import type { Decoder } from './decode.js'
import { sequenceNumbers, uidsOfSet } from './messages.js'
import { textOf } from './name.js'
import { bad, no } from './reply.js'
import type { Session } from './session.js'
import { savedResult } from './set.js'

/** Deeper programs are nobody's question, and would fill the stack. */
const deepest = 100

/** A search program, decoded. */
export interface Program {
  readonly key: SearchKey
  /** Whether it asks for MODSEQ, and so for MODSEQ in the answer (RFC 7162 §3.1.5). */
  readonly asksModseq: boolean
}

/** `CHARSET utf-8 OR FROM a SUBJECT b`: all keys up to the end of the command. @throws ImapError NO [BADCHARSET] */
export function readSearch(args: Decoder, session: Session): Program {
  if (args.tryWord('CHARSET')) {
    // RFC 6855 §3: there is no other charset than UTF-8 then, and saying so is a mistake.
    if (session.enabled.has('UTF8=ACCEPT')) throw bad('After ENABLE UTF8=ACCEPT there is no CHARSET.')
    args.space()
    checkCharset(args.text('The charset'))
    args.space()
  }
  return readKeys(args, session)
}

/** `utf-8 OR FROM a SUBJECT b`: the charset is never left out by SORT and THREAD (RFC 5256 §5). */
export function readCriteria(args: Decoder, session: Session): Program {
  checkCharset(args.text('The charset'))
  args.space()
  return readKeys(args, session)
}

/** US-ASCII is a part of UTF-8, and clients that say nothing send UTF-8. */
export function checkCharset(name: string): void {
  if (!/^(us-ascii|utf-8)$/i.test(name)) throw no('BADCHARSET (US-ASCII UTF-8)', 'Search in UTF-8.')
}

/** Keys with blanks between, all of which must hold. */
export function readKeys(args: Decoder, session: Session): Program {
  const keys: SearchKey[] = []
  const reader = new KeyReader(args, session)
  do keys.push(reader.key(0))
  while (args.trySpace() && !args.atEnd)
  return { key: all(keys), asksModseq: reader.asksModseq }
}

function all(keys: SearchKey[]): SearchKey {
  return keys.length === 1 ? (keys[0] as SearchKey) : { kind: 'and', keys }
}

const flags: Readonly<Record<string, number>> = {
  ANSWERED: Flag.answered,
  DELETED: Flag.deleted,
  DRAFT: Flag.draft,
  FLAGGED: Flag.flagged,
  SEEN: Flag.seen,
}
const recent: SearchKey = { kind: 'recent' }
const unseen: SearchKey = { kind: 'not', key: { kind: 'flag', flag: Flag.seen } }

class KeyReader {
  readonly #args: Decoder
  readonly #session: Session
  asksModseq = false

  constructor(args: Decoder, session: Session) {
    this.#args = args
    this.#session = session
  }

  key(depth: number): SearchKey {
    if (depth > deepest) throw bad('That search is too deep.')
    const args = this.#args
    if (args.peek === '(') return all(args.list(() => this.key(depth + 1)))
    if (/[\d*$]/.test(args.peek)) return this.#sequence()
    const name = args.word('A search key')
    if (Object.hasOwn(flags, name)) return { kind: 'flag', flag: flags[name] as number }
    if (name.startsWith('UN') && Object.hasOwn(flags, name.slice(2)))
      return { kind: 'not', key: { kind: 'flag', flag: flags[name.slice(2)] as number } }
    return this.#named(name, depth)
  }

  #named(name: string, depth: number): SearchKey {
    switch (name) {
      case 'ALL':
        return { kind: 'all' }
      case 'RECENT':
        return recent
      case 'NEW':
        return { kind: 'and', keys: [recent, unseen] }
      case 'OLD':
        return { kind: 'not', key: recent }
      case 'NOT':
        return { kind: 'not', key: this.#next(depth) }
      case 'OR':
        return { kind: 'or', keys: [this.#next(depth), this.#next(depth)] }
      case 'UID':
        return this.#uids()
      case 'KEYWORD':
        return { kind: 'keyword', keyword: this.#flag() }
      case 'UNKEYWORD':
        return { kind: 'not', key: { kind: 'keyword', keyword: this.#flag() } }
      default:
        return this.#valued(name)
    }
  }

  #valued(name: string): SearchKey {
    switch (name) {
      case 'FROM':
      case 'TO':
      case 'CC':
      case 'BCC':
      case 'SUBJECT':
        return { kind: name.toLowerCase() as TextField, value: this.#text() }
      case 'BODY':
      case 'TEXT':
        return { kind: name === 'BODY' ? 'body' : 'text', value: this.#text() }
      case 'HEADER':
        return { kind: 'header', name: this.#text(), value: this.#text() }
      case 'SINCE':
      case 'BEFORE':
      case 'ON':
      case 'SENTSINCE':
      case 'SENTBEFORE':
      case 'SENTON':
      case 'SAVEDSINCE':
      case 'SAVEDBEFORE':
      case 'SAVEDON':
        return { kind: name.toLowerCase() as 'since', day: this.#day() }
      case 'LARGER':
      case 'SMALLER':
        return { kind: name === 'LARGER' ? 'larger' : 'smaller', size: this.#number() }
      case 'EMAILID':
      case 'THREADID':
        return { kind: name.toLowerCase() as 'emailid', id: this.#text() }
      case 'SAVEDATESUPPORTED':
        return { kind: 'all' }
      case 'MODSEQ':
        return this.#modseq()
      case 'OLDER':
      case 'YOUNGER':
        return { kind: name === 'OLDER' ? 'older' : 'younger', seconds: this.#number() }
      default:
        throw bad('There is no such search key.')
    }
  }

  #next(depth: number): SearchKey {
    this.#args.space()
    return this.key(depth + 1)
  }

  #text(): string {
    this.#args.space()
    return textOf(this.#args.astring('What to search for'), 'What to search for')
  }

  #number(): number {
    this.#args.space()
    return this.#args.number('A number', Number.MAX_SAFE_INTEGER)
  }

  #flag(): string {
    this.#args.space()
    return this.#args.flag()
  }

  #day(): number {
    this.#args.space()
    const day = parseDay(this.#args.text('The date'))
    if (day === undefined) throw bad('That is no date; write 1-Feb-1994.')
    return day
  }

  #sequence(): SearchKey {
    const set = this.#args.set()
    if (set === savedResult) return { kind: 'uid', set: uidsOfSet(this.#session, set) }
    return { kind: 'seq', set: sequenceNumbers(this.#session, set) }
  }

  #uids(): SearchKey {
    this.#args.space()
    return { kind: 'uid', set: uidsOfSet(this.#session, this.#args.set()) }
  }

  /** `MODSEQ 12345`, or of one flag, `MODSEQ "/flags/\\draft" all 12345`: here a message has one for all of them. */
  #modseq(): SearchKey {
    this.#args.space()
    if (this.#args.tryString()) {
      this.#args.space()
      if (!/^(PRIV|SHARED|ALL)$/.test(this.#args.word('Whose flags'))) throw bad('Say priv, shared or all.')
      this.#args.space()
    }
    this.asksModseq = true
    return { kind: 'modseq', modseq: this.#args.number('MODSEQ', Number.MAX_SAFE_INTEGER) }
  }
}
