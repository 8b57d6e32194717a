/** Logins: by password, checked on a thread or remembered, and by proof. */
import { describe, TemporaryError } from '../sys/error.js'
import type { Log } from '../sys/log.js'
import { Networks } from '../sys/network.js'
import type { BearerTokens } from './bearer.js'
import { Checker } from './checker.js'
import { Gate, type GateOptions, type Origin, type Visit } from './gate.js'
import { Memory } from './memory.js'
import { fold } from './name.js'
import { isSlow } from './password.js'
import { apopOf, type CramKey, cramOf, installationSecret, madeUpKeys, scramOf } from './proof.js'
import type { ScramKeys } from './schemes.js'
import type { Password, User, Users } from './users.js'
import { Uses } from './uses.js'

export interface Credentials extends Origin {
  readonly user: string
  readonly password: string
}

/** A login by proof instead of password: its keys first, then what came of them. */
export interface Attempt<Keys> {
  readonly keys: Keys
  /** The proof was right. @throws LoginRefused when the keys were made up, or too many failed meanwhile */
  accept(): Promise<User>
  /** The proof was wrong: counts, logs and holds back. @throws LoginRefused always */
  refuse(): Promise<never>
}

/** What the SASL mechanisms of lib/wire/sasl.ts ask. */
export interface LoginVerifier {
  password(user: string, password: string): Promise<User>
  scram(user: string): Promise<Attempt<ScramKeys>>
  cram(user: string): Promise<Attempt<readonly CramKey[]>>
  /** For POP3's APOP: computes the digest of a banner (RFC 1939 §7); only passwords kept in the clear can. */
  apop(user: string): Promise<Attempt<readonly CramKey[]>>
  /** Checks an access token; there only where the configuration says who issues them. */
  bearer?: (user: string | undefined, token: string) => Promise<User>
}

export interface LoginsOptions extends GateOptions {
  readonly users: Users
  readonly checker?: Pick<Checker, 'check' | 'close'>
  /** Who knows access tokens. */
  readonly bearer?: Pick<BearerTokens, 'check'> | undefined
}

/** One login under way. */
interface Caller {
  readonly visit: Visit
  /** The user's name, or what was typed. */
  readonly name: string
  readonly user: User | undefined
  /** Those that are good for this protocol and from this address, the quick ones first. */
  readonly passwords: readonly Password[]
}

/** Costs what a wrong password costs, where there is no user to take a hash from: no password fits. */
const nobody =
  '{ARGON2ID}$argon2id$v=19$m=47104,t=1,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA'

export class Logins {
  readonly #users: Users
  readonly #log: Log
  readonly #clock: () => number
  readonly #gate: Gate
  readonly #memory: Memory
  readonly #checker: Pick<Checker, 'check' | 'close'>
  readonly #bearer: Pick<BearerTokens, 'check'> | undefined
  readonly #secret: Buffer
  readonly #uses: Uses
  readonly #stopFollowing: () => void
  #typical: string | undefined

  constructor(options: LoginsOptions) {
    this.#users = options.users
    this.#log = options.log
    this.#clock = options.clock ?? Date.now
    this.#gate = new Gate(options)
    this.#memory = new Memory(this.#clock)
    this.#checker = options.checker ?? new Checker()
    this.#bearer = options.bearer
    this.#uses = new Uses(options.users.file, options.log)
    this.#secret = installationSecret(options.users.file)
    this.#stopFollowing = options.users.onChange(() => {
      this.#memory.clear()
      this.#typical = undefined
    })
  }

  /**
   * Checks a password.
   *
   * @throws LoginRefused after the penalty's time: wrong (77), or temporarily (75) since too many failed before
   * @throws TemporaryError when this machine is too busy to check
   */
  async verify(credentials: Credentials): Promise<User> {
    const { password } = credentials
    const caller = this.#caller(credentials, credentials.user)
    const { visit, user } = caller
    if (user && visit.trustsMemory()) {
      const known = caller.passwords.find(each => this.#memory.has(this.#digest(caller, password, each)))
      if (known) return this.#accept(caller, user, known, 'memory')
    }
    if (visit.isRefused()) return visit.refuse()
    const since = this.#clock()
    const right = await this.#check(caller, password)
    // Others may have failed while this one was computed: guesses side by side gain nothing.
    if (visit.isRefused()) return visit.refuse()
    if (!user) return visit.fail('unknown-user', since)
    if (!right)
      return visit.fail(caller.passwords.length > 0 ? 'wrong-password' : 'no-password-for-this', since)
    this.#memory.add(this.#digest(caller, password, right))
    return this.#accept(caller, user, right, 'password')
  }

  /** The callbacks for the SASL mechanisms of one session. */
  verifier(origin: Origin): LoginVerifier {
    return {
      password: (user, password) => this.verify({ ...origin, user, password }),
      scram: user => this.#scram(this.#caller(origin, user)),
      cram: user => this.#digestOf(this.#caller(origin, user), 'cram', cramOf),
      apop: user => this.#digestOf(this.#caller(origin, user), 'apop', apopOf),
      ...(this.#bearer && { bearer: (user, token) => this.#token(origin, user, token) }),
    }
  }

  async close(): Promise<void> {
    this.#stopFollowing()
    this.#memory.clear()
    await Promise.all([this.#checker.close(), this.#uses.close()])
  }

  #caller(origin: Origin, typed: string): Caller {
    const user = this.#users.find(typed)
    const name = user?.name ?? fold(typed)
    const passwords = user ? this.#users.passwords(user).filter(password => isGoodFor(password, origin)) : []
    return {
      visit: this.#gate.visit(origin, name),
      name,
      user,
      passwords: [...passwords].sort((a, b) => Number(isSlow(a.stored)) - Number(isSlow(b.stored))),
    }
  }

  /** @returns the password that fits; always after as much work as a wrong password makes */
  async #check(caller: Caller, password: string): Promise<Password | undefined> {
    for (const each of caller.passwords) if (await this.#fits(caller, password, each.stored)) return each
    if (caller.passwords.some(each => isSlow(each.stored))) return undefined
    this.#typical ??= typicalOf(this.#users)
    await this.#fits(caller, password, this.#typical)
    return undefined
  }

  async #fits(caller: Caller, password: string, stored: string): Promise<boolean> {
    try {
      return await this.#checker.check(stored, password, this.#memory.digest(caller.name, password, stored))
    } catch (error) {
      if (error instanceof TemporaryError) throw error
      this.#log.warning('password-unusable', { user: caller.name, reason: describe(error) })
      return false
    }
  }

  async #scram(caller: Caller): Promise<Attempt<ScramKeys>> {
    const { visit, user } = caller
    if (visit.isRefused()) return visit.refuse()
    const found = scramOf(caller.passwords)
    return {
      keys: found?.keys ?? madeUpKeys(this.#secret, caller.name),
      refuse: () => visit.fail(user ? (found ? 'wrong-proof' : 'no-scram-keys') : 'unknown-user'),
      accept: async () => {
        if (visit.isRefused()) return visit.refuse()
        return user && found ? this.#accept(caller, user, found.password, 'scram') : visit.fail('wrong-proof')
      },
    }
  }

  async #digestOf(
    caller: Caller,
    how: 'cram' | 'apop',
    keysOf: (passwords: readonly Password[]) => CramKey[],
  ): Promise<Attempt<readonly CramKey[]>> {
    const { visit, user } = caller
    if (visit.isRefused()) return visit.refuse()
    const keys = keysOf(caller.passwords)
    return {
      keys,
      refuse: () => visit.fail(user ? (keys.length > 0 ? 'wrong-proof' : `no-${how}-keys`) : 'unknown-user'),
      accept: async () => {
        if (visit.isRefused()) return visit.refuse()
        return user ? this.#accept(caller, user, undefined, how) : visit.fail('wrong-proof')
      },
    }
  }

  /** @param typed whom the client says it is; undefined where it leaves that to the token */
  async #token(origin: Origin, typed: string | undefined, token: string): Promise<User> {
    const { visit, name } = this.#caller(origin, typed ?? '')
    if (visit.isRefused()) return visit.refuse()
    const claimed = await this.#claimOf(token, name)
    if (claimed === undefined) return visit.fail('wrong-token')
    const user = this.#users.find(claimed)
    if (!user) return visit.fail('unknown-user')
    if (typed !== undefined && name !== user.name) return visit.fail('token-of-another')
    return this.#accept(this.#caller(origin, user.name), user, undefined, 'token')
  }

  async #claimOf(token: string, user: string): Promise<string | undefined> {
    try {
      return await this.#bearer?.check(token)
    } catch (error) {
      this.#log.warning('token-unchecked', { user, reason: describe(error) })
      throw error
    }
  }

  #accept(caller: Caller, user: User, password: Password | undefined, how: string): User {
    caller.visit.accept(how, password?.label)
    if (password?.label !== undefined) this.#uses.note(user, password, new Date(this.#clock()))
    return user
  }

  #digest(caller: Caller, password: string, { stored }: Password): string {
    return this.#memory.digest(caller.name, password, stored)
  }
}

function isGoodFor({ protocols, networks }: Password, { protocol, address }: Origin): boolean {
  if (protocols && !protocols.has(protocol)) return false
  if (!networks) return true
  if (address === '') return networks.includes('local')
  return new Networks(networks.filter(network => network !== 'local')).has(address)
}

/** The hash of the slow scheme that most users have: to check it costs what most wrong passwords cost. */
function typicalOf(users: Users): string {
  const kinds = new Map<string, { stored: string; count: number }>()
  for (const user of users)
    for (const { stored } of users.passwords(user)) {
      const kind = /^\{[^}]*\}/.exec(stored)?.[0] ?? ''
      if (isSlow(stored)) kinds.set(kind, { stored, count: (kinds.get(kind)?.count ?? 0) + 1 })
    }
  return [...kinds.values()].sort((a, b) => b.count - a.count)[0]?.stored ?? nobody
}
