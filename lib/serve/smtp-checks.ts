/**
 * `[[smtpd.header_check]]`: actions on messages whose header fields fit a pattern. Patterns are POSIX extended regular
 * expressions, run by an engine whose time is bounded, with a budget a message: none can hang the server.
 */
import { encodeWords, foldField } from '../message/encode.js'
import type { Head } from '../message/head.js'
import type { HeaderField } from '../message/header.js'
import { decodeWords } from '../message/words.js'
import { matchRegex } from '../sieve/regex/match.js'
import { compileRegex, type Program } from '../sieve/regex/program.js'
import { SmtpError } from '../smtp/reply.js'
import { describe, exits, MailError } from '../sys/error.js'
import type { Verdict } from './smtp-verdict.js'

export interface HeaderCheck {
  /** A field's name, or `*` for every field. */
  readonly header: string
  /** Searched for in the value, unfolded and decoded, without regard to case. */
  readonly pattern: string
  readonly action: 'add' | 'remove' | 'replace' | 'redirect' | 'discard' | 'reject'
  /** add: `Name: value`; replace: the new value; redirect: an address; reject: what the sender is told. */
  readonly value?: string | undefined
}

/** Instructions that all patterns may spend on one message; some tenths of a second. */
const budget = 5_000_000
/** More characters of a value are not looked at. */
const longestValue = 10_000

export interface CheckedHeader extends Verdict {
  readonly removed: ReadonlySet<HeaderField>
}

interface Rule {
  readonly check: HeaderCheck
  readonly key: string
  readonly program: Program
}

export class HeaderChecks {
  readonly #rules: readonly Rule[]

  /** @throws MailError (78) for a pattern that is none */
  constructor(checks: readonly HeaderCheck[]) {
    this.#rules = checks.map((check, i) => ({
      check,
      key: check.header.toLowerCase(),
      program: compile(check.pattern, i),
    }))
  }

  get empty(): boolean {
    return this.#rules.length === 0
  }

  /**
   * Runs the checks in their order; the first that rejects, discards or redirects is the last that runs.
   *
   * @throws SmtpError for a message that is refused
   */
  run(head: Head): CheckedHeader {
    const removed = new Set<HeaderField>()
    let headers = ''
    let left = budget
    const spend = (steps: number) => {
      left -= steps
      // What could not be looked at is not let through.
      if (left < 0) throw new SmtpError(554, '5.6.0', 'The header of the message is too large to be checked')
    }
    for (const { check, key, program } of this.#rules) {
      const fields = head.fields.filter(
        field =>
          !removed.has(field) &&
          (key === '*' || field.key === key) &&
          matchRegex(program, textOf(head, field), false, spend) !== undefined,
      )
      if (fields.length === 0) continue
      const { action, value = '' } = check
      if (action === 'reject') throw new SmtpError(550, '5.7.1', value || 'The message is refused')
      if (action === 'discard') return { headers, removed, discard: true }
      if (action === 'redirect') return { headers, removed, redirect: [value] }
      if (action === 'add') headers += addedField(value)
      if (action !== 'add') for (const field of fields) removed.add(field)
      if (action === 'replace') for (const { name } of fields) headers += formatField(name, value)
    }
    return { headers, removed }
  }
}

function compile(pattern: string, index: number): Program {
  try {
    return compileRegex(pattern, true)
  } catch (error) {
    throw new MailError(`smtpd.header_check[${index}].pattern: ${describe(error)}`, {
      exit: exits.config,
      cause: error,
    })
  }
}

function textOf({ header }: Head, field: HeaderField): string {
  return decodeWords(header.value(field)).slice(0, longestValue)
}

/** `Name: value` as the configuration has it. */
function addedField(line: string): string {
  const colon = line.indexOf(':')
  return formatField(line.slice(0, colon), line.slice(colon + 1).trim())
}

/** A field with its LF. */
export function formatField(name: string, value: string): string {
  return foldField(name, encodeWords(value), '\n')
}
