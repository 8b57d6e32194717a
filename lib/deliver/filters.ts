/** Runs a user's scripts over a message that is being delivered. What comes of it is performed by perform.ts. */
import type { Outcome } from '../sieve/action.js'
import type { Context, TraceEvent } from '../sieve/context.js'
import { runScriptsAsync } from '../sieve/execute.js'
import { ListFiles } from '../sieve/list-files.js'
import { parseMailPath } from '../sieve/mailbox-address.js'
import type { Version } from '../sieve/message.js'
import type { Settings } from '../sieve/settings.js'
import type { Log } from '../sys/log.js'
import type { LocalEnvelope, LocalRecipient, Written } from './deliver.js'
import { type Claim, Memory } from './memory.js'
import { prepare } from './perform.js'
import type { OutgoingDraft, Plan } from './plan.js'
import type { Filtering } from './rules.js'
import { siteContext } from './script-context.js'
import { type ScriptPlaces, Scripts } from './scripts.js'
import { openMessage } from './stored-message.js'

/** A message of a script's, on its way out. */
export interface OutgoingMessage {
  readonly from: string
  readonly to: readonly string[]
  readonly data: Buffer
  readonly notify?: string
  readonly ret?: 'FULL' | 'HDRS'
  /** RFC 6009 §6: seconds from now, or a time as RFC 3339 writes it. */
  readonly by?: { readonly time: string; readonly mode: 'N' | 'R'; readonly trace?: boolean }
}

/** The way out for what scripts send. */
export interface Outbox {
  /** Writes a message whole, so that little is left to its commit(). @throws MailError */
  begin(message: OutgoingMessage): Promise<OutgoingDraft>
}

/** The site's part in it. */
export interface FilterOptions {
  readonly places: ScriptPlaces
  readonly settings: Settings
  /** Folders of `include :global`, of extlists, and of the programs that scripts may call. */
  readonly global?: string | undefined
  readonly lists?: string | undefined
  readonly programs?: string | undefined
  /** Undefined where there is no relay: scripts send nothing then. */
  readonly outbox?: Outbox | undefined
  /** What the test `environment` finds besides: name, version. */
  readonly environment: ReadonlyMap<string, string>
  readonly log: Log
  readonly clock: () => number
}

/** A run over one message. */
export interface Filtered {
  readonly outcome: Outcome
  readonly context: Context
}

export class Filters implements Filtering {
  readonly options: FilterOptions
  readonly #scripts: Scripts
  readonly #lists: ListFiles | undefined

  constructor(options: FilterOptions) {
    this.options = options
    const { places, settings, log, lists } = options
    this.#scripts = new Scripts(places, settings, log)
    this.#lists = lists === undefined ? undefined : new ListFiles(lists)
  }

  /** Runs the scripts for a user with a home, and prepares what they want. */
  async plan(
    recipient: LocalRecipient,
    written: Written,
    inbox: string,
    claim: Claim,
  ): Promise<Plan | undefined> {
    const filtered = await this.run(recipient, written, claim)
    return filtered && prepare(filtered, recipient, inbox, claim, this.options)
  }

  /**
   * Runs the scripts for a user with a home.
   *
   * @param claim held afterwards where a script asked whether it has seen the message
   * @returns undefined where there are no scripts
   * @throws TemporaryError when the user's memory is not to be had
   */
  async run(recipient: LocalRecipient, written: Written, claim: Claim): Promise<Filtered | undefined> {
    const scripts = this.#scripts.of(recipient.home as string)
    if (scripts.length === 0) return undefined
    const message = openMessage(written)
    const context = this.#context(recipient, written, message)
    let asked = false
    const seenBefore = (has: (key: string, now: number) => boolean) => (handle: string, id: string) => {
      asked = true
      return has(Memory.key('duplicate', handle, id), context.now)
    }
    const { memory } = claim
    const outcome = await runScriptsAsync(scripts, message, {
      ...context,
      seenBefore: seenBefore((key, now) => memory.has(key, now)),
    })
    if (!asked) return { outcome, context }
    // Another copy may be on its way just now: the question is put again while nobody else can answer it.
    const held = await claim.hold()
    const again = { ...context, seenBefore: seenBefore((key, now) => held.has(key, now)) }
    return { outcome: await runScriptsAsync(scripts, message, again), context }
  }

  /** As {@link run}, telling each test and command on the way; nothing is locked or changed. */
  async trace(
    recipient: LocalRecipient,
    written: Written,
    claim: Claim,
    trace: (event: TraceEvent) => void,
  ): Promise<Filtered | undefined> {
    const scripts = this.#scripts.of(recipient.home as string)
    if (scripts.length === 0) return undefined
    const message = openMessage(written)
    const context: Context = {
      ...this.#context(recipient, written, message),
      seenBefore: (handle, id) => claim.memory.has(Memory.key('duplicate', handle, id), Date.now()),
      trace,
    }
    return { outcome: await runScriptsAsync(scripts, message, context), context }
  }

  #context(recipient: LocalRecipient, { envelope }: Written, message: Version): Context {
    const { name = '', address, home, maildir, original, notify } = recipient
    const { login, ret, envid, by, client } = envelope
    const { environment } = this.options
    return {
      ...siteContext(this.options, this.#lists, { name, home, maildir }),
      envelope: {
        from: envelope.sender ?? returnPath(message),
        to: address ?? name,
        ...(original !== undefined && { originalTo: original, orcpt: original }),
        ...(login !== undefined && { auth: login }),
        ...(notify !== undefined && { notify }),
        ...(ret !== undefined && { ret }),
        ...(envid !== undefined && { envid }),
        ...(by && deadline(by, this.options.clock())),
      },
      ...(client !== undefined && { environment: new Map([...environment, ['remote-ip', client]]) }),
    }
  }
}

/** RFC 6009 §4: the parts of the envelope that tell by when it is to be there. */
function deadline({ at, mode, trace }: NonNullable<LocalEnvelope['by']>, now: number) {
  return {
    byTimeAbsolute: new Date(at).toISOString().replace(/\.\d+Z$/, 'Z'),
    byTimeRelative: String(Math.floor((at - now) / 1000)),
    byMode: mode,
    byTrace: trace ? 'T' : '',
  }
}

/** Who sent it, where the caller does not say: what an earlier delivery has written down. */
function returnPath(message: Version): string {
  const value = message.named('return-path')[0]?.rawValue ?? ''
  const path = parseMailPath(value.trim())
  return path?.domain === undefined ? '' : `${path.local}@${path.domain}`
}
