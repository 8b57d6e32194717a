/** What all servers of a process share: the configuration, the certificate, the users. Each may change while sessions live. */
import { readFile } from 'node:fs/promises'
import { isDeepStrictEqual } from 'node:util'
import { Users } from '../auth/users.js'
import type { TlsVersion } from '../config/listeners.js'
import type { Config } from '../config/load.js'
import { describe, errorCode, exits, MailError } from '../sys/error.js'
import type { Log } from '../sys/log.js'
import { Identity } from '../wire/tls.js'

/** Ask for a part when it is needed, never keep one: a reload may bring another. */
export class Parts {
  readonly log: Log
  #config: Config
  #users: Users
  /** By the oldest version of TLS that a listener takes. */
  #identities = new Map<TlsVersion, Identity>()
  #certificate: Certificate | undefined

  private constructor(config: Config, log: Log, users: Users) {
    this.#config = config
    this.log = log
    this.#users = users
  }

  /**
   * @param withTls whether any listener needs the certificate
   * @throws MailError (78) when the certificate, the key or the users file cannot be used
   */
  static async open(config: Config, log: Log, withTls: boolean): Promise<Parts> {
    const certificate = withTls ? await readCertificate(config) : undefined
    const parts = new Parts(config, log, await openUsers(config, log))
    parts.#certificate = certificate
    return parts
  }

  get config(): Config {
    return this.#config
  }

  get users(): Users {
    return this.#users
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
    const before = this.#config
    const sameUsers = isDeepStrictEqual([config.users, config.domains[0]], [before.users, before.domains[0]])
    const users = sameUsers ? this.#users : await openUsers(config, this.log)
    this.#config = config
    this.#useCertificate(certificate)
    if (users === this.#users) return
    const old = this.#users
    this.#users = users
    await old.close()
  }

  /** Reads the certificate again. @throws MailError, and keeps the old one */
  async renew(): Promise<void> {
    if (this.#certificate) this.#useCertificate(await readCertificate(this.#config))
  }

  async close(): Promise<void> {
    await this.#users.close()
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

function openUsers(config: Config, log: Log): Promise<Users> {
  const { file, home } = config.users
  return Users.open({ file, home, domain: config.domains[0] as string, log })
}
