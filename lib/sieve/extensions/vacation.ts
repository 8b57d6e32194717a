/** Answering while away: RFC 5230, RFC 6131. */
import type { Call } from '../call.js'
import type { CommandDefinition, Extension } from '../definition.js'
import { printTest } from '../print.js'
import type { Settings } from '../settings.js'
import { wrongAddress } from './actions.js'
import { compileFcc } from './fcc.js'

const day = 86_400

const vacationCommand: CommandDefinition = {
  name: 'vacation',
  tags: [
    { name: 'days', value: 'number', group: 'period' },
    { name: 'subject', value: 'string' },
    { name: 'from', value: 'string', check: wrongAddress },
    { name: 'addresses', value: 'strings', check: wrongAddress },
    { name: 'mime' },
    { name: 'handle', value: 'string' },
  ],
  families: ['fcc'],
  takes: [{ name: 'reason', type: 'string' }],
  compile(call, scope) {
    const [subject, from, addresses] = [
      call.tagText('subject'),
      call.tagText('from'),
      call.tagTexts('addresses'),
    ]
    const reason = call.text('reason')
    const handle = call.tagText('handle')
    const synthesised = handleOf(call)
    const fcc = compileFcc(call, scope)
    const mime = call.has('mime')
    if (mime && reason.constant !== undefined && /[^\0-\x7f]/.test(headerOf(reason.constant)))
      scope.problems.error(reason.at, 'the MIME header of the reason has characters that are not ASCII')
    return run => {
      const copy = fcc?.(run)
      run.take({
        ...run.taken,
        message: run.original,
        type: 'vacation',
        reason: reason.value(run),
        mime,
        subject: subject?.value(run),
        from: from?.value(run),
        addresses: addresses?.values(run) ?? [],
        period: period(call, run.settings),
        handle: handle?.value(run) ?? synthesised,
        ...(copy ? { fcc: copy } : {}),
      })
    }
  },
}

/** RFC 5230 §4.1, RFC 6131 §2: what is asked for, within what the administrator allows. */
function period(call: Call, settings: Settings): number {
  const { vacationMinPeriod, vacationMaxPeriod, vacationMinSeconds, vacationDefaultPeriod } = settings
  const most = vacationMaxPeriod > 0 ? vacationMaxPeriod : Number.POSITIVE_INFINITY
  const seconds = call.tagNumber('seconds')
  if (seconds !== undefined) return Math.min(Math.max(seconds, vacationMinSeconds), most)
  const days = call.tagNumber('days')
  return Math.min(Math.max(days === undefined ? vacationDefaultPeriod : days * day, vacationMinPeriod), most)
}

/** RFC 5230 §4.2: what identifies an answer without a handle is its arguments as they stand in the script. */
function handleOf({ node }: Call): string {
  const args = node.args
  const kept = ['subject', 'from', 'mime'].map(name => {
    const i = args.findIndex(argument => argument.kind === 'tag' && argument.name === name)
    return i < 0 ? [] : args.slice(i, name === 'mime' ? i + 1 : i + 2)
  })
  const reason = args.at(-1)
  return printTest({ ...node, args: [...kept.flat(), ...(reason ? [reason] : [])], tests: [] })
}

/** The header of a MIME entity. */
function headerOf(entity: string): string {
  const end = entity.indexOf('\r\n\r\n')
  return end < 0 ? entity : entity.slice(0, end)
}

export const vacation: Extension = { name: 'vacation', commands: [vacationCommand] }

export const vacationSeconds: Extension = {
  name: 'vacation-seconds',
  implies: ['vacation'],
  tags: [{ on: ['vacation'], tag: { name: 'seconds', value: 'number', group: 'period' } }],
}
