/** Telling the user elsewhere: RFC 5435, by mail (RFC 5436). */
import type { CommandDefinition, Extension, TestDefinition } from '../definition.js'
import { parseMailto } from '../mailto.js'
import { compileMatch } from '../match.js'
import { wrongAddress } from './actions.js'
import { compileFcc } from './fcc.js'
import { modifierTag } from './variables.js'

/** Says why a notification cannot be sent to a URI. */
function wrongMethod(uri: string): string | undefined {
  if (!/^[a-z][a-z0-9+.-]*:/i.test(uri)) return `${JSON.stringify(uri)} is no URI`
  if (!/^mailto:/i.test(uri)) return `the notification method of "${uri}" is not supported; mailto: is`
  const parsed = parseMailto(uri)
  if (typeof parsed === 'string') return parsed
  return parsed.to.length + parsed.cc.length + parsed.bcc.length === 0
    ? 'the mailto URI names no recipient'
    : undefined
}

function isOption(option: string): boolean {
  return /^[a-z0-9][a-z0-9._-]*=[^\0\r\n]*$/i.test(option)
}

const notify: CommandDefinition = {
  name: 'notify',
  families: ['fcc'],
  tags: [
    { name: 'from', value: 'string', check: wrongAddress },
    {
      name: 'importance',
      value: 'string',
      check: value => (/^[123]$/.test(value) ? undefined : `:importance "${value}": write "1", "2" or "3"`),
    },
    {
      name: 'options',
      value: 'strings',
      check: option => (isOption(option) ? undefined : `"${option}" is no option; write "name=value"`),
    },
    { name: 'message', value: 'string' },
  ],
  takes: [{ name: 'method', type: 'string' }],
  compile(call, scope) {
    const method = call.text('method')
    const wrong = method.constant === undefined ? undefined : wrongMethod(method.constant)
    // RFC 5435 §3.2 wants this to be an error when the script runs; that it will be one is known now.
    if (wrong) scope.problems.warning(method.at, wrong)
    const [from, importance, text] = [
      call.tagText('from'),
      call.tagText('importance'),
      call.tagText('message'),
    ]
    const options = call.tagTexts('options')
    const fcc = compileFcc(call, scope)
    return run => {
      const uri = method.value(run)
      const problem = wrongMethod(uri) ?? (from && wrongAddress(from.value(run)))
      if (problem) run.fail(`notify: ${problem}`)
      const level = importance?.value(run) ?? '2'
      const copy = fcc?.(run)
      run.take({
        ...run.taken,
        type: 'notify',
        method: uri,
        from: from?.value(run),
        importance: level === '1' || level === '3' ? level : '2',
        text: text?.value(run),
        options: options?.values(run) ?? [],
        ...(copy ? { fcc: copy } : {}),
      })
    }
  },
}

/** RFC 5435 §4. */
const validNotifyMethod: TestDefinition = {
  name: 'valid_notify_method',
  takes: [{ name: 'notification uris', type: 'strings' }],
  compile(call) {
    const uris = call.texts('notification uris')
    return run => uris.values(run).every(uri => wrongMethod(uri) === undefined)
  },
}

/** RFC 5435 §5. Whether somebody reads mail right now is not known. */
const notifyMethodCapability: TestDefinition = {
  name: 'notify_method_capability',
  families: ['match'],
  takes: [
    { name: 'notification uri', type: 'string' },
    { name: 'notification capability', type: 'string' },
    { name: 'key list', type: 'strings' },
  ],
  compile(call, scope) {
    const [uri, capability] = [call.text('notification uri'), call.text('notification capability')]
    const { match } = compileMatch(call, scope, call.texts('key list'))
    return run => {
      const known = wrongMethod(uri.value(run)) === undefined && /^online$/i.test(capability.value(run))
      return known && match(run, ['maybe'])
    }
  },
}

export const enotify: Extension = {
  name: 'enotify',
  commands: [notify],
  tests: [validNotifyMethod, notifyMethodCapability],
  tags: [{ on: ['set'], tag: modifierTag('encodeurl') }],
}
