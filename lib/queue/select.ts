/** Which entries a command means: by identifier, sender, recipient, age or state; pure. */
import type { Entry } from './entry.js'

export interface Selector {
  /** Identifiers; none given selects by the rest alone. */
  readonly ids: readonly string[]
  /** Patterns with `*` and `?`, compared without case; an entry fits when one of them does. */
  readonly senders: readonly string[]
  readonly recipients: readonly string[]
  /** Arrived before, arrived after; milliseconds since 1970. */
  readonly before?: number
  readonly after?: number
  readonly held?: boolean
}

/** Whether an entry fits everything that a selector asks; an empty selector fits all. */
export function isSelected({ id, envelope }: Entry, selector: Selector): boolean {
  const { ids, senders, recipients, before, after, held } = selector
  return (
    (ids.length === 0 || ids.includes(id)) &&
    (senders.length === 0 || senders.some(pattern => matches(pattern, envelope.sender))) &&
    (recipients.length === 0 ||
      envelope.recipients.some(
        ({ address, state }) => state === 'waiting' && recipients.some(pattern => matches(pattern, address)),
      )) &&
    (before === undefined || envelope.arrived <= before) &&
    (after === undefined || envelope.arrived >= after) &&
    (held === undefined || (envelope.held !== undefined) === held)
  )
}

/** Whether a selector asks for nothing in particular. */
export function selectsAll({ ids, senders, recipients, before, after, held }: Selector): boolean {
  return (
    ids.length + senders.length + recipients.length === 0 &&
    before === undefined &&
    after === undefined &&
    held === undefined
  )
}

/**
 * Whether an address fits a pattern: `*` is any text, `?` one character, `<>` or the empty pattern the null
 * reverse-path; a pattern without `@` is a domain, with a dot before it every domain below.
 */
export function matches(pattern: string, address: string): boolean {
  if (pattern === '' || pattern === '<>') return address === ''
  const text = pattern.includes('@') || pattern === '*' ? pattern : `*@${pattern.replace(/^\./, '*.')}`
  const source = text
    .replace(/[\\^$.|+()[\]{}]/g, '\\$&')
    .replace(/\*/g, '.*')
    .replace(/\?/g, '.')
  return new RegExp(`^${source}$`, 'is').test(address)
}
