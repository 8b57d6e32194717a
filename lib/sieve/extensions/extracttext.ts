/** A part's text in a variable: RFC 5703 §7. */
import { textOf } from '../body.js'
import type { CommandDefinition, Extension } from '../definition.js'
import { childrenOf } from '../mime.js'
import { compileTarget } from '../variable.js'
import { compileModifiers, modifierTags } from './variables.js'

const extracttextCommand: CommandDefinition = {
  name: 'extracttext',
  tags: [...modifierTags, { name: 'first', value: 'number' }],
  takes: [{ name: 'variable name', type: 'string', constant: true }],
  compile(call, scope) {
    if (!scope.enabled('variables')) scope.problems.error(call.at, 'extracttext needs require "variables"')
    if (scope.loops.length === 0) scope.problems.error(call.at, 'extracttext stands in no foreverypart loop')
    const variable = compileTarget(call.text('variable name'), scope)
    const first = call.tagNumber('first')
    const modify = compileModifiers(call)
    return run => {
      const text =
        run.part && childrenOf(run.part.part).length === 0 ? textOf(run.part.version, run.part.part) : ''
      run.spend(text.length)
      variable?.set(run, modify(first === undefined ? text : [...text].slice(0, first).join('')))
    }
  },
}

export const extracttext: Extension = { name: 'extracttext', commands: [extracttextCommand] }
