/** The strings of a script as they are when they are used: with characters decoded and variables put in. */
import type { Run } from './run.js'
import type { Scope } from './scope.js'
import type { Position, StringNode } from './syntax.js'
import { plainVariable } from './variable.js'

/** One string. */
export interface Text {
  readonly at: Position
  /** Its value where no variable is in it. */
  readonly constant: string | undefined
  value(run: Run): string
}

/** A list of strings; a single one counts as a list of one. */
export interface Texts {
  readonly at: Position
  readonly items: readonly Text[]
  /** Their values where no variable is in any. */
  readonly constant: readonly string[] | undefined
  values(run: Run): readonly string[]
}

type Piece = string | ((run: Run) => string)

/** No string may become longer than this, in UTF-16 units, however its variables grow. */
const longest = 1_048_576

/** Reads a string of the script: backslashes are undone already; now `${hex:}` and `${unicode:}`, then variables. */
export function compileText(node: StringNode, scope: Scope): Text {
  const { at } = node
  if (!node.value.includes('${')) return { at, constant: node.value, value: () => node.value }
  const decoded = scope.enabled('encoded-character') ? decodeCharacters(node.value, at, scope) : node.value
  const pieces = scope.enabled('variables') ? compileReferences(decoded, at, scope) : [decoded]
  if (pieces.every(piece => typeof piece === 'string')) {
    const constant = pieces.join('')
    return { at, constant, value: () => constant }
  }
  return { at, constant: undefined, value: run => join(pieces, run) }
}

export function compileTexts(at: Position, nodes: readonly StringNode[], scope: Scope): Texts {
  const items = nodes.map(node => compileText(node, scope))
  const constant = items.every(item => item.constant !== undefined)
    ? items.map(item => item.constant as string)
    : undefined
  return { at, items, constant, values: run => constant ?? items.map(item => item.value(run)) }
}

function join(pieces: readonly Piece[], run: Run): string {
  let text = ''
  for (const piece of pieces) {
    text += typeof piece === 'string' ? piece : piece(run)
    if (text.length > longest) run.fail('a string grew too long when its variables were put in')
  }
  return text
}

/** RFC 5228 §2.4.2.4: what is not well-formed stays as it is; a number that is no character is an error. */
function decodeCharacters(text: string, at: Position, scope: Scope): string {
  if (!text.includes('${')) return text
  const pattern =
    /\$\{(?:(hex):([ \t\r\n]*[0-9a-f]{1,2}(?:[ \t\r\n]+[0-9a-f]{1,2})*[ \t\r\n]*)|unicode:([ \t\r\n]*[0-9a-f]+(?:[ \t\r\n]+[0-9a-f]+)*[ \t\r\n]*))\}/gi
  const octets: Buffer[] = []
  let from = 0
  for (const found of text.matchAll(pattern)) {
    octets.push(Buffer.from(text.slice(from, found.index)))
    from = found.index + found[0].length
    if (found[1]) octets.push(Buffer.from(numbers(found[2])))
    else octets.push(Buffer.from(String.fromCodePoint(...characters(numbers(found[3]), at, scope))))
  }
  // Octets given one by one may make one character together, so UTF-8 is read when all are there.
  return octets.length === 0 ? text : Buffer.concat([...octets, Buffer.from(text.slice(from))]).toString()
}

function numbers(text = ''): number[] {
  return text
    .trim()
    .split(/[ \t\r\n]+/)
    .map(digits => Number.parseInt(digits, 16))
}

function characters(codes: readonly number[], at: Position, scope: Scope): readonly number[] {
  return codes.filter(code => {
    const valid = code <= 0xd7ff || (code >= 0xe000 && code <= 0x10ffff)
    if (!valid)
      scope.problems.error(at, `\${unicode:${code.toString(16).toUpperCase()}} is no Unicode character`)
    return valid
  })
}

/** RFC 5229 §3: `${name}`, `${1}`, `${namespace.name}`; anything else that begins like one stays as it is. */
function compileReferences(text: string, at: Position, scope: Scope): readonly Piece[] {
  if (!text.includes('${')) return [text]
  const pieces: Piece[] = []
  let from = 0
  for (const found of text.matchAll(/\$\{((?:\d+|[a-z_]\w*)(?:\.(?:\d+|[a-z_]\w*))*)\}/gi)) {
    const piece = compileReference((found[1] as string).toLowerCase(), at, scope)
    if (piece === undefined) continue
    if (found.index > from) pieces.push(text.slice(from, found.index))
    pieces.push(piece)
    from = found.index + found[0].length
  }
  if (from < text.length || pieces.length === 0) pieces.push(text.slice(from))
  return pieces
}

/** How many match variables are kept; RFC 5229 §6 wants nine at least. */
export const mostMatchVariables = 99

/** @returns undefined for what is no reference after all */
function compileReference(name: string, at: Position, scope: Scope): Piece | undefined {
  const dot = name.indexOf('.')
  if (/^\d+$/.test(name)) {
    const index = Number(name)
    if (index > mostMatchVariables)
      scope.problems.error(at, `\${${name}}: match variables are counted up to ${mostMatchVariables}`)
    return run => run.matched(index)
  }
  if (dot < 0) return plainVariable(name, scope).get
  const first = name.slice(0, dot)
  if (/^\d/.test(first)) return undefined
  const rest = name.slice(dot + 1)
  const namespace = scope.namespace(first)
  const wrong = namespace ? namespace.check?.(rest) : `no required extension has variables named ${first}.`
  if (wrong) scope.problems.error(at, `\${${name}}: ${wrong}`)
  return run => namespace?.read(run, rest) ?? ''
}
