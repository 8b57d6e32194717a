/**
 * `dovecot-attributes`, in the root of a Maildir: what clients note of mailboxes (RFC 5464), as Dovecot keeps it with
 * `mail_attribute_dict = file:~/Maildir/dovecot-attributes`.
 *
 *     priv/0123456789abcdef0123456789abcdef/comment
 *     The value
 *
 * Two lines an entry, name and value, both tab-escaped: `priv` or `shared`, the GUID of the mailbox, the name in lower
 * case. What belongs to no mailbox stands below `vendor/vendor.dovecot/pvt/server/` of INBOX. A name that is kept by a
 * GUID needs no care when a mailbox is renamed. Lines of other forms are kept as they are.
 */
import { readFileSync, renameSync, rmSync, statSync } from 'node:fs'
import { uniqueName } from '../maildir/name.js'
import { syncDirectory, writeSynced } from '../sys/atomic.js'
import { withDotlock } from '../sys/dotlock.js'
import { isMissing } from '../sys/error.js'
import { escapeTabs, unescapeTabs } from './tab-escape.js'

/** Names and values; `/private/comment` in lower case, and octets. */
export type Entries = ReadonlyMap<string, Buffer>

/** A lock that has not changed for so long was left behind (Dovecot's figure), in milliseconds. */
const stale = 60_000
const scopes: Readonly<Record<string, string>> = { priv: '/private', shared: '/shared' }

/** All attributes of one user's mailboxes. */
export class Attributes {
  readonly path: string
  readonly #root: string
  /** The file as it was read last, by GUID. */
  #known = new Map<string, Map<string, Buffer>>()
  #stamp = ''

  /** @param root the Maildir */
  constructor(root: string) {
    this.#root = root
    this.path = `${root}/dovecot-attributes`
  }

  /** What is noted of mailboxes, by GUID. Costs a stat when nothing changed. */
  all(): ReadonlyMap<string, Entries> {
    const found = statSync(this.path, { throwIfNoEntry: false })
    const stamp = found ? `${found.ino} ${found.size} ${found.mtimeMs}` : 'none'
    if (stamp !== this.#stamp) {
      this.#known = byMailbox(parse(found ? readOctets(this.path) : ''))
      this.#stamp = stamp
    }
    return this.#known
  }

  of(guid: string): Entries {
    return this.all().get(guid) ?? new Map()
  }

  /**
   * Changes what is noted of a mailbox; undefined removes an entry.
   *
   * @throws TemporaryError when another program holds the lock
   */
  async change(guid: string, changes: ReadonlyMap<string, Buffer | undefined>): Promise<void> {
    await this.#replace(pairs => {
      for (const [name, value] of changes) {
        const key = keyOf(guid, name)
        if (value === undefined) pairs.delete(key)
        else pairs.set(key, value.toString('latin1'))
      }
    })
  }

  /** Forgets a mailbox. */
  async forget(guid: string): Promise<void> {
    if (!this.all().has(guid)) return
    await this.#replace(pairs => {
      for (const key of [...pairs.keys()]) if (key.split('/')[1] === guid) pairs.delete(key)
    })
  }

  async #replace(change: (pairs: Map<string, string>) => void): Promise<void> {
    await withDotlock(`${this.path}.lock`, () => this.#rewrite(change), { stale })
  }

  async #rewrite(change: (pairs: Map<string, string>) => void): Promise<void> {
    const old = readOctets(this.path)
    const pairs = parse(old)
    change(pairs)
    const next = format(pairs)
    if (next === old) return
    const temporary = `${this.#root}/tmp/${uniqueName()}`
    try {
      await writeSynced(temporary, Buffer.from(next, 'latin1'))
      renameSync(temporary, this.path)
    } catch (error) {
      rmSync(temporary, { force: true })
      throw error
    }
    await syncDirectory(this.#root)
    this.#stamp = ''
  }
}

function keyOf(guid: string, name: string): string {
  const scope = name.startsWith('/private/') ? 'priv' : 'shared'
  return `${scope}/${guid}/${name.slice(name.indexOf('/', 1) + 1)}`
}

/** One character an octet; empty when there is no file. */
function readOctets(path: string): string {
  try {
    return readFileSync(path, 'latin1')
  } catch (error) {
    if (isMissing(error)) return ''
    throw error
  }
}

/** Keys and values as the dictionary has them. */
function parse(text: string): Map<string, string> {
  const lines = text.split('\n')
  const pairs = new Map<string, string>()
  for (let at = 0; at + 1 < lines.length; at += 2)
    pairs.set(unescapeTabs(lines[at] as string), unescapeTabs(lines[at + 1] as string))
  return pairs
}

function format(pairs: ReadonlyMap<string, string>): string {
  return [...pairs].map(([key, value]) => `${escapeTabs(key)}\n${escapeTabs(value)}\n`).join('')
}

function byMailbox(pairs: ReadonlyMap<string, string>): Map<string, Map<string, Buffer>> {
  const mailboxes = new Map<string, Map<string, Buffer>>()
  for (const [key, value] of pairs) {
    const [, scope = '', guid = '', name] = /^([a-z]+)\/([0-9a-f]{32})\/(.+)$/s.exec(key) ?? []
    if (name === undefined || !Object.hasOwn(scopes, scope)) continue
    const entries = mailboxes.get(guid) ?? new Map<string, Buffer>()
    entries.set(`${scopes[scope]}/${name}`, Buffer.from(value, 'latin1'))
    mailboxes.set(guid, entries)
  }
  return mailboxes
}
