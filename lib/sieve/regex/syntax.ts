/** POSIX extended regular expressions (IEEE 1003.1 §9.4) with the classes and the `\w \b \<` forms that glibc adds. */

/** A set of characters as ranges of code points. */
export interface CharacterSet {
  readonly ranges: readonly (readonly [first: number, last: number])[]
  readonly negated: boolean
}

export type Assertion = 'start' | 'end' | 'word-edge' | 'no-word-edge' | 'word-start' | 'word-end'

export type Expression =
  | { readonly kind: 'empty' }
  | { readonly kind: 'set'; readonly set: CharacterSet }
  | { readonly kind: 'assertion'; readonly assertion: Assertion }
  | { readonly kind: 'sequence' | 'choice'; readonly parts: readonly Expression[] }
  | { readonly kind: 'group'; readonly index: number; readonly inner: Expression }
  | { readonly kind: 'repeat'; readonly inner: Expression; readonly least: number; readonly most: number }

/** Why a pattern is none; `offset` counts characters from 0. */
export class RegexError extends Error {
  override readonly name = 'RegexError'
  readonly offset: number

  constructor(message: string, offset: number) {
    super(message)
    this.offset = offset
  }
}

/** The most a repetition may count to; POSIX wants 255 at least. */
const mostRepeats = 1000
const deepest = 100

/** @returns the expression and how many groups it has @throws RegexError */
export function parseRegex(pattern: string): { expression: Expression; groups: number } {
  const reader = new Reader([...pattern])
  const expression = reader.choice(0)
  if (!reader.atEnd) throw reader.error('there is a ) without its (')
  return { expression, groups: reader.groups }
}

const any: CharacterSet = { ranges: [], negated: true }

class Reader {
  readonly #characters: readonly string[]
  #at = 0
  groups = 0

  constructor(characters: readonly string[]) {
    this.#characters = characters
  }

  get atEnd(): boolean {
    return this.#at >= this.#characters.length
  }

  error(message: string): RegexError {
    return new RegexError(message, this.#at)
  }

  get #next(): string {
    return this.#characters[this.#at] ?? ''
  }

  #take(): string {
    return this.#characters[this.#at++] ?? ''
  }

  #takeIf(character: string): boolean {
    const there = !this.atEnd && this.#next === character
    if (there) this.#at++
    return there
  }

  choice(depth: number): Expression {
    if (depth > deepest) throw this.error('groups stand too deep in each other')
    const parts = [this.#sequence(depth)]
    while (this.#takeIf('|')) parts.push(this.#sequence(depth))
    return parts.length === 1 ? (parts[0] as Expression) : { kind: 'choice', parts }
  }

  #sequence(depth: number): Expression {
    const parts: Expression[] = []
    while (!this.atEnd && this.#next !== '|' && this.#next !== ')') {
      // As glibc does, a repetition of nothing is passed over.
      if ('*+?'.includes(this.#next)) this.#at++
      else parts.push(this.#repeated(this.#atom(depth)))
    }
    if (parts.length === 0) return { kind: 'empty' }
    return parts.length === 1 ? (parts[0] as Expression) : { kind: 'sequence', parts }
  }

  #repeated(atom: Expression): Expression {
    let inner = atom
    for (let signs = 0; ; signs++) {
      if (signs > deepest) throw this.error('too many repetitions of repetitions')
      if (this.#takeIf('*')) inner = { kind: 'repeat', inner, least: 0, most: Number.POSITIVE_INFINITY }
      else if (this.#takeIf('+')) inner = { kind: 'repeat', inner, least: 1, most: Number.POSITIVE_INFINITY }
      else if (this.#takeIf('?')) inner = { kind: 'repeat', inner, least: 0, most: 1 }
      else if (this.#takeIf('{')) inner = { kind: 'repeat', inner, ...this.#bounds() }
      else return inner
    }
  }

  #bounds(): { least: number; most: number } {
    const first = this.#digits()
    const comma = this.#takeIf(',')
    const second = comma ? this.#digits() : first
    if (!this.#takeIf('}') || (first === '' && second === ''))
      throw this.error('{ does not begin a repetition')
    const least = Number(first || 0)
    const most = second === '' ? Number.POSITIVE_INFINITY : Number(second)
    if (least > most) throw this.error('a repetition counts from more to less')
    if (least > mostRepeats || (Number.isFinite(most) && most > mostRepeats))
      throw this.error(`a repetition counts to more than ${mostRepeats}`)
    return { least, most }
  }

  #digits(): string {
    let digits = ''
    while (/^[0-9]$/.test(this.#next)) digits += this.#take()
    return digits
  }

  #atom(depth: number): Expression {
    const character = this.#take()
    switch (character) {
      case '(':
        return this.#group(depth)
      case '.':
        return { kind: 'set', set: any }
      case '^':
        return { kind: 'assertion', assertion: 'start' }
      case '$':
        return { kind: 'assertion', assertion: 'end' }
      case '[':
        return { kind: 'set', set: this.#bracket() }
      case '{':
        throw this.error('{ repeats nothing; write \\{ for the character')
      case '\\':
        return this.#escape()
      default:
        return single(character)
    }
  }

  #group(depth: number): Expression {
    const index = ++this.groups
    const inner = this.choice(depth + 1)
    if (!this.#takeIf(')')) throw this.error('there is a ( without its )')
    return { kind: 'group', index, inner }
  }

  #escape(): Expression {
    if (this.atEnd) throw this.error('the pattern ends in a backslash')
    const character = this.#take()
    const assertion = assertions[character]
    if (assertion) return { kind: 'assertion', assertion }
    if ('wWsS'.includes(character)) {
      const ranges = character.toLowerCase() === 'w' ? word : (classes['space'] ?? [])
      return { kind: 'set', set: { ranges, negated: character === 'W' || character === 'S' } }
    }
    if (/[1-9]/.test(character)) throw this.error('back-references are no part of extended expressions')
    return single(character)
  }

  /** IEEE 1003.1 §9.3.5; a backslash has no meaning in brackets. */
  #bracket(): CharacterSet {
    const negated = this.#takeIf('^')
    const ranges: (readonly [number, number])[] = []
    for (let first = true; first || this.#next !== ']'; first = false) {
      if (this.atEnd) throw this.error('there is a [ without its ]')
      ranges.push(...this.#member())
    }
    this.#at++
    return { ranges, negated }
  }

  #member(): readonly (readonly [number, number])[] {
    const special = this.#next === '[' ? (this.#characters[this.#at + 1] ?? '') : ''
    if (special === ':') {
      const name = this.#named(':')
      const found = Object.hasOwn(classes, name) ? classes[name] : undefined
      if (!found) throw this.error(`[:${name}:] is no class of characters`)
      return found
    }
    if (special === '=') return range(this.#one(this.#named('=')))
    const first = this.#end()
    if (this.#next !== '-' || (this.#characters[this.#at + 1] ?? ']') === ']') return range(first)
    this.#at++
    const last = this.#end()
    if (first > last) throw this.error('a range in brackets goes from more to less')
    return range(first, last)
  }

  /** One end of a range, as a code point. */
  #end(): number {
    const collating = this.#next === '[' && this.#characters[this.#at + 1] === '.'
    return collating ? this.#one(this.#named('.')) : (this.#take().codePointAt(0) ?? 0)
  }

  /** Reads `[:name:]`, `[=x=]` or `[.x.]`. */
  #named(mark: string): string {
    this.#at += 2
    let name = ''
    while (!(this.#next === mark && this.#characters[this.#at + 1] === ']')) {
      if (this.atEnd) throw this.error(`[${mark} has no end`)
      name += this.#take()
    }
    this.#at += 2
    return name
  }

  #one(name: string): number {
    if ([...name].length !== 1) throw this.error(`${JSON.stringify(name)} is no single character`)
    return name.codePointAt(0) ?? 0
  }
}

function range(first: number, last = first): readonly [readonly [number, number]] {
  return [[first, last]]
}

function single(character: string): Expression {
  return { kind: 'set', set: { ranges: range(character.codePointAt(0) ?? 0), negated: false } }
}

const assertions: Readonly<Record<string, Assertion | undefined>> = {
  b: 'word-edge',
  B: 'no-word-edge',
  '<': 'word-start',
  '>': 'word-end',
  '`': 'start',
  "'": 'end',
}

function ranges(text: string): readonly (readonly [number, number])[] {
  return [...text.matchAll(/([\s\S])-([\s\S])/g)].map(([, first = '', last = '']) => [
    first.charCodeAt(0),
    last.charCodeAt(0),
  ])
}

const word = ranges('0-9A-Z_-_a-z')
/** The classes of the POSIX locale: ASCII. */
const classes: Readonly<Record<string, readonly (readonly [number, number])[]>> = {
  alpha: ranges('A-Za-z'),
  digit: ranges('0-9'),
  alnum: ranges('0-9A-Za-z'),
  upper: ranges('A-Z'),
  lower: ranges('a-z'),
  space: ranges('\t-\r - '),
  blank: ranges('\t-\t - '),
  punct: ranges('!-/:-@[-`{-~'),
  print: ranges(' -~'),
  graph: ranges('!-~'),
  cntrl: ranges('\0-\x1f\x7f-\x7f'),
  xdigit: ranges('0-9A-Fa-f'),
}
