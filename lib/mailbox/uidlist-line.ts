/** Lines of dovecot-uidlist, versions 1 and 3, one character an octet. */

/** The first line. */
export interface Header {
  readonly version: number
  readonly validity: number
  readonly next: number
  readonly guid: string
  /** Other keys, as they stand. */
  readonly keys: string[]
}

/** Reads the first line; undefined for one that makes no sense. */
export function parseHeader(line: string): Header | undefined {
  const [version, ...fields] = line.split(' ')
  if (version === '1') {
    const [validity, next] = fields.map(Number)
    return validity && next ? { version: 1, validity, next, guid: '', keys: [] } : undefined
  }
  const value = (key: string) => fields.find(field => field.startsWith(key))?.slice(1)
  const validity = Number(value('V'))
  const next = Number(value('N'))
  if (version !== '3' || !(validity > 0) || !(next > 0)) return undefined
  const guid = value('G') ?? ''
  const keys = fields.filter(field => field !== '' && !'VNG'.includes(field[0]!))
  return { version: 3, validity, next, guid: /^[0-9a-f]{32}$/.test(guid) ? guid : '', keys }
}

const slash = 0x2f

/** Keys of a line that may be kept: those that begin with A to Z. Each ends in a space. */
function keysOf(text: string): string {
  if (text === '') return ''
  return text
    .split(' ')
    .filter(key => /^[A-Z]/.test(key))
    .map(key => `${key} `)
    .join('')
}

/**
 * Where the name begins in a line whose UID and first space end at `start`, and the keys before it; undefined for a
 * line that makes no sense.
 */
export function nameIn(
  text: string,
  start: number,
  end: number,
  version: number,
): { start: number; keys: string } | undefined {
  let colon = start
  if (version === 3)
    while (text[colon] !== ':') {
      const space = text.indexOf(' ', colon)
      if (space < 0 || space >= end) return undefined
      colon = space + 1
    }
  const name = version === 3 ? colon + 1 : start
  if (name >= end) return undefined
  for (let i = name; i < end; i++) if (text.charCodeAt(i) === slash) return undefined
  return { start: name, keys: version === 3 ? keysOf(text.slice(start, colon)) : '' }
}
