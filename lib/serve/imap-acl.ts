/** The entries of a mailbox in dovecot-acl as clients read and write them (RFC 4314). */
import type { ImapAcl, StoreChange } from '../imap/backend.js'
import { no } from '../imap/reply.js'
import { type AclEntry, allRights, changeAcl, inOrder, readAcl } from '../mailbox/acl.js'
import type { Neighbours, Place } from './imap-sharing.js'

/** The right that it takes to change a flag (§4). */
export function rightFor(flag: string): string {
  const name = flag.toLowerCase()
  return name === '\\seen' ? 's' : name === '\\deleted' ? 't' : 'w'
}

/** Tells which flags may be set with these rights. */
export function flagsAllowed(rights: string): (flag: string) => boolean {
  return flag => rights.includes(rightFor(flag))
}

export class SharedAcl implements ImapAcl {
  readonly #find: (name: string) => Promise<Place>
  readonly #users: Neighbours

  /** @param find finds a mailbox that may be looked up */
  constructor(find: (name: string) => Promise<Place>, users: Neighbours) {
    this.#find = find
    this.#users = users
  }

  async mine(mailbox: string): Promise<string> {
    const { rights } = await this.#find(mailbox)
    if (!/[lriksxa]/.test(rights)) throw no('NONEXISTENT', `${mailbox} does not exist`)
    return rights
  }

  /** That the owner has all rights is said where no entry says otherwise. */
  async entries(mailbox: string): Promise<[string, string][]> {
    const { directory, place } = await this.#administered(mailbox)
    const entries = readAcl(directory) ?? []
    const told = entries.map(({ identifier, negative, rights }): [string, string] => [
      `${negative ? '-' : ''}${clientName(identifier)}`,
      rights,
    ])
    return entries.some(({ identifier }) => identifier === 'owner')
      ? told
      : [[place.owner.name, allRights], ...told]
  }

  async change(
    mailbox: string,
    identifier: string,
    mode: StoreChange['mode'],
    rights: string,
  ): Promise<void> {
    const { directory } = await this.#administered(mailbox)
    const { name, negative } = this.#fileName(identifier)
    await changeAcl(directory, entries => {
      const old = entries.find(each => isOf(each, name, negative))?.rights ?? ''
      const kept = [...old].filter(right => !rights.includes(right)).join('')
      const now = inOrder(mode === 'replace' ? rights : mode === 'add' ? old + rights : kept)
      const rest = entries.filter(each => !isOf(each, name, negative))
      return now === '' && !negative && mode === 'remove'
        ? rest
        : [...rest, { identifier: name, negative, rights: now }]
    })
  }

  async remove(mailbox: string, identifier: string): Promise<void> {
    const { directory } = await this.#administered(mailbox)
    const { name, negative } = this.#fileName(identifier)
    await changeAcl(directory, entries => entries.filter(each => !isOf(each, name, negative)))
  }

  async grantable(mailbox: string, identifier: string): Promise<{ always: string; other: string }> {
    await this.#administered(mailbox)
    this.#fileName(identifier)
    return { always: '', other: allRights }
  }

  async #administered(mailbox: string): Promise<{ directory: string; place: Place }> {
    const place = await this.#find(mailbox)
    if (!place.rights.includes('a'))
      throw place.rights === ''
        ? no('NONEXISTENT', `${mailbox} does not exist`)
        : no('NOPERM', 'Only who administers a mailbox says who may use it.')
    return { directory: place.account.directories().get(place.name) as string, place }
  }

  /** @throws ImapError NO for somebody who is not there */
  #fileName(identifier: string): { name: string; negative: boolean } {
    const negative = identifier.startsWith('-')
    const plain = negative ? identifier.slice(1) : identifier
    if (plain === 'anyone' || plain === 'owner' || plain === 'authenticated') return { name: plain, negative }
    if (plain.startsWith('$')) throw no('CANNOT', 'There are no groups here.')
    if (!this.#users.find(plain)) throw no('NONEXISTENT', `There is no user ${plain}.`)
    return { name: `user=${plain}`, negative }
  }
}

function isOf(entry: AclEntry, identifier: string, negative: boolean): boolean {
  return entry.identifier === identifier && entry.negative === negative
}

function clientName(identifier: string): string {
  if (identifier.startsWith('user=')) return identifier.slice(5)
  if (identifier.startsWith('group=')) return `$${identifier.slice(6)}`
  return identifier.startsWith('group-override=') ? `!$${identifier.slice(15)}` : identifier
}
