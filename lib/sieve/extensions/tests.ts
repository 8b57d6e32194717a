/** The tests of RFC 5228 §5 that look at the message, and the tags of their comparisons (§2.7). */
import { addressesIn, addressFields, compileAddressPart, type PlainAddress, parsePath } from '../address.js'
import type { Call } from '../call.js'
import type { Tag, TestDefinition } from '../definition.js'
import { compileHeaders, compileValues, lowerCase } from '../fields.js'
import { compileMatch } from '../match.js'
import type { Run } from '../run.js'
import type { Scope } from '../scope.js'
import type { Texts } from '../text.js'
import { compileMimeOption } from './mime.js'

/** The tags that tests with keys take in the core language. */
export const matchTags: readonly Tag[] = [
  { name: 'comparator', value: 'string', constant: true },
  { name: 'is', group: 'match type' },
  { name: 'contains', group: 'match type' },
  { name: 'matches', group: 'match type' },
]

export const addressTags: readonly Tag[] = [
  { name: 'all', group: 'address part' },
  { name: 'localpart', group: 'address part' },
  { name: 'domain', group: 'address part' },
]

/** RFC 5228 §5.7. */
export const header: TestDefinition = {
  name: 'header',
  families: ['match', 'index', 'mime'],
  takes: [
    { name: 'header names', type: 'strings' },
    { name: 'key list', type: 'strings' },
  ],
  compile(call, scope) {
    const option = compileMimeOption(call, scope)
    const values = compileValues(
      call,
      scope,
      call.texts('header names'),
      option ? undefined : 'header',
      (run, field) => (option ? option(run, field) : [field.value]),
    )
    const { match } = compileMatch(call, scope, call.texts('key list'))
    return run => match(run, values(run))
  },
}

/** RFC 5228 §5.1. */
export const address: TestDefinition = {
  name: 'address',
  families: ['match', 'address', 'index', 'mime'],
  takes: [
    { name: 'header list', type: 'strings', check: wrongField },
    { name: 'key list', type: 'strings' },
  ],
  compile(call, scope) {
    const part = compileAddressPart(call, scope)
    const name = call.chosen('address part')?.tag.name ?? 'all'
    // What user and detail are is the settings' affair, and a message may be looked at under several.
    const what = ['all', 'localpart', 'domain'].includes(name) ? name : undefined
    const values = compileValues(call, scope, addressing(call.texts('header list')), what, (run, field) => {
      run.spend(field.raw.length)
      return addressesIn(field.rawValue).flatMap(address => part(address, run) ?? [])
    })
    const { match } = compileMatch(call, scope, call.texts('key list'))
    return run => match(run, values(run))
  },
}

/** The names that may hold addresses; one that a variable brings and that holds none matches nothing. */
function addressing({ constant, values }: Texts): Pick<Texts, 'constant' | 'values'> {
  return { constant, values: run => values(run).filter(name => wrongField(name) === undefined) }
}

function wrongField(name: string): string | undefined {
  return addressFields.has(name.toLowerCase())
    ? undefined
    : `the header field '${name}' is not allowed for the address test: it holds no addresses`
}

/** RFC 5228 §5.5. */
export const exists: TestDefinition = {
  name: 'exists',
  families: ['mime'],
  takes: [{ name: 'header names', type: 'strings' }],
  compile(call) {
    const headers = compileHeaders(call)
    const names = lowerCase(call.texts('header names'))
    return run => {
      const sets = headers(run)
      return names(run).every(name => sets.some(set => set.named(name).length > 0))
    }
  },
}

/** RFC 5228 §5.9. */
export const size: TestDefinition = {
  name: 'size',
  tags: [
    { name: 'over', group: 'limit' },
    { name: 'under', group: 'limit' },
  ],
  takes: [{ name: 'limit', type: 'number' }],
  compile(call, scope) {
    const limit = call.number('limit')
    const chosen = call.chosen('limit')
    if (!chosen) scope.problems.error(call.at, 'the size test needs :over or :under')
    return chosen?.tag.name === 'under' ? run => run.message.size < limit : run => run.message.size > limit
  },
}

/** RFC 5228 §5.4, with Pigeonhole's `auth` and the parts of RFC 6009. */
export const envelope: TestDefinition = {
  name: 'envelope',
  families: ['match', 'address'],
  takes: [
    { name: 'envelope part list', type: 'strings' },
    { name: 'key list', type: 'strings' },
  ],
  compile(call, scope) {
    const parts = call.texts('envelope part list')
    for (const { at, constant } of parts.items) {
      const wrong = constant === undefined ? undefined : wrongPart(constant, scope)
      if (wrong) scope.problems.error(at, wrong)
    }
    const values = compileEnvelope(call, scope)
    const { match } = compileMatch(call, scope, call.texts('key list'))
    return run => {
      // RFC 6785 §4.6.
      if (run.context.imap) run.fail('there is no envelope: the script runs for a change by a client')
      return match(
        run,
        parts.values(run).flatMap(name => values(run, name.toLowerCase())),
      )
    }
  },
}

/** RFC 6009 §3, §4: parts of the envelope that are no addresses, and the extension each comes with. */
const parameters = {
  notify: ['envelope-dsn', 'notify'],
  orcpt: ['envelope-dsn', 'orcpt'],
  ret: ['envelope-dsn', 'ret'],
  envid: ['envelope-dsn', 'envid'],
  bytimeabsolute: ['envelope-deliverby', 'byTimeAbsolute'],
  bytimerelative: ['envelope-deliverby', 'byTimeRelative'],
  bymode: ['envelope-deliverby', 'byMode'],
  bytrace: ['envelope-deliverby', 'byTrace'],
} as const

function wrongPart(name: string, scope: Scope): string | undefined {
  const key = name.toLowerCase()
  if (key === 'from' || key === 'to' || key === 'auth') return undefined
  const extension = Object.hasOwn(parameters, key) ? parameters[key as keyof typeof parameters][0] : undefined
  if (extension === undefined) return `the envelope has no part '${name}'`
  return scope.enabled(extension) ? undefined : `the envelope part '${name}' needs require "${extension}"`
}

function compileEnvelope(call: Call, scope: Scope): (run: Run, part: string) => readonly string[] {
  const part = compileAddressPart(call, scope)
  const counts = call.chosen('match type')?.tag.name === 'count'
  // The null path is the empty string whichever part is asked for, and counts as no address (RFC 5231 §4.2).
  const take = (address: PlainAddress | undefined, run: Run, none: readonly string[] = []) =>
    address ? [part(address, run) ?? []].flat() : none
  return (run, name) => {
    const { envelope } = run.context
    if (name === 'from') return take(parsePath(envelope.from), run, counts ? [] : [''])
    if (name === 'to') return take(parsePath(envelope.to), run)
    if (name === 'auth') return envelope.auth === undefined ? [] : take(parsePath(envelope.auth), run)
    const key = Object.hasOwn(parameters, name) ? parameters[name as keyof typeof parameters][1] : undefined
    return (key && envelope[key]?.split(',')) ?? []
  }
}
