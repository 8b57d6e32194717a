/** What is known of the mailboxes of a Maildir besides their mail, asked without opening one: uses, ids, annotations. */
import { canonicalName } from '../maildir/layout.js'
import { isMissing } from '../sys/error.js'
import { seenOf } from './attribute-names.js'
import { Attributes } from './attributes.js'
import { Folders } from './folders.js'
import { readGuid } from './guid.js'
import { specialUses, useEntry } from './special-use.js'

export class Noted {
  readonly #folders: Folders
  readonly #attributes: Attributes

  /** @param root the Maildir, which need not be there */
  constructor(root: string) {
    this.#folders = new Folders(root, 'mutf7')
    this.#attributes = new Attributes(root)
  }

  /** A mailbox with a use (`\\Junk`, in any case); undefined when none has it (RFC 6154). */
  withUse(use: string): string | undefined {
    return [...this.#uses()].find(([, uses]) => includes(uses, use))?.[0]
  }

  hasUse(mailbox: string, use: string): boolean {
    return includes(this.#uses().get(canonicalName(mailbox)) ?? '', use)
  }

  /** The mailbox with an id (RFC 8474); one that no server has opened yet has none. */
  withId(id: string): string | undefined {
    return [...this.#directories()].find(([, directory]) => readGuid(directory) === id)?.[0]
  }

  /** The value of an annotation (RFC 5464) of a mailbox, or of the server. */
  value(mailbox: string | undefined, entry: string): string | undefined {
    const name = entry.toLowerCase()
    const directories = this.#directories()
    const known = mailbox === undefined ? undefined : canonicalName(mailbox)
    if (known !== undefined && name === useEntry) return this.#uses().get(known)
    const directory = directories.get(known ?? 'INBOX')
    const guid = directory === undefined ? undefined : readGuid(directory)
    if (guid === undefined) return undefined
    return seenOf(this.#attributes.of(guid), known).get(name)?.toString()
  }

  #uses(): ReadonlyMap<string, string> {
    return specialUses(this.#directories(), this.#attributes)
  }

  /** The directories of all mailboxes, by name. */
  #directories(): ReadonlyMap<string, string> {
    const { root } = this.#folders
    try {
      return new Map(
        [...this.#folders.list()].map(([name, entry]) => [name, entry ? `${root}/${entry}` : root]),
      )
    } catch (error) {
      if (isMissing(error)) return new Map()
      throw error
    }
  }
}

function includes(uses: string, use: string): boolean {
  return uses.toLowerCase().split(' ').includes(use.toLowerCase())
}
