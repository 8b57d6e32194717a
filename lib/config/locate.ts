/**
 * In which line of a TOML text each key and each element of an array stands. The parser gives places only for errors
 * of syntax; this reads the text a second time, for the names alone. The text must have been parsed before: what is
 * no TOML is not noticed here.
 */

/** A key's way from the top: names of tables and keys, and positions in arrays. */
export type Path = readonly (string | number)[]

/** @returns the line of a path, counted from 1; of the nearest table around it where it is not there itself */
export function locate(text: string): (path: Path) => number | undefined {
  const lines = new Scanner(text).scan()
  return path => {
    for (let length = path.length; length > 0; length--) {
      const line = lines.get(nameOf(path.slice(0, length)))
      if (line !== undefined) return line
    }
    return undefined
  }
}

function nameOf(path: Path): string {
  return path.join('\u0000')
}

const bare = /[A-Za-z0-9_-]+/y
const blank = /[ \t\r\n]+|#[^\n]*/y
const value = /[^,\]}\n#]+/y
/** A multi-line string may end in one or two quotes of its own, hence `{3,5}`. */
const quoted = /"""(?:[^\\]|\\[\s\S])*?"{3,5}|'''[\s\S]*?'{3,5}|"(?:[^"\\\n]|\\.)*"|'[^'\n]*'/y

class Scanner {
  readonly #text: string
  readonly #lines = new Map<string, number>()
  /** How often each `[[array]]` has begun. */
  readonly #counts = new Map<string, number>()
  #at = 0
  #line = 1
  #counted = 0

  constructor(text: string) {
    this.#text = text
  }

  scan(): Map<string, number> {
    let table: Path = []
    for (this.#skip(); this.#at < this.#text.length; this.#skip()) {
      const start = this.#at
      if (this.#text[this.#at] === '[') table = this.#header()
      else this.#pair(table)
      if (this.#at === start) this.#at++
    }
    return this.#lines
  }

  /** `[a.b]` or `[[a.b]]`: the path of what follows. */
  #header(): Path {
    const many = this.#text[this.#at + 1] === '['
    this.#at += many ? 2 : 1
    const line = this.#here()
    const keys = this.#keys()
    const last = keys.length - 1
    const path: (string | number)[] = []
    for (const [i, key] of keys.entries()) {
      path.push(key)
      const name = nameOf(path)
      if (i < last || !many) this.#note(path, line)
      const count = this.#counts.get(name) ?? (many && i === last ? 0 : undefined)
      if (many && i === last) {
        this.#note(path, line)
        this.#counts.set(name, (count ?? 0) + 1)
        path.push(count ?? 0)
        this.#note(path, line)
      } else if (count !== undefined) path.push(count - 1)
    }
    this.#at += many ? 2 : 1
    return path
  }

  /** `a.b = value` */
  #pair(table: Path): void {
    const line = this.#here()
    const path = [...table]
    for (const key of this.#keys()) {
      path.push(key)
      this.#note(path, line)
    }
    this.#at++ // =
    this.#value(path)
  }

  #value(path: Path): void {
    this.#skip()
    const first = this.#text[this.#at]
    if (first === '[') this.#list(path)
    else if (first === '{') this.#inline(path)
    else if (this.#take(quoted) === undefined) this.#take(value)
  }

  #list(path: Path): void {
    this.#at++
    for (let index = 0; this.#more(']'); index++) {
      this.#note([...path, index], this.#here())
      this.#value([...path, index])
    }
  }

  #inline(path: Path): void {
    this.#at++
    while (this.#more('}')) this.#pair(path)
  }

  /** Goes to the next element; past the bracket when there is none. */
  #more(end: string): boolean {
    for (;;) {
      this.#skip()
      const next = this.#text[this.#at]
      if (next === ',') this.#at++
      else {
        if (next === end) this.#at++
        return next !== end && next !== undefined
      }
    }
  }

  /** Names parted by dots, up to `=` or `]`. */
  #keys(): string[] {
    const keys: string[] = []
    for (;;) {
      this.#skip()
      const text = this.#take(bare)
      const literal = text ?? this.#take(quoted)
      if (literal === undefined) return keys
      keys.push(text ?? unquote(literal))
      this.#skip()
      if (this.#text[this.#at] !== '.') return keys
      this.#at++
    }
  }

  #skip(): void {
    while (this.#take(blank) !== undefined);
  }

  #take(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at
    const match = pattern.exec(this.#text)
    if (!match) return undefined
    this.#at = pattern.lastIndex
    return match[0]
  }

  #note(path: Path, line: number): void {
    const name = nameOf(path)
    if (!this.#lines.has(name)) this.#lines.set(name, line)
  }

  #here(): number {
    for (; this.#counted < this.#at; this.#counted++) if (this.#text[this.#counted] === '\n') this.#line++
    return this.#line
  }
}

function unquote(literal: string): string {
  const inner = literal.slice(1, -1)
  if (literal[0] === "'") return inner
  return inner.replace(/\\(?:u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(.))/g, (_, four, eight, one) =>
    one === undefined
      ? String.fromCodePoint(Number.parseInt(four ?? eight, 16))
      : (({ b: '\b', t: '\t', n: '\n', f: '\f', r: '\r', e: '\u001b' } as Record<string, string>)[one] ??
        one),
  )
}
