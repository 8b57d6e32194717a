/** Scripts that run when a client appends, copies or marks mail (RFC 6785). Nothing that they do fails its command. */
import { setImmediate as yielding } from 'node:timers/promises'
import { patternTest } from '../imap/pattern.js'
import type { Account } from '../mailbox/account.js'
import type { Mailbox } from '../mailbox/mailbox.js'
import type { Script } from '../sieve/compile.js'
import type { Context } from '../sieve/context.js'
import { runScriptsAsync } from '../sieve/execute.js'
import { ListFiles } from '../sieve/list-files.js'
import { Version } from '../sieve/message.js'
import { formatProblem } from '../sieve/problem.js'
import { isScriptName } from '../sieve/script-name.js'
import { describe } from '../sys/error.js'
import type { FilterOptions } from './filters.js'
import { ImapPerformer } from './imap-perform.js'
import { Claim, Memory } from './memory.js'
import { siteContext } from './script-context.js'
import { Scripts } from './scripts.js'
import { tellUser } from './sieve-log.js'

export type Cause = 'APPEND' | 'COPY' | 'FLAG'

/** When the site wants scripts to run: what Dovecot calls imapsieve_mailboxN_name, _from, _causes, _before, _after. */
export interface ScriptRule {
  /** Patterns of mailbox names: where the message is, and where a copy came from. */
  readonly mailbox: string
  readonly from?: string | undefined
  readonly causes: readonly Cause[]
  /** Files of scripts to run before and after the user's. */
  readonly before?: string | undefined
  readonly after?: string | undefined
}

/** What a client did with some messages of a mailbox. */
export interface ImapEvent {
  readonly cause: Cause
  readonly account: Account
  readonly mailbox: Mailbox
  readonly uids: readonly number[]
  /** The mailbox that copies came from. */
  readonly from?: string | undefined
  /** The flags that are others now, by UID. */
  readonly changed?: ReadonlyMap<number, readonly string[]> | undefined
  /** The value of /shared/imapsieve/script that counts; empty for no script (RFC 6785 §2.3.1). */
  readonly script?: string | undefined
}

/** Whose session it is. */
export interface ImapOwner {
  readonly name: string
  readonly home: string
}

/** Milliseconds after which others get a turn. */
const slice = 8

export class ImapScripts {
  readonly #options: FilterOptions
  readonly #rules: readonly (ScriptRule & { readonly fits: (mailbox: string, from?: string) => boolean })[]
  readonly #scripts: Scripts
  readonly #lists: ListFiles | undefined

  constructor(options: FilterOptions, rules: readonly ScriptRule[]) {
    const { places, settings, log, lists } = options
    this.#options = options
    this.#scripts = new Scripts(places, settings, log)
    this.#lists = lists === undefined ? undefined : new ListFiles(lists)
    this.#rules = rules.map(rule => {
      const here = patternTest(rule.mailbox)
      const there = rule.from === undefined ? undefined : patternTest(rule.from)
      return {
        ...rule,
        fits: (mailbox, from) => here(mailbox) && (!there || (from !== undefined && there(from))),
      }
    })
  }

  /** Whether a rule may want a script for what is about to be done. */
  watches(mailbox: string, cause: Cause): boolean {
    return this.#rules.some(({ causes, fits, from }) => causes.includes(cause) && fits(mailbox, from))
  }

  /** Runs the scripts over each message. Never throws. */
  async run(owner: ImapOwner, event: ImapEvent): Promise<void> {
    const { log } = this.#options
    const { cause, mailbox, uids } = event
    let until = performance.now() + slice
    for (const uid of uids)
      try {
        const scripts = this.#scriptsFor(owner, event)
        if (scripts.length === 0) return
        await this.#runOne(owner, event, uid, scripts)
        if (performance.now() < until) continue
        await yielding()
        until = performance.now() + slice
      } catch (error) {
        const reason = describe(error)
        log.error('imap-script-failed', { user: owner.name, mailbox: mailbox.name, uid, cause, reason })
      }
  }

  #scriptsFor({ home }: ImapOwner, { cause, mailbox, from, script }: ImapEvent): readonly Script[] {
    const rules = this.#rules.filter(rule => rule.causes.includes(cause) && rule.fits(mailbox.name, from))
    const named = script !== undefined && isScriptName(script) ? [`${home}/sieve/${script}.sieve`] : []
    const paths = [...rules.map(({ before }) => before), ...named, ...rules.map(({ after }) => after)]
    return paths.flatMap(path => (path === undefined ? [] : (this.#scripts.at(path) ?? [])))
  }

  async #runOne(owner: ImapOwner, event: ImapEvent, uid: number, scripts: readonly Script[]): Promise<void> {
    const { cause, account, mailbox, changed } = event
    const octets = mailbox.read(uid)
    const known = mailbox.message(uid)
    if (!octets || !known) return
    const { name, home } = owner
    const message = Version.of(octets)
    const claim = new Claim(home)
    const site = siteContext(this.#options, this.#lists, { name, home, maildir: account.root })
    const context: Context = {
      ...site,
      // RFC 6785 §3.4: what is redirected comes from the owner of the mailbox.
      envelope: { from: name, to: name },
      flags: known.flags,
      imap: {
        cause,
        mailbox: mailbox.name,
        changedFlags: changed?.get(uid) ?? [],
        flags: known.flags,
        user: name,
        email: name,
      },
      seenBefore: (handle, id) => claim.memory.has(Memory.key('duplicate', handle, id), site.now),
    }
    const outcome = await runScriptsAsync(scripts, message, context)
    const notes = [
      ...outcome.errors.map(problem => `error: ${formatProblem(problem)}`),
      ...outcome.notes.map(note => `debug: ${note}`),
    ]
    this.#tell(owner, notes, site.now)
    if (outcome.status !== 'ok') return
    const said = await new ImapPerformer(this.#options, { account, mailbox, uid, context }).perform(outcome)
    this.#tell(owner, said, site.now)
    if (outcome.duplicates.length === 0) return
    try {
      const held = await claim.hold()
      for (const { handle, id, seconds } of outcome.duplicates)
        await held.add(Memory.key('duplicate', handle, id), site.now + seconds * 1000, site.now)
    } finally {
      claim.release()
    }
  }

  #tell({ name, home }: ImapOwner, lines: readonly string[], now: number): void {
    for (const line of lines) this.#options.log.warning('script', { mailbox: name, note: line })
    if (lines.length > 0) tellUser(home, lines, now)
  }
}
