/**
 * Scripts with what they do, as files: fixtures/sieve/NAME/*.sieve. After a title, each line
 *
 *     #: MESSAGE [from=ADDRESS] [to=ADDRESS] => store A (\flag), redirect x@y, implicit keep
 *
 * is a case: the message fixtures/sieve/messages/MESSAGE.eml, and what becomes of it. `#!` is one that sieve-test sees
 * otherwise, or cannot run.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Action, Outcome } from '../../lib/sieve/action.js'
import { compileScript } from '../../lib/sieve/compile.js'
import type { Context } from '../../lib/sieve/context.js'
import { runScripts } from '../../lib/sieve/execute.js'
import { defaultSettings } from '../../lib/sieve/settings.js'

export const folder = 'fixtures/sieve'

export interface Case {
  /** As `rfc5228/5.7-header.sieve`. */
  readonly script: string
  readonly message: string
  readonly from: string
  readonly to: string
  readonly expected: string
  /** Whether sieve-test is to say the same. */
  readonly shared: boolean
}

/** All cases of all scripts. */
export function readCases(): Case[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter(name => name.endsWith('.sieve'))
    .sort()
    .flatMap(script => casesOf(script, readFileSync(join(folder, script), 'utf8')))
}

function casesOf(script: string, text: string): Case[] {
  return [...text.matchAll(/^#([:!]) (\S+)(?: from=(\S*))?(?: to=(\S+))? => (.*)$/gm)].map(
    ([, mark, message = '', from = 'sender@example.net', to = 'me@example.org', expected = '']) => ({
      script,
      message,
      from,
      to,
      expected,
      shared: mark === ':',
    }),
  )
}

export function messagePath(name: string): string {
  return join(folder, 'messages', `${name}.eml`)
}

/** A context in which nothing is known but what is given. */
export function contextOf(given: Partial<Context> = {}): Context {
  return {
    envelope: { from: 'sender@example.net', to: 'me@example.org' },
    settings: defaultSettings,
    now: Date.UTC(2026, 2, 3, 12, 0, 0),
    zone: 0,
    user: 'me@example.org',
    environment: new Map([
      ['name', 'Postern'],
      ['version', '0.0.1'],
    ]),
    mailboxExists: name => name.toUpperCase() === 'INBOX',
    ...given,
  }
}

/** Runs scripts given as text. */
export function run(
  scripts: string | readonly string[],
  message: string | Buffer,
  given: Partial<Context> = {},
): Outcome {
  const context = contextOf(given)
  const texts = typeof scripts === 'string' ? [scripts] : scripts
  const compiled = texts.map((text, i) => compileScript({ name: `script${i}`, text }, context.settings))
  return runScripts(compiled, Buffer.from(message), context)
}

/** An outcome in the words of the fixtures. */
export function describe(outcome: Outcome): string {
  if (outcome.status !== 'ok') return 'error'
  const words = outcome.actions.map(describeAction)
  if (outcome.implicitKeep) words.push(`implicit keep${flagsOf(outcome.keep.flags)}`)
  return words.join(', ')
}

function describeAction(action: Action): string {
  switch (action.type) {
    case 'keep':
    case 'store':
      return `store ${action.mailbox}${flagsOf(action.flags)}`
    case 'redirect':
      return `redirect ${action.address}`
    default:
      return action.type
  }
}

function flagsOf(flags: readonly string[]): string {
  return flags.length === 0
    ? ''
    : ` (${flags
        .map(flag => flag.toLowerCase())
        .sort()
        .join(' ')})`
}
