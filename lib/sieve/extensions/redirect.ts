/** What a redirected message asks of the servers after us: RFC 6009 §5, §6. */
import type { Action, RedirectAction } from '../action.js'
import type { Extension, Given, Tag } from '../definition.js'
import type { Run } from '../run.js'

function change(action: Action, more: Partial<RedirectAction>): Action {
  return { ...(action as RedirectAction), ...more }
}

function textIn(given: Given, run: Run): string {
  return given.texts?.values(run)[0] ?? ''
}

/** RFC 3461 §4.1. */
function wrongNotify(value: string): string | undefined {
  return /^(never|(success|failure|delay)(,(success|failure|delay)){0,2})$/i.test(value)
    ? undefined
    : `:notify "${value}": write NEVER, or some of SUCCESS,FAILURE,DELAY`
}

function checked(run: Run, value: string, check: (value: string) => string | undefined): string {
  const wrong = check(value)
  if (wrong) run.fail(`redirect: ${wrong}`)
  return value
}

const notify: Tag = {
  name: 'notify',
  value: 'string',
  check: wrongNotify,
  effect: given => (run, action) =>
    change(action, { notify: checked(run, textIn(given, run), wrongNotify).toUpperCase() }),
}

function wrongRet(value: string): string | undefined {
  return /^(full|hdrs)$/i.test(value) ? undefined : `:ret "${value}": write FULL or HDRS`
}

const ret: Tag = {
  name: 'ret',
  value: 'string',
  check: wrongRet,
  effect: given => (run, action) =>
    change(action, { ret: checked(run, textIn(given, run), wrongRet).toUpperCase() as 'FULL' | 'HDRS' }),
}

export const redirectDsn: Extension = {
  name: 'redirect-dsn',
  tags: [notify, ret].map(tag => ({ on: ['redirect'], tag })),
}

const by = { time: '', mode: 'R', trace: false } as const

function changeBy(action: Action, more: Partial<NonNullable<RedirectAction['by']>>): Action {
  return change(action, { by: { ...by, ...(action as RedirectAction).by, ...more } })
}

function wrongTime(value: string): string | undefined {
  return Number.isNaN(Date.parse(value))
    ? `:bytimeabsolute "${value}" is no time; write it as RFC 3339 does`
    : undefined
}

const relative: Tag = {
  name: 'bytimerelative',
  group: 'deliver-by time',
  value: 'number',
  effect: given => (_run, action) => changeBy(action, { time: String(given.number ?? 0) }),
}

const absolute: Tag = {
  name: 'bytimeabsolute',
  group: 'deliver-by time',
  value: 'string',
  check: wrongTime,
  effect: given => (run, action) => changeBy(action, { time: checked(run, textIn(given, run), wrongTime) }),
}

function wrongMode(value: string): string | undefined {
  return /^(notify|return|n|r)$/i.test(value) ? undefined : `:bymode "${value}": write notify or return`
}

const mode: Tag = {
  name: 'bymode',
  value: 'string',
  check: wrongMode,
  effect: given => (run, action) => {
    const value = checked(run, textIn(given, run), wrongMode)
    return changeBy(action, { mode: /^n/i.test(value) ? 'N' : 'R' })
  },
}

const trace: Tag = { name: 'bytrace', effect: () => (_run, action) => changeBy(action, { trace: true }) }

export const redirectDeliverby: Extension = {
  name: 'redirect-deliverby',
  tags: [relative, absolute, mode, trace].map(tag => ({ on: ['redirect'], tag })),
}

/** RFC 6009 §3, §4: the envelope test knows more parts; see tests.ts. */
export const envelopeDsn: Extension = { name: 'envelope-dsn', implies: ['envelope'] }
export const envelopeDeliverby: Extension = { name: 'envelope-deliverby', implies: ['envelope'] }
