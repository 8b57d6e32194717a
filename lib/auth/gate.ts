/** The gate that every login passes: refusals counted, held back and logged, so that fail2ban can read them. */
import { setTimeout as delay } from 'node:timers/promises'
import { exits, MailError } from '../sys/error.js'
import type { Log } from '../sys/log.js'
import { Penalties, penaltyKey } from './penalty.js'

export type Protocol = 'smtp' | 'imap' | 'pop3' | 'sieve'

/** Where a login comes from. */
export interface Origin {
  readonly protocol: Protocol
  /** The peer's address in plain form; empty on a Unix socket. */
  readonly address: string
  /** Whether nobody can listen: TLS, loopback or a Unix socket. The protocol has refused the rest already. */
  readonly secure: boolean
  /** The id of the session, for the log. */
  readonly session?: string
}

/**
 * A login that is refused. The message is for the peer and tells nothing of the user; `temporary` when too many
 * failed before it, and the password was not even looked at.
 */
export class LoginRefused extends MailError {
  override readonly name = 'LoginRefused'

  constructor(temporary: boolean) {
    super(temporary ? 'too many failed logins; try again later' : 'wrong user or password', {
      exit: temporary ? exits.tryAgain : exits.notAllowed,
    })
  }
}

export interface GateOptions {
  readonly log: Log
  /** How long the answer to a first failure is held back, in milliseconds; 0 turns holding and refusing off. */
  readonly penalty: number
  /** In milliseconds. */
  readonly clock?: () => number
  readonly sleep?: (milliseconds: number) => Promise<unknown>
}

export class Gate {
  readonly #log: Log
  readonly #clock: () => number
  readonly #sleep: (milliseconds: number) => Promise<unknown>
  readonly #penalties: Penalties

  constructor(options: GateOptions) {
    this.#log = options.log
    this.#clock = options.clock ?? Date.now
    this.#sleep = options.sleep ?? (milliseconds => delay(milliseconds, undefined, { ref: false }))
    this.#penalties = new Penalties(options.penalty, this.#clock)
  }

  /** Begins a login. @param user the name that counts: the user's, or what was typed where there is none */
  visit(origin: Origin, user: string): Visit {
    const key = penaltyKey(origin.address, user)
    // The address comes before anything that a peer chose, so that nobody can have another one banned.
    const fields = {
      session: origin.session,
      address: origin.address,
      protocol: origin.protocol,
      tls: origin.secure ? undefined : 'no',
      user: user.slice(0, 320),
    }
    const penalties = this.#penalties
    const end = async (temporary: boolean, hold: number, since = this.#clock()): Promise<never> => {
      const left = hold - (this.#clock() - since)
      if (left > 0) await this.#sleep(left)
      throw new LoginRefused(temporary)
    }
    return {
      isRefused: () => penalties.isRefused(key),
      trustsMemory: () => penalties.trustsMemory(key),
      refuse: () => {
        this.#log.warning('login-refused', { ...fields, reason: 'too-many-failures' })
        return end(true, penalties.refuse(key))
      },
      fail: (reason, since) => {
        const { failures, hold } = penalties.fail(key)
        this.#log.warning('login-failed', { ...fields, reason, failures })
        return end(false, hold, since)
      },
      accept: (how, label) => {
        if (how !== 'memory') penalties.forgive(key)
        this.#log.info('login', { ...fields, how, app: label })
      },
    }
  }
}

/** One login at the gate. */
export interface Visit {
  /** Whether too many failed before. */
  isRefused(): boolean
  /** Whether to believe the memory of a login that succeeded lately. */
  trustsMemory(): boolean
  /** Refuses without having looked. @throws LoginRefused always, after a while */
  refuse(): Promise<never>
  /**
   * The password or the proof was wrong.
   *
   * @param since when we began to check it: that is part of the while; now unless told
   * @throws LoginRefused always, after a while that grows
   */
  fail(reason: string, since?: number): Promise<never>
  /** Lets in. @param how by `password`, `memory`, `scram` or `cram` @param label of the app password that was used */
  accept(how: string, label: string | undefined): void
}
