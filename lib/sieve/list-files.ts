/**
 * Lists of extlists as files of one folder: `:addrbook:default` is the file `default`. A line is a value; empty lines and those that begin with # are none. Values are compared without case.
 */
import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { isMissing } from '../sys/error.js'

/** The only names that there are: RFC 6134 §2.4's URN, each part a plain word. */
const pattern = /^urn:ietf:params:sieve:addrbook:([\w-][\w.-]{0,99})$/i

export class ListFiles {
  readonly #directory: string
  readonly #lists = new Map<string, { readonly stamp: string; readonly values: ReadonlySet<string> }>()

  constructor(directory: string) {
    this.#directory = directory
  }

  has(name: string): boolean {
    return this.#read(name) !== undefined
  }

  holds(name: string, value: string): boolean {
    return this.#read(name)?.has(value.toLowerCase()) ?? false
  }

  members(name: string): readonly string[] {
    return [...(this.#read(name) ?? [])]
  }

  #read(name: string): ReadonlySet<string> | undefined {
    const file = pattern.exec(name)?.[1]
    if (file === undefined) return undefined
    const path = join(this.#directory, file)
    try {
      const { mtimeMs, size, ino } = statSync(path)
      const stamp = `${ino} ${size} ${mtimeMs}`
      const known = this.#lists.get(path)
      if (known?.stamp === stamp) return known.values
      const values = new Set(
        readFileSync(path, 'utf8')
          .split(/\r?\n/)
          .map(line => line.trim().toLowerCase())
          .filter(line => line !== '' && !line.startsWith('#')),
      )
      this.#lists.set(path, { stamp, values })
      return values
    } catch (error) {
      if (isMissing(error)) return undefined
      throw error
    }
  }
}
