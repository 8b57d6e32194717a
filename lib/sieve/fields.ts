/** Which header fields a test looks at: those of its names, of the message or of MIME parts, all or one by its number. */
import type { Call } from './call.js'
import type { Tag } from './definition.js'
import type { Field, FieldSet } from './message.js'
import { descend, headerOf, type PartCursor } from './mime.js'
import type { Run } from './run.js'
import type { Scope } from './scope.js'

/** Picks the fields of some names. */
export type Fields = (run: Run, names: readonly string[]) => readonly Field[]

/** RFC 5260 §6: `:index` counts the fields of all names, `:last` from the end. */
export const indexTags: readonly Tag[] = [{ name: 'index', value: 'number' }, { name: 'last' }]

/** Compiles what `:index`, `:last`, `:mime` and `:anychild` say about a test. */
export function compileFields(call: Call, scope: Scope): Fields {
  const pick = compileIndex(call, scope)
  const sets = compileHeaders(call)
  return (run, names) => {
    const headers = sets(run)
    return pick(names.flatMap(name => headers.flatMap(header => header.named(name.toLowerCase()))))
  }
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
