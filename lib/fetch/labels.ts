/** Gmail's labels: folders that show one store of messages, each of which stands in several of them. */
import { encodeMutf7 } from '../message/mutf7.js'
import type { Pairing } from './names.js'

/** How labels come here: as folders whose files are hard links, or as keywords of messages that are in one folder. */
export type Labels = 'links' | 'keywords'
/** What comes here of the folder of all mail: all of it, what no other folder has, or nothing. */
export type AllMail = 'whole' | 'rest' | 'skip'

/** Gmail's folders that are no views of others, by what they are for (RFC 6154). */
const stores = ['\\All', '\\Drafts', '\\Junk', '\\Sent', '\\Trash']

/**
 * The folders that are fetched of an account with labels. Where labels are keywords, folders that only show a label
 * are left out. That of all mail is the last: what is here by then is linked there, or left out.
 */
export function arrangeLabels(pairings: readonly Pairing[], labels: Labels, allMail: AllMail): Pairing[] {
  const isAll = ({ remote }: Pairing) => remote.specialUse === '\\All'
  const isStore = ({ remote, local }: Pairing) =>
    local === 'INBOX' || remote.path.toUpperCase() === 'INBOX' || stores.includes(remote.specialUse ?? '')
  const wanted = labels === 'keywords' ? pairings.filter(isStore) : pairings
  const others = wanted.filter(pairing => !isAll(pairing))
  return allMail === 'skip' ? others : [...others, ...wanted.filter(isAll)]
}

/**
 * The keyword of a label (RFC 3501 §9: an atom), in modified UTF-7 beyond ASCII.
 *
 * @returns undefined for Gmail's own labels that folders or flags stand for
 */
export function keywordOf(label: string): string | undefined {
  if (label === '\\Important') return '$Important'
  if (label === '' || label.startsWith('\\')) return undefined
  return encodeMutf7(label).replace(/[^!#$&'+,\-./0-9:;<=>?@A-Z[^_`a-z|}~]/g, '_')
}
