/** Annotations of mailboxes and of the server: RFC 5490 §3.3, §4. */
import type { Extension, Parameter } from '../definition.js'
import { compileMatch } from '../match.js'

const annotation: Parameter = { name: 'annotation name', type: 'string', check: wrongEntry }
const annotations: Parameter = { name: 'annotation names', type: 'strings', check: wrongEntry }
const mailbox: Parameter = { name: 'mailbox', type: 'string' }
const keys: Parameter = { name: 'key list', type: 'strings' }

/** RFC 5464 §5. */
function wrongEntry(entry: string): string | undefined {
  if (!/^\/(?:private|shared)\/./i.test(entry))
    return `the annotation "${entry}" must begin with /private/ or /shared/`
  return /[*%]|\/\/|\/$|[^\x20-\x7e]/.test(entry) ? `"${entry}" is no name of an annotation` : undefined
}

export const mboxmetadata: Extension = {
  name: 'mboxmetadata',
  tests: [
    {
      name: 'metadata',
      families: ['match'],
      takes: [mailbox, annotation, keys],
      compile(call, scope) {
        const [name, entry] = [call.text('mailbox'), call.text('annotation name')]
        const { match } = compileMatch(call, scope, call.texts('key list'))
        return run => match(run, [run.context.metadata?.(name.value(run), entry.value(run)) ?? []].flat())
      },
    },
    {
      name: 'metadataexists',
      takes: [mailbox, annotations],
      compile(call) {
        const [name, entries] = [call.text('mailbox'), call.texts('annotation names')]
        return run =>
          entries.values(run).every(entry => run.context.metadata?.(name.value(run), entry) !== undefined)
      },
    },
  ],
}

export const servermetadata: Extension = {
  name: 'servermetadata',
  tests: [
    {
      name: 'servermetadata',
      families: ['match'],
      takes: [annotation, keys],
      compile(call, scope) {
        const entry = call.text('annotation name')
        const { match } = compileMatch(call, scope, call.texts('key list'))
        return run => match(run, [run.context.metadata?.(undefined, entry.value(run)) ?? []].flat())
      },
    },
    {
      name: 'servermetadataexists',
      takes: [annotations],
      compile(call) {
        const entries = call.texts('annotation names')
        return run =>
          entries.values(run).every(entry => run.context.metadata?.(undefined, entry) !== undefined)
      },
    },
  ],
}
