/** The keys that a schema knows: for the suggestion after a wrong one, and for the test of mail.toml(5). */
import type { Path } from './locate.js'
import { nearest } from './nearest.js'
import type { Problem, Schema } from './types.js'

/** What valibot's schemas show of themselves. */
interface Node {
  readonly type: string
  readonly entries?: Readonly<Record<string, Node>>
  readonly item?: Node
  readonly value?: Node
  readonly wrapped?: Node
  readonly options?: readonly Node[]
  readonly default?: unknown
}

export interface Key {
  /** `smtpd.listen.tls`, `fetch.NAME.host`. */
  readonly name: string
  /** As the file would write it; undefined when there is none. */
  readonly default: unknown
  readonly required: boolean
}

/** All keys, tables left out. */
export function* keysOf(schema: Schema): Generator<Key> {
  yield* walk(schema as unknown as Node, '')
}

function* walk(node: Node, name: string): Generator<Key> {
  for (const [key, child] of Object.entries(node.entries ?? {})) {
    const path = name === '' ? key : `${name}.${key}`
    const inner = plain(child)
    if (inner.entries) yield* walk(inner, path)
    else if (inner.item && plain(inner.item).entries) {
      yield* walk(plain(inner.item), path)
    } else if (inner.type === 'record' && plain(inner.value as Node).entries)
      yield* walk(plain(inner.value as Node), `${path}.NAME`)
    else yield { name: path, default: child.default, required: child.type !== 'optional' }
  }
}

/** Every key in the document that the schema does not know, with what may have been meant. */
export function unknownKeys(schema: Schema, document: unknown): Problem[] {
  const problems: Problem[] = []
  const known = [...keysOf(schema)].map(key => key.name)
  const visit = (node: Node, value: unknown, path: Path) => {
    const inner = plain(node)
    if (Array.isArray(value) && inner.item)
      for (const [i, each] of value.entries()) visit(inner.item, each, [...path, i])
    else if (!isTable(value)) return
    else if (inner.type === 'record') {
      for (const [key, each] of Object.entries(value)) visit(inner.value as Node, each, [...path, key])
    } else if (inner.type === 'union') {
      for (const option of inner.options ?? []) visit(option, value, path)
    } else if (inner.entries)
      for (const [key, each] of Object.entries(value)) {
        const child = Object.hasOwn(inner.entries, key) ? inner.entries[key] : undefined
        if (child) visit(child, each, [...path, key])
        else
          problems.push({
            path: [...path, key],
            message: `is unknown${suggestion(key, inner.entries, known)}`,
          })
      }
  }
  visit(schema as unknown as Node, document, [])
  return problems
}

/** A key beside it that is spelt like it; else the same name in another table. */
function suggestion(key: string, beside: Readonly<Record<string, Node>>, known: readonly string[]): string {
  const near = nearest(key, Object.keys(beside))
  if (near !== undefined) return `; did you mean ${near}?`
  const elsewhere = known.find(name => name.endsWith(`.${key}`)) ?? nearest(key, new Set(known.map(lastOf)))
  if (elsewhere === undefined) return ''
  return `; did you mean ${known.find(name => name === elsewhere || lastOf(name) === elsewhere)}?`
}

function lastOf(name: string): string {
  return name.slice(name.lastIndexOf('.') + 1)
}

function plain(node: Node): Node {
  return node.wrapped ? plain(node.wrapped) : node
}

function isTable(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date)
}
