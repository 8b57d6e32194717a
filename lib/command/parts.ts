/** What all servers of a process share: the configuration, the certificate, the users. Each may change while sessions live. */
import { readFile } from 'node:fs/promises'
import { isDeepStrictEqual } from 'node:util'
import { Aliases } from '../auth/aliases.js'
import { BearerTokens } from '../auth/bearer.js'
import { Logins } from '../auth/login.js'
import { Users } from '../auth/users.js'
import type { TlsVersion } from '../config/listeners.js'
import type { Config } from '../config/load.js'
import type { QuotaLimits } from '../mailbox/quota.js'
import { describe, errorCode, exits, MailError } from '../sys/error.js'
import type { Log } from '../sys/log.js'
import { Identity } from '../wire/tls.js'
import { readConfigured, readSecret } from './credentials.js'

/** Who is here, who may come in. */
interface People {
  readonly users: Users
  readonly logins: Logins
  readonly aliases: Aliases
}

/** Ask for a part when it is needed, never keep one: a reload may bring another. */
export class Parts {
  readonly log: Log
  #config: Config
  #people: People
  /** By the oldest version of TLS that a listener takes. */
  #identities = new Map<TlsVersion, Identity>()
  #certificate: Certificate | undefined
  /** Those before a reload. */
  readonly #retired = new Set<People>()

  private constructor(config: Config, log: Log, people: People) {
    this.#config = config
    this.log = log
    this.#people = people
  }

  /**
   * @param withTls whether any listener needs the certificate
   * @throws MailError (78) when the certificate, the key or the users file cannot be used
   */
  static async open(config: Config, log: Log, withTls: boolean): Promise<Parts> {
    const certificate = withTls ? await readCertificate(config) : undefined
    const parts = new Parts(config, log, await openPeople(config, log))
    parts.#certificate = certificate
    return parts
  }

  get config(): Config {
    return this.#config
  }

  /** How much mail a user may have of whom the users file says nothing else. */
  get quota(): QuotaLimits {
    const { quota, quota_messages: messages } = this.#config.mailbox
    return { octets: quota, messages }
  }

  get users(): Users {
    return this.#people.users
  }

  get logins(): Logins {
    return this.#people.logins
  }

  get aliases(): Aliases {
    return this.#people.aliases
  }

  /** The certificate with its key, for listeners that take TLS from `minimum` up; undefined when none needs it. */
  identity(minimum: TlsVersion): Identity | undefined {
    if (!this.#certificate) return undefined
    let identity = this.#identities.get(minimum)
    if (!identity) {
      identity = new Identity({ ...this.#certificate, minimum })
      this.#identities.set(minimum, identity)
    }
    return identity
  }

  /** Takes over another configuration. @throws MailError, and keeps everything as it was */
  async replace(config: Config, withTls: boolean): Promise<void> {
    const certificate = withTls ? await readCertificate(config) : this.#certificate
    const people = samePeople(config, this.#config) ? this.#people : await openPeople(config, this.log)
    this.#config = config
    this.#useCertificate(certificate)
    if (people === this.#people) return
    const old = this.#people
    this.#people = people
    this.#retired.add(old)
    // A login that is just being checked goes on for its moment.
    setTimeout(() => void this.#closePeople(old), peopleGrace).unref()
  }

  async close(): Promise<void> {
    await Promise.all([this.#people, ...this.#retired].map(people => this.#closePeople(people)))
  }

  async #closePeople(people: People): Promise<void> {
    this.#retired.delete(people)
    await people.logins.close()
    await people.aliases.close()
    await people.users.close()
  }

  #useCertificate(certificate: Certificate | undefined): void {
    if (!certificate || isDeepStrictEqual(certificate, this.#certificate)) return
    if (this.#certificate) this.log.info('certificate-replaced', { file: this.#config.tls.certificate })
    this.#certificate = certificate
    for (const identity of this.#identities.values()) identity.replace(certificate)
  }
}

interface Certificate {
  readonly certificate: string
  readonly key: string
}

async function readCertificate({ tls, hostname }: Config): Promise<Certificate> {
  const read = async (file: string, what: string) => {
    try {
      return await readFile(file, 'utf8')
    } catch (error) {
      const advice =
        errorCode(error) === 'ENOENT' ? `; make one with \`mail-cert ca && mail-cert server ${hostname}'` : ''
      throw new MailError(`cannot read the ${what} ${file} (${errorCode(error)})${advice}`, {
        exit: exits.config,
      })
    }
  }
  const pair = { certificate: await read(tls.certificate, 'certificate'), key: await read(tls.key, 'key') }
  try {
    new Identity(pair)
  } catch (error) {
    throw new MailError(
      `${tls.certificate} and ${tls.key} are no certificate and its key: ${describe(error)}`,
      {
        exit: exits.config,
      },
    )
  }
  return pair
}

/** How long the old users are kept after a reload, in milliseconds: longer than any check of a password. */
const peopleGrace = 60_000

function samePeople(a: Config, b: Config): boolean {
  const makesPeople = ({ users, domains, login }: Config) => [users, domains, login.penalty, login.oauth2]
  return isDeepStrictEqual(makesPeople(a), makesPeople(b))
}

async function openPeople(config: Config, log: Log): Promise<People> {
  const { domains } = config
  const { file, home, aliases: aliasesFile, delimiter } = config.users
  const users = await Users.open({ file, home, domain: domains[0] as string, log })
  const aliases = await Aliases.open({ file: aliasesFile, users, domains, delimiter, log })
  const bearer = await openTokens(config)
  return { users, aliases, logins: new Logins({ users, log, penalty: config.login.penalty, bearer }) }
}

async function openTokens({ login }: Config): Promise<BearerTokens | undefined> {
  const { oauth2 } = login
  if (!oauth2) return undefined
  const { introspection_url: introspectionUrl, userinfo_url: userinfoUrl, scope } = oauth2
  const secret = oauth2.client_secret_file
  return new BearerTokens({
    introspectionUrl,
    userinfoUrl,
    scope,
    claim: oauth2.claim ?? (userinfoUrl === undefined ? 'username' : 'email'),
    clientId: oauth2.client_id,
    clientSecret: secret === undefined ? undefined : await readSecret(secret),
    ca: oauth2.ca === undefined ? undefined : await readConfigured(oauth2.ca),
  })
}
