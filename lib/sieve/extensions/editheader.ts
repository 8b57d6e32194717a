/** Changing the header: RFC 5293. */
import type { CommandDefinition, Extension } from '../definition.js'
import { compileIndex } from '../fields.js'
import { compileMatch } from '../match.js'
import { Field } from '../message.js'
import type { Run } from '../run.js'
import type { Settings } from '../settings.js'

/** How many edits one run may make: each makes another list of fields. */
const mostEdits = 1000

/** RFC 5322 §2.2. */
function wrongName(name: string): string | undefined {
  return /^[!-9;-~]{1,200}$/.test(name) ? undefined : `the specified field name '${name}' is invalid`
}

/** RFC 5293 §6: Subject may always be changed, the trace of a message never be deleted. */
function mayChange(name: string, forbidden: ReadonlySet<string>, { protectedHeaders }: Settings): boolean {
  const key = name.toLowerCase()
  return key === 'subject' || !(forbidden.has(key) || protectedHeaders.has(key))
}

function mayDelete(name: string, settings: Settings): boolean {
  if (/^(received|auto-submitted)$/i.test(name)) return false
  return mayChange(name, settings.forbidDeleteHeaders, settings)
}

const denied = (what: string, name: string) =>
  `${what} the header field '${name}' is forbidden; nothing will be changed`

/** RFC 5293 §4. */
const addheader: CommandDefinition = {
  name: 'addheader',
  tags: [{ name: 'last' }],
  takes: [
    { name: 'field name', type: 'string', check: wrongName },
    { name: 'value', type: 'string' },
  ],
  compile(call, scope) {
    const [name, value] = [call.text('field name'), call.text('value')]
    const last = call.has('last')
    const { settings } = scope
    if (name.constant !== undefined && !mayChange(name.constant, settings.forbidAddHeaders, settings))
      scope.problems.warning(name.at, denied('adding', name.constant))
    return run => {
      const key = checked(run, name.value(run))
      if (!mayChange(key, settings.forbidAddHeaders, settings)) return
      const field = makeField(run, key, value.value(run))
      const { fields } = run.message.header
      edit(run, last ? [...fields, field] : [field, ...fields])
    }
  },
}

/** A new field of a script's making: one line, and not too long. */
function makeField(run: Run, name: string, value: string): Field {
  if (value.includes('\0')) run.fail(`addheader: the value of ${name} has a NUL in it`)
  const { maxHeaderSize } = run.settings
  const line = value.replace(/[ \t]*[\r\n]+[ \t]*/g, ' ').trim()
  if (maxHeaderSize > 0 && Buffer.byteLength(line) > maxHeaderSize)
    run.fail(`addheader: the value of ${name} is larger than ${maxHeaderSize} octets`)
  return Field.of(name, line, run.message.lineEnd)
}

/** RFC 5293 §5. */
const deleteheader: CommandDefinition = {
  name: 'deleteheader',
  families: ['match'],
  tags: [{ name: 'index', value: 'number' }, { name: 'last' }],
  takes: [
    { name: 'field name', type: 'string', check: wrongName },
    { name: 'value patterns', type: 'strings', optional: true },
  ],
  compile(call, scope) {
    const name = call.text('field name')
    const pick = compileIndex(call, scope)
    const { settings } = scope
    if (name.constant !== undefined && !mayDelete(name.constant, settings))
      scope.problems.warning(name.at, denied('deleting', name.constant))
    const matching = call.hasArgument('value patterns')
      ? compileMatch(call, scope, call.texts('value patterns'))
      : undefined
    return run => {
      const key = checked(run, name.value(run))
      if (!mayDelete(key, settings)) return
      const fields = pick(run.message.named(key.toLowerCase()))
      const gone = new Set(matching ? fields.filter(field => matching.match(run, [field.value])) : fields)
      if (gone.size > 0)
        edit(
          run,
          run.message.header.fields.filter(field => !gone.has(field)),
        )
    }
  },
}

function checked(run: Run, name: string): string {
  const wrong = wrongName(name)
  if (wrong) run.fail(wrong)
  return name
}

function edit(run: Run, fields: readonly Field[]): void {
  if (++run.edits > mostEdits) run.fail(`the header may be changed at most ${mostEdits} times`)
  run.spend(fields.length)
  run.message = run.message.withFields(fields)
}

export const editheader: Extension = { name: 'editheader', commands: [addheader, deleteheader] }
