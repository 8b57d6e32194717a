/** What the bits of masks are called in one mailbox, and the keywords that found no bit. */
import { firstKeywordBit, flagBit, flagNames } from '../message/flags.js'
import { Keywords } from './keywords.js'

/** A set of flags as a mask, and what does not fit in it. */
export interface FlagSet {
  readonly mask: number
  /** Keywords without a letter. */
  readonly extras: readonly string[]
}

/** The flags of one mailbox by name: system flags, keywords with a letter, and the others. */
export class FlagNames {
  readonly #keywords: Keywords
  /** Keywords that have no letter. */
  readonly #extras = new Set<string>()
  /** Names of masks seen so far: the same list object stands for the same flags. */
  readonly #ofMask = new Map<number, readonly string[]>()

  constructor(directory: string) {
    this.#keywords = new Keywords(directory)
  }

  /** Whether dovecot-keywords differs from what was read; costs one stat. */
  changed(): boolean {
    return this.#keywords.changed()
  }

  /** Reads dovecot-keywords when it has changed. */
  read(): void {
    if (this.#keywords.read()) this.#ofMask.clear()
  }

  /** All keywords known here, those without a letter at the end. */
  get keywords(): string[] {
    return [...this.#keywords.names, ...this.#extras]
  }

  /** How many keywords are known: grows when there is a new one. */
  get keywordCount(): number {
    return this.#keywords.names.length + this.#extras.size
  }

  /** The flags of a mask as IMAP names them, and those without a letter. */
  namesOf(mask: number, extras: readonly string[] | undefined): readonly string[] {
    let names = this.#ofMask.get(mask)
    if (!names) {
      names = [...flagNames(mask), ...this.#keywordsIn(mask)]
      this.#ofMask.set(mask, names)
    }
    return extras ? [...names, ...extras] : names
  }

  #keywordsIn(mask: number): string[] {
    const found: string[] = []
    for (let bit = firstKeywordBit; bit < 31; bit++) {
      const name = mask & (1 << bit) ? this.#keywords.nameOf(bit) : undefined
      if (name !== undefined) found.push(name)
    }
    return found
  }

  /** The bit of a keyword in any case; undefined when it has none. */
  bitOf(keyword: string): number | undefined {
    return this.#keywords.bitOf(keyword)
  }

  /** Flags as far as they have bits; nothing gets one. */
  find(flags: readonly string[]): FlagSet {
    const extras = flags.filter(flag => !flag.startsWith('\\') && this.bitOf(flag) === undefined)
    return { mask: this.#maskOf(flags), extras }
  }

  /**
   * Flags; new keywords get letters as long as there are any. To be called under the lock, after read().
   *
   * @param state what tells which letters messages have already
   */
  async give(flags: readonly string[], state: { readonly lettersInUse: number }): Promise<FlagSet> {
    const keywords = flags.filter(flag => !flag.startsWith('\\'))
    let extras: string[] = []
    if (keywords.some(keyword => this.bitOf(keyword) === undefined)) {
      extras = await this.#keywords.add(keywords, state.lettersInUse)
      this.#ofMask.clear()
    }
    this.meet(extras)
    return { mask: this.#maskOf(flags), extras }
  }

  /** Takes notice of keywords without letters that messages have. */
  meet(extras: readonly string[]): void {
    for (const name of extras) this.#extras.add(name)
  }

  #maskOf(flags: readonly string[]): number {
    let mask = 0
    for (const flag of flags) mask |= flagBit(flag) ?? this.bitOf(flag) ?? 0
    return mask
  }
}
