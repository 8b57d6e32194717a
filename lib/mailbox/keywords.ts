/**
 * dovecot-keywords: which keyword each flag letter of a mailbox stands for.
 *
 *     <0 to 25> <keyword>
 *
 * Index 0 is the letter a. Written only under dovecot-uidlist.lock: in tmp/, synced, renamed. Its
 * modification time grows by a second at least with every write, since Dovecot reads it anew only when the time in
 * seconds differs. Names are compared without case. A letter keeps its name as long as the file has it.
 */
import { readFileSync, renameSync, rmSync, statSync, utimesSync } from 'node:fs'
import { dirname } from 'node:path'
import { firstKeywordBit } from '../message/flags.js'
import { writeSynced } from '../sys/atomic.js'
import { isMissing } from '../sys/error.js'

/** Letters a name can use. */
const letterCount = 26

/** One mailbox's dovecot-keywords as last read or written. */
export class Keywords {
  readonly #path: string
  #names: (string | undefined)[] = []
  #bits = new Map<string, number>()
  #stamp = ''

  constructor(directory: string) {
    this.#path = `${directory}/dovecot-keywords`
  }

  /** The names that have letters, in the order of the letters. */
  get names(): string[] {
    return this.#names.filter(name => name !== undefined)
  }

  /** The name of a bit of a mask; undefined for a letter that the file does not name. */
  nameOf(bit: number): string | undefined {
    return this.#names[bit - firstKeywordBit]
  }

  /** The bit of a mask, 1 << 5 and up, that stands for a keyword in any case. */
  bitOf(name: string): number | undefined {
    return this.#bits.get(name.toLowerCase())
  }

  /** Whether the file differs from what was read; costs one stat. */
  changed(): boolean {
    return this.#stampNow() !== this.#stamp
  }

  #stampNow(): string {
    const now = statSync(this.#path, { throwIfNoEntry: false })
    return now ? `${now.ino} ${now.size} ${now.mtimeMs}` : ''
  }

  /** Reads the file when it has changed. @returns whether it had */
  read(): boolean {
    const stamp = this.#stampNow()
    if (stamp === this.#stamp) return false
    this.#set(parse(this.#text()))
    this.#stamp = stamp
    return true
  }

  #text(): string {
    try {
      return readFileSync(this.#path, 'utf8')
    } catch (error) {
      if (isMissing(error)) return ''
      throw error
    }
  }

  #set(names: (string | undefined)[]): void {
    this.#names = names
    this.#bits = new Map()
    for (const [index, name] of names.entries())
      if (name !== undefined) this.#bits.set(name.toLowerCase(), 1 << (firstKeywordBit + index))
  }

  /**
   * Gives letters to names that have none. To be called under the lock, after read().
   *
   * @param inUse bits of letters that messages have: one without a name came with a file from elsewhere, and
   * messages that have it must not get the keyword
   * @returns the names for which no letter was left
   */
  async add(names: readonly string[], inUse = 0): Promise<string[]> {
    const all = Array.from({ length: letterCount }, (_, index) => this.#names[index])
    const left: string[] = []
    for (const name of names) {
      if (all.some(other => other?.toLowerCase() === name.toLowerCase())) continue
      const free = all.findIndex((other, i) => other === undefined && !(inUse & (1 << (firstKeywordBit + i))))
      if (free < 0) left.push(name)
      else all[free] = name
    }
    if (all.some((name, index) => name !== this.#names[index])) await this.#write(all)
    return left
  }

  async #write(names: (string | undefined)[]): Promise<void> {
    const text = names.map((name, index) => (name === undefined ? '' : `${index} ${name}\n`)).join('')
    const temporary = `${dirname(this.#path)}/tmp/dovecot-keywords`
    const before = statSync(this.#path, { throwIfNoEntry: false })?.mtimeMs ?? 0
    // Left by a process that died: the lock on the list says that nobody else writes it now.
    rmSync(temporary, { force: true })
    await writeSynced(temporary, text)
    const seconds = Math.max(Math.floor(Date.now() / 1000), Math.floor(before / 1000) + 1)
    utimesSync(temporary, seconds, seconds)
    renameSync(temporary, this.#path)
    this.#set(names)
    this.#stamp = this.#stampNow()
  }
}

/** Lines that make no sense are passed over, as Dovecot does. */
function parse(text: string): (string | undefined)[] {
  const names: (string | undefined)[] = []
  for (const line of text.split('\n')) {
    const [, digits, name] = /^(\d{1,2}) (\S+)$/.exec(line) ?? []
    const index = Number(digits)
    if (name === undefined || index >= letterCount || names[index] !== undefined) continue
    names[index] = name
  }
  return names
}
