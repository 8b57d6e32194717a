/** Variables: RFC 5229. */
import type { Call } from '../call.js'
import { octet } from '../comparator.js'
import type { CommandDefinition, Extension, Tag, TestDefinition } from '../definition.js'
import { compileMatch } from '../match.js'
import { cut } from '../run.js'
import { compileTarget } from '../variable.js'

/** What `set` can do to a value, by tag; the largest precedence first, one of each (RFC 5229 §4.1). */
const modifiers: Readonly<Record<string, { precedence: number; apply: (value: string) => string }>> = {
  lower: { precedence: 40, apply: value => value.replace(/[A-Z]+/g, letters => letters.toLowerCase()) },
  upper: { precedence: 40, apply: value => value.replace(/[a-z]+/g, letters => letters.toUpperCase()) },
  lowerfirst: { precedence: 30, apply: value => value.replace(/^[A-Z]/, letter => letter.toLowerCase()) },
  upperfirst: { precedence: 30, apply: value => value.replace(/^[a-z]/, letter => letter.toUpperCase()) },
  quotewildcard: { precedence: 20, apply: value => value.replace(/[*?\\]/g, '\\$&') },
  quoteregex: { precedence: 20, apply: value => value.replace(/[.^$|()[\]{}*+?\\]/g, '\\$&') },
  encodeurl: { precedence: 15, apply: encodeUrl },
  length: { precedence: 10, apply: value => String([...value].length) },
}

/** RFC 5435 §6: every octet but the unreserved ones of RFC 3986. */
function encodeUrl(value: string): string {
  return [...Buffer.from(value)]
    .map(octet => String.fromCharCode(octet))
    .map(character =>
      /[A-Za-z0-9._~-]/.test(character)
        ? character
        : `%${character.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`,
    )
    .join('')
}

/** The tag of a modifier. */
export function modifierTag(name: keyof typeof modifiers & string): Tag {
  return { name, group: `modifier of precedence ${modifiers[name]?.precedence}` }
}

export const modifierTags: readonly Tag[] = [
  'lower',
  'upper',
  'lowerfirst',
  'upperfirst',
  'quotewildcard',
  'length',
].map(modifierTag)

/** What the modifiers of a command do to a value, all together. */
export function compileModifiers(call: Call): (value: string) => string {
  const given = [...call.given.keys()]
    .flatMap(name => (Object.hasOwn(modifiers, name) ? (modifiers[name] ?? []) : []))
    .sort((a, b) => b.precedence - a.precedence)
  return value => given.reduce((changed, modifier) => modifier.apply(changed), value)
}

/** RFC 5229 §4. */
const set: CommandDefinition = {
  name: 'set',
  tags: modifierTags,
  takes: [
    { name: 'name', type: 'string', constant: true },
    { name: 'value', type: 'string' },
  ],
  compile(call, scope) {
    const variable = compileTarget(call.text('name'), scope)
    const value = call.text('value')
    const modify = compileModifiers(call)
    const quotes = call.has('quotewildcard') || call.has('quoteregex')
    return run => {
      const text = value.value(run)
      run.spend(text.length)
      const modified = modify(text)
      const kept = cut(modified, run.settings.maxVariableSize)
      // Half of a quoted character would quote what comes next.
      const halved = quotes && kept !== modified && /(?:^|[^\\])(?:\\\\)*\\$/.test(kept)
      variable?.set(run, halved ? kept.slice(0, -1) : kept)
    }
  },
}

/** RFC 5229 §5. Exact unless a comparator is named, as Pigeonhole has it and scripts rely on (RFC 5228 §2.7.3 says i;ascii-casemap). */
const string: TestDefinition = {
  name: 'string',
  families: ['match'],
  takes: [
    { name: 'source', type: 'strings' },
    { name: 'key list', type: 'strings' },
  ],
  compile(call, scope) {
    const source = call.texts('source')
    const { match, type } = compileMatch(call, scope, call.texts('key list'), octet)
    if (type.name !== 'count') return run => match(run, source.values(run))
    return run =>
      match(
        run,
        source.values(run).filter(value => value !== ''),
      )
  },
}

export const variables: Extension = { name: 'variables', lexical: true, commands: [set], tests: [string] }
