/**
 * The five system flags: their IMAP names (RFC 3501 §2.3.2), their bits, and their letters in a Maildir file name.
 * Keywords take the bits from {@link firstKeywordBit} up, mailbox by mailbox. `\Recent` belongs to a session, not
 * to a message, and has no bit.
 */

/** One bit a system flag, as masks hold them. */
export const Flag = { answered: 1, flagged: 2, deleted: 4, seen: 8, draft: 16 } as const

/** All five bits together. */
export const systemMask = 31

/** The lowest bit that stands for a keyword, counted from 0. */
export const firstKeywordBit = 5

export interface SystemFlag {
  /** As IMAP writes it, such as `\Seen`. */
  readonly name: string
  readonly bit: number
  /** As a Maildir file name writes it, such as `S`. */
  readonly letter: string
}

/** The system flags in the order of their Maildir letters, which is ASCII order. */
export const systemFlags: readonly SystemFlag[] = [
  { name: '\\Draft', bit: Flag.draft, letter: 'D' },
  { name: '\\Flagged', bit: Flag.flagged, letter: 'F' },
  { name: '\\Answered', bit: Flag.answered, letter: 'R' },
  { name: '\\Seen', bit: Flag.seen, letter: 'S' },
  { name: '\\Deleted', bit: Flag.deleted, letter: 'T' },
]

const bitOfName = new Map(systemFlags.map(flag => [flag.name.toLowerCase(), flag.bit]))
const bitOfLetter = new Map(systemFlags.map(flag => [flag.letter, flag.bit]))
const namesOfMask = Array.from({ length: systemMask + 1 }, (_, mask) =>
  systemFlags.filter(flag => mask & flag.bit).map(flag => flag.name),
)
const lettersOfMask = Array.from({ length: systemMask + 1 }, (_, mask) =>
  systemFlags
    .filter(flag => mask & flag.bit)
    .map(flag => flag.letter)
    .join(''),
)

/** The bit of a system flag named in any case, such as `\seen`; undefined for any other name. */
export function flagBit(name: string): number | undefined {
  return bitOfName.get(name.toLowerCase())
}

/** The names of the system flags in a mask; its other bits are passed over. */
export function flagNames(mask: number): readonly string[] {
  return namesOfMask[mask & systemMask] ?? []
}

/** The Maildir letters of the system flags in a mask, in ASCII order. */
export function flagLetters(mask: number): string {
  return lettersOfMask[mask & systemMask] ?? ''
}

/** The mask of the system flags among Maildir letters; letters of another meaning are passed over. */
export function flagsOfLetters(letters: string): number {
  let mask = 0
  for (const letter of letters) mask |= bitOfLetter.get(letter) ?? 0
  return mask
}
