/** Dates in headers and now: RFC 5260 §4, §5. */
import { formatDate, parseDate } from '../../message/date.js'
import type { Call } from '../call.js'
import type { Extension, Parameter, Tag, TestDefinition } from '../definition.js'
import { compileFields } from '../fields.js'
import { compileMatch } from '../match.js'
import type { Run } from '../run.js'

/** A moment, and by which clock it is told: minutes ahead of UTC. */
interface Moment {
  readonly utc: number
  readonly offset: number
}

const minute = 60_000
const day = 86_400_000

/** RFC 5260 §4.2. Each gets the moment's local time as if it were UTC. */
const parts: Readonly<Record<string, (local: Date, moment: Moment) => string>> = {
  year: local => pad(local.getUTCFullYear(), 4),
  month: local => pad(local.getUTCMonth() + 1),
  day: local => pad(local.getUTCDate()),
  date: local => local.toISOString().slice(0, 10),
  // 17 November 1858 is 40587 days before 1970.
  julian: local => String(Math.floor(local.getTime() / day) + 40_587),
  hour: local => pad(local.getUTCHours()),
  minute: local => pad(local.getUTCMinutes()),
  second: local => pad(local.getUTCSeconds()),
  time: local => local.toISOString().slice(11, 19),
  iso8601: (local, { offset }) => local.toISOString().slice(0, 19) + (offset === 0 ? 'Z' : zone(offset, ':')),
  // Two digits for the day, so that dates line up and texts of one length compare.
  std11: (_local, { utc, offset }) => formatDate(utc, offset).replace(/, (\d) /, ', 0$1 '),
  zone: (_local, { offset }) => zone(offset, ''),
  weekday: local => String(local.getUTCDay()),
}

function pad(number: number, width = 2): string {
  return String(number).padStart(width, '0')
}

function zone(offset: number, between: string): string {
  const minutes = Math.abs(offset)
  return `${offset < 0 ? '-' : '+'}${pad(Math.floor(minutes / 60))}${between}${pad(minutes % 60)}`
}

/** Minutes of `+hhmm`; undefined for anything else. */
function parseZone(text: string): number | undefined {
  const [, sign, hours, minutes] = /^([+-])(\d\d)([0-5]\d)$/.exec(text) ?? []
  if (sign === undefined) return undefined
  return (Number(hours) * 60 + Number(minutes)) * (sign === '-' ? -1 : 1)
}

const zoneTag: Tag = {
  name: 'zone',
  group: 'zone',
  value: 'string',
  check: text => (parseZone(text) === undefined ? `"${text}" is no time zone; write +0100` : undefined),
}

const datePart: Parameter = {
  name: 'date part',
  type: 'string',
  check: name => (Object.hasOwn(parts, name.toLowerCase()) ? undefined : `"${name}" is no part of a date`),
}

/** What a moment's part is in the zone that the test asks for. */
function compilePart(call: Call): (run: Run, moment: Moment) => string {
  const zoneText = call.tagText('zone')
  const original = call.has('originalzone')
  const name = call.text('date part')
  return (run, { utc, offset }) => {
    const shift = zoneText ? parseZone(zoneText.value(run)) : original ? offset : run.context.zone
    if (shift === undefined) return run.fail(`date: "${zoneText?.value(run)}" is no time zone`)
    const part = name.value(run).toLowerCase()
    if (!Object.hasOwn(parts, part)) return run.fail(`date: "${part}" is no part of a date`)
    return (parts[part] as (local: Date, moment: Moment) => string)(new Date(utc + shift * minute), {
      utc,
      offset: shift,
    })
  }
}

/** RFC 5260 §4. */
const dateTest: TestDefinition = {
  name: 'date',
  families: ['match', 'index', 'mime'],
  tags: [zoneTag, { name: 'originalzone', group: 'zone' }],
  takes: [{ name: 'header name', type: 'string' }, datePart, { name: 'key list', type: 'strings' }],
  compile(call, scope) {
    const fields = compileFields(call, scope, call.texts('header name'))
    const part = compilePart(call)
    const { match } = compileMatch(call, scope, call.texts('key list'))
    return run => {
      const field = fields(run)[0]
      // The date of a Received field stands behind its last semicolon.
      const moment = field && parseDate(field.rawValue.replace(/^.*;/s, ''))
      return match(run, moment && isWritable(moment) ? [part(run, moment)] : [])
    }
  },
}

/** Years beyond four digits have no form in RFC 5260. */
function isWritable({ utc }: Moment): boolean {
  return utc > Date.UTC(0, 0, 2) && utc < Date.UTC(9999, 11, 31)
}

/** RFC 5260 §5. */
const currentdate: TestDefinition = {
  name: 'currentdate',
  families: ['match'],
  tags: [zoneTag],
  takes: [datePart, { name: 'key list', type: 'strings' }],
  compile(call, scope) {
    const part = compilePart(call)
    const { match } = compileMatch(call, scope, call.texts('key list'))
    return run => match(run, [part(run, { utc: run.context.now, offset: run.context.zone })])
  },
}

export const date: Extension = { name: 'date', tests: [dateTest, currentdate] }
