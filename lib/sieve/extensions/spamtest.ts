/** What spam and virus checkers found, on one scale: RFC 5235. They say it in header fields; settings tell which. */
import type { Call } from '../call.js'
import type { Extension, TestDefinition } from '../definition.js'
import { compileMatch } from '../match.js'
import { matchRegex } from '../regex/match.js'
import { compileRegex } from '../regex/program.js'
import { RegexError } from '../regex/syntax.js'
import type { Run } from '../run.js'
import type { Scope } from '../scope.js'
import type { ScoreSettings } from '../settings.js'

/** What a checker said, from 0 to 1; undefined when it said nothing. */
function ratio(run: Run, settings: ScoreSettings): number | undefined {
  const status = settings.statusHeader === undefined ? undefined : read(run, settings.statusHeader)
  if (status === undefined) return undefined
  const most = settings.maxHeader === undefined ? settings.maxValue : Number(read(run, settings.maxHeader))
  const score = settings.statusType === 'strlen' ? [...status].length : Number.parseFloat(status)
  if (Number.isNaN(score) || most === undefined || !(most > 0)) return undefined
  return Math.min(Math.max(score / most, 0), 1)
}

/** The part of a field's value that `name: regex` picks out. */
function read(run: Run, header: string): string | undefined {
  const [, name = '', pattern] = /^\s*([^:\s]+)\s*(?::\s*(.*\S))?\s*$/.exec(header) ?? []
  const value = run.message.named(name.toLowerCase())[0]?.value
  if (value === undefined || pattern === undefined) return value
  try {
    const found = matchRegex(compileRegex(pattern, false), value, true, steps => run.spend(steps))
    if (!found) return undefined
    const [start = -1, end = -1] = found.length > 2 ? found.slice(2, 4) : found
    return start < 0 ? undefined : value.slice(start, end)
  } catch (error) {
    if (error instanceof RegexError) run.fail(`the settings of spamtest or virustest: ${error.message}`)
    throw error
  }
}

/** The result on a scale: 0 when nothing was checked, `least` when the ratio is 0. */
function result(run: Run, settings: ScoreSettings, least: number, most: number): number {
  if (settings.statusType === 'text') {
    const status = settings.statusHeader === undefined ? undefined : read(run, settings.statusHeader)
    for (const [value, text] of settings.values) if (text === status) return value
    return 0
  }
  const found = ratio(run, settings)
  // A thousandth makes up for what is lost in dividing; whole steps count only when they are reached.
  return found === undefined ? 0 : least + Math.floor(found * (most - least) + 0.001)
}

function compileScore(call: Call, scope: Scope, value: (run: Run) => string, tested: (run: Run) => boolean) {
  const { match, type } = compileMatch(call, scope, call.texts('value'))
  // RFC 5235 §3.1: the count says whether anything was checked.
  return (run: Run) => match(run, type.name === 'count' && !tested(run) ? [] : [value(run)])
}

const spamtestTest: TestDefinition = {
  name: 'spamtest',
  families: ['match'],
  takes: [{ name: 'value', type: 'string' }],
  compile(call, scope) {
    const ten = (run: Run) => result(run, run.settings.spamtest, 1, 10)
    const value = call.has('percent') ? percent : ten
    return compileScore(
      call,
      scope,
      run => String(value(run)),
      run => ten(run) > 0,
    )
  },
}

/** RFC 5235 §3.2.2. */
function percent(run: Run): number {
  if (run.settings.spamtest.statusType !== 'text') return result(run, run.settings.spamtest, 0, 100)
  const ten = Math.max(result(run, run.settings.spamtest, 1, 10), 1)
  return Math.floor(((ten - 1) / 9) * 100 + 0.001)
}

const virustestTest: TestDefinition = {
  name: 'virustest',
  families: ['match'],
  takes: [{ name: 'value', type: 'string' }],
  compile(call, scope) {
    const value = (run: Run) => result(run, run.settings.virustest, 1, 5)
    return compileScore(
      call,
      scope,
      run => String(value(run)),
      run => value(run) > 0,
    )
  },
}

export const spamtest: Extension = { name: 'spamtest', tests: [spamtestTest] }

export const spamtestplus: Extension = {
  name: 'spamtestplus',
  implies: ['spamtest'],
  tags: [{ on: ['spamtest'], tag: { name: 'percent' } }],
}

export const virustest: Extension = { name: 'virustest', tests: [virustestTest] }
