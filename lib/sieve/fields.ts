/** Which header fields a test looks at: those of its names, of the message or of MIME parts, all or one by its number. */
import type { Call } from './call.js'
import type { Tag } from './definition.js'
import type { Field, FieldSet } from './message.js'
import { descend, headerOf, type PartCursor } from './mime.js'
import type { Run } from './run.js'
import type { Scope } from './scope.js'
import type { Texts } from './text.js'

/** Picks the fields of a test's names. */
export type Fields = (run: Run) => readonly Field[]

/** RFC 5260 §6: `:index` counts the fields of all names, `:last` from the end. */
export const indexTags: readonly Tag[] = [{ name: 'index', value: 'number' }, { name: 'last' }]

/** Compiles which fields a test looks at: its names, and what `:index`, `:last`, `:mime` and `:anychild` say. */
export function compileFields(call: Call, scope: Scope, names: Pick<Texts, 'constant' | 'values'>): Fields {
  const pick = compileIndex(call, scope)
  const sets = compileHeaders(call)
  const keys = lowerCase(names)
  return run => {
    const headers = sets(run)
    const found: Field[] = []
    for (const key of keys(run)) for (const header of headers) found.push(...header.named(key))
    return pick(found)
  }
}

/** Names in lower case, as headers are asked for them. */
export function lowerCase(names: Pick<Texts, 'constant' | 'values'>): (run: Run) => readonly string[] {
  const constant = names.constant?.map(name => name.toLowerCase())
  return constant ? () => constant : run => names.values(run).map(name => name.toLowerCase())
}

/**
 * Compiles what a test sees of its fields. Where nothing but names says which, the values are kept beside the header:
 * the next test of the same names finds them there.
 *
 * @param what tells values of other kinds from these; undefined where they are not to be kept
 */
export function compileValues(
  call: Call,
  scope: Scope,
  names: Pick<Texts, 'constant' | 'values'>,
  what: string | undefined,
  valuesOf: (run: Run, field: Field) => readonly string[],
): (run: Run) => readonly string[] {
  const fields = compileFields(call, scope, names)
  const values = (run: Run) => fields(run).flatMap(field => valuesOf(run, field))
  const plain = !call.has('mime') && !call.has('index') && names.constant !== undefined
  if (!plain || what === undefined) return values
  const key = `${what} ${names.constant?.join(' ').toLowerCase()}`
  return run => run.message.header.kept(key, () => values(run))
}

/** Compiles `:index` and `:last`: which of some fields are meant. */
export function compileIndex(call: Call, scope: Scope): (fields: readonly Field[]) => readonly Field[] {
  const index = call.tagNumber('index')
  const last = call.has('last')
  const wrong = (tag: string, message: string) =>
    scope.problems.error(call.given.get(tag)?.at ?? call.at, message)
  if (last && index === undefined) wrong('last', ':last counts nothing without :index')
  if (index === 0) wrong('index', ':index counts from 1')
  if (index === undefined) return fields => fields
  return fields => {
    const field = last ? fields[fields.length - index] : fields[index - 1]
    return field ? [field] : []
  }
}

/** The headers that are looked at: the message's, or with `:mime` those of the part at hand, perhaps of all within it. */
export function compileHeaders(call: Call): (run: Run) => readonly FieldSet[] {
  if (!call.has('mime')) return run => [run.message.header]
  const children = call.has('anychild')
  return run => {
    const { version, part }: PartCursor = run.part ?? { version: run.message, part: run.message.structure }
    const parts = children ? descend(part) : [part]
    run.spend(parts.length * 20)
    return parts.map(each => headerOf({ version, part: each }, run.message))
  }
}
