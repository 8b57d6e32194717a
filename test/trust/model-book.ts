/**
 * The model: what each copy of each message may look like. An actor writes down what it is about to do and when it
 * began, then when it was answered; what was answered must hold. Where two did things at the same time either may have
 * come last. A survey, made when all are quiet, is held against that, and what it found is where the next round begins.
 */
import { type Copy, isPassing, never, type Span } from './model-copy.js'

/** An EXPUNGE: whatever was \Deleted at that time may be gone; what nobody else touched must be. */
export interface Purge {
  readonly folder: string
  readonly span: Span
  /** Undefined when all of the folder was meant. */
  readonly uids: ReadonlySet<number> | undefined
  /** What the same session had marked before. */
  readonly sure: readonly Copy[]
  isDone: boolean
}

/** A copy as a survey found it. */
export interface Found {
  readonly folder: string
  readonly uid: number
  readonly id: string
  readonly flags: readonly string[]
  readonly unique: string | undefined
}

export class Book {
  readonly copies = new Set<Copy>()
  readonly faults: string[] = []
  /** Passing folders that were made, renamed or deleted in this round: of what is there nothing is sure. */
  readonly shaken = new Set<string>()
  /** Folders in which a program that knows no lock renamed files in this round. */
  readonly disturbed = new Set<string>()
  /** What only Dovecot does, and how often it did. */
  readonly excused = new Map<string, number>()
  /** When the round began. */
  since = 0
  #purges: Purge[] = []

  /** @returns the moment before something is asked for */
  begin(): Span {
    return { start: performance.now(), end: never }
  }

  excuse(what: string): void {
    this.excused.set(what, (this.excused.get(what) ?? 0) + 1)
  }

  end(span: Span): void {
    span.end = performance.now()
  }

  in(folder: string): Copy[] {
    return [...this.copies].filter(copy => copy.folder === folder)
  }

  at(folder: string, uid: number): Copy | undefined {
    for (const copy of this.copies) if (copy.folder === folder && copy.uids.has(uid)) return copy
    return undefined
  }

  /** A copy was told to have a UID by who brought it. */
  name(copy: Copy, uid: number): void {
    const holder = this.at(copy.folder, uid)
    if (holder && holder !== copy) {
      if (holder.id !== copy.id)
        this.faults.push(`${copy.folder} ${uid}: told to be ${copy.id} and known as ${holder.id}`)
      // A session met it before, and took it for another copy of the same message.
      holder.uids.delete(uid)
      for (const each of [holder, copy]) each.isMistakable = true
    }
    copy.uids.add(uid)
  }

  /** A session met a message. @returns the copy that it is */
  meet(folder: string, uid: number, id: string): Copy | undefined {
    const known = this.at(folder, uid)
    if (known && (known.id === id || !isPassing(folder))) return known
    // A folder of the same name was deleted.
    known?.uids.delete(uid)
    const same = this.in(folder).filter(copy => copy.id === id)
    const nameless = same.filter(each => each.uids.size === 0)
    if (nameless.length > 1) for (const each of nameless) each.isMistakable = true
    const copy = nameless.find(each => each.gone !== 'yes') ?? same[0]
    if (!copy && !isPassing(folder)) this.faults.push(`${folder} ${uid}: nobody put ${id} there`)
    copy?.uids.add(uid)
    return copy
  }

  /** The copies that a file may be. */
  files(folder: string, unique: string, id: string): Copy[] {
    const same = this.in(folder).filter(copy => copy.id === id)
    const exact = same.find(copy => copy.unique === unique)
    return exact ? [exact] : same.filter(copy => copy.unique === undefined)
  }

  purge(folder: string, uids?: readonly number[], sure: readonly Copy[] = []): Purge {
    const purge = { folder, span: this.begin(), uids: uids && new Set(uids), sure, isDone: false }
    this.#purges.push(purge)
    return purge
  }

  /** Whether a copy may or must be gone. */
  fate(copy: Copy): 'no' | 'maybe' | 'yes' {
    if (this.shaken.has(copy.folder)) return 'maybe'
    let { gone } = copy
    for (const { folder, uids, span, isDone, sure } of this.#purges) {
      if (folder !== copy.folder || (uids && ![...copy.uids].some(uid => uids.has(uid)))) continue
      const values = copy.possible('\\Deleted', span)
      if (!values.has(true)) continue
      if (isDone && values.size === 1 && sure.includes(copy)) gone = 'yes'
      else if (gone === 'no') gone = 'maybe'
    }
    return gone === 'yes' && (copy.uids.size > 1 || copy.isMistakable) ? 'maybe' : gone
  }

  /** Holds what was found against what may be. @returns what should not be */
  compare(found: readonly Found[], excuses: (folder: string) => boolean): string[] {
    const faults: string[] = []
    const left = new Map<string, Copy[]>()
    const keyOf = ({ folder, id }: { folder: string; id: string }) => `${folder} ${id}`
    for (const copy of this.copies) left.set(keyOf(copy), [...(left.get(keyOf(copy)) ?? []), copy])
    for (const one of [...found].sort((a, b) => this.#rank(b) - this.#rank(a))) {
      const copies = left.get(keyOf(one)) ?? []
      const copy =
        copies.find(each => each.uids.has(one.uid)) ??
        copies.find(each => each.unique !== undefined && each.unique === one.unique) ??
        copies.find(each => each.uids.size === 0 && this.fate(each) !== 'yes') ??
        copies.find(each => this.fate(each) !== 'yes')
      if (copy) copies.splice(copies.indexOf(copy), 1)
      faults.push(...this.#judge(one, copy, excuses))
    }
    for (const copy of [...left.values()].flat())
      if (copy.came && this.fate(copy) === 'no' && !this.#isElsewhere(copy, found))
        faults.push(`${copy.folder} ${[...copy.uids]}: ${copy.id} is lost (${copy.unique})`)
    return faults
  }

  /** Of copies that may be taken for each other, only the number counts. */
  #isElsewhere({ folder, id, isMistakable }: Copy, found: readonly Found[]): boolean {
    const must = this.in(folder).filter(copy => copy.id === id && copy.came && this.fate(copy) === 'no')
    const there = found.filter(one => one.folder === folder && one.id === id)
    return isMistakable && there.length >= must.length
  }

  /** What is known by its UID or its file is matched first. */
  #rank({ folder, uid, id, unique }: Found): number {
    if (this.at(folder, uid)?.id === id) return 2
    return this.in(folder).some(copy => copy.id === id && copy.unique === unique) ? 1 : 0
  }

  #judge(one: Found, copy: Copy | undefined, excuses: (folder: string) => boolean): string[] {
    const at = `${one.folder} ${one.uid}: ${one.id}`
    if (this.shaken.has(one.folder)) return []
    if (!copy) return [`${at} is there again, or twice (${one.unique})`]
    if (this.fate(copy) === 'yes') return [`${at} was removed and is there (${one.unique})`]
    if (copy.isMistakable) return []
    const isRenumbered = copy.uids.size > 0 && !(copy.uids.size === 1 && copy.uids.has(one.uid))
    if (isRenumbered) {
      return excuses(one.folder) ? [] : [`${at} had UID ${[...copy.uids]} (${one.unique})`]
    }
    const wrong = copy.wrongFlags(one.flags)
    return wrong.length === 0 ? [] : [`${at} has flags (${one.flags.join(' ')}); ${wrong.join('; ')}`]
  }

  /** What was found is where the next round begins. */
  adopt(found: readonly Found[], make: (one: Found) => Copy): void {
    for (const one of found) {
      const copy = this.at(one.folder, one.uid)
      if (copy && copy.uids.size > 1 && !copy.isMistakable) this.excuse('given another UID')
      if (copy?.isTheirs(one.flags)) this.excuse('went by flags of before')
    }
    this.since = performance.now()
    this.copies.clear()
    this.#purges = []
    this.shaken.clear()
    this.disturbed.clear()
    for (const one of found) this.copies.add(make(one))
  }
}
