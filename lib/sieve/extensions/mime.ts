/** Tests of MIME parts: RFC 5703 §4. */
import { parseParameterised } from '../../message/parameters.js'
import { parameterText } from '../../message/words.js'
import type { Call } from '../call.js'
import type { Extension, Tag } from '../definition.js'
import type { Field } from '../message.js'
import type { Run } from '../run.js'
import type { Scope } from '../scope.js'

/** RFC 5703 §4.1; for the header test only. */
const options: readonly Tag[] = [
  { name: 'type', group: 'MIME option' },
  { name: 'subtype', group: 'MIME option' },
  { name: 'contenttype', group: 'MIME option' },
  { name: 'param', group: 'MIME option', value: 'strings' },
]

/**
 * What of a field's value `:type`, `:subtype`, `:contenttype` or `:param` ask for; undefined without one of them. What
 * a field does not have is the empty string.
 */
export function compileMimeOption(
  call: Call,
  scope: Scope,
): ((run: Run, field: Field) => readonly string[]) | undefined {
  const option = call.chosen('MIME option')
  for (const tag of [option, call.given.get('anychild')])
    if (tag && !call.has('mime')) scope.problems.error(tag.at, `:${tag.tag.name} needs :mime`)
  switch (option?.tag.name) {
    case 'type':
      return (_run, field) => [mediaType(field)[0]]
    case 'subtype':
      return (_run, field) => [mediaType(field)[1]]
    case 'contenttype':
      return (_run, field) => [
        mediaType(field)
          .filter(name => name !== '')
          .join('/'),
      ]
    case 'param':
      return (run, field) => parameters(field, option.texts?.values(run) ?? [])
    default:
      return undefined
  }
}

/** Type and subtype of a Content-Type, the disposition of a Content-Disposition. */
function mediaType({ key, binary }: Field): readonly [string, string] {
  if (key !== 'content-type' && key !== 'content-disposition') return ['', '']
  const [type = '', subtype = ''] = parseParameterised(binary).value.split('/')
  return key === 'content-type' ? [type, subtype] : [type, '']
}

function parameters({ key, binary }: Field, names: readonly string[]): readonly string[] {
  if (!key.startsWith('content-')) return ['']
  const { parameters } = parseParameterised(binary)
  const found = names.flatMap(name => parameterText(parameters, name.toLowerCase()) ?? [])
  return found.length > 0 ? found : ['']
}

export const mime: Extension = {
  name: 'mime',
  families: [
    { family: 'mime', tag: { name: 'mime' } },
    { family: 'mime', tag: { name: 'anychild' } },
  ],
  tags: options.map(tag => ({ on: ['header'], tag })),
}
