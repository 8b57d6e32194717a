/** Who is here: the users file, read when opened and again whenever it changes. */
import { readFileSync } from 'node:fs'
import { isAbsolute } from 'node:path'
import { describe, exits, isMissing, MailError } from '../sys/error.js'
import type { Log } from '../sys/log.js'
import { Networks } from '../sys/network.js'
import { type Watch, watchFiles } from '../sys/watch.js'
import { expandHome } from './home.js'
import { formatName, type Name, parseName } from './name.js'
import { type Line, parsePasswdFile } from './passwd-file.js'

export interface User {
  /** `local@domain`, lower case: the one name of this user, whatever was typed. */
  readonly name: string
  readonly local: string
  readonly domain: string
  /** Absolute; the Maildir is HOME/Maildir. */
  readonly home: string
  readonly uid?: number
  readonly gid?: number
  /** The full name, from the gecos field. */
  readonly fullName?: string
  /** The extra fields of the user's first line, such as `userdb_quota_rule`. */
  readonly extra: ReadonlyMap<string, string>
}

/** One password of a user. */
export interface Password {
  /** `{SCHEME}hash` as it stands in the file. */
  readonly stored: string
  /** The name of an app password; undefined for the user's own. */
  readonly label: string | undefined
  /** The protocols it is good for; undefined for all. */
  readonly protocols: ReadonlySet<string> | undefined
  /** The networks it is good from (Dovecot's `allow_nets`, where `local` is a Unix socket); undefined for all. */
  readonly networks: readonly string[] | undefined
  /** The last day it was used, `2026-03-15`, as far as the file tells. */
  readonly used: string | undefined
}

export interface UsersOptions {
  /** The passwd-file; it may be missing until the first user is added. */
  readonly file: string
  /** Template of the home directories: `%u` the whole name, `%n` its local part, `%d` its domain, `%%` a per cent sign. */
  readonly home: string
  /** The domain of names without one: the first of `domains`. */
  readonly domain: string
  readonly log: Log
  /** Whether to follow changes of the file; true unless told. */
  readonly watch?: boolean
}

interface Entry {
  readonly user: User
  readonly passwords: readonly Password[]
}

type Table = ReadonlyMap<string, Entry>

export class Users {
  readonly #options: UsersOptions
  readonly #listeners = new Set<() => void>()
  #table: Table = new Map()
  #watch: Watch | undefined

  private constructor(options: UsersOptions) {
    this.#options = options
  }

  /** @throws MailError (78) when the file is there and cannot be read, or the template makes no path */
  static async open(options: UsersOptions): Promise<Users> {
    expandHome(options.home, { local: 'user', domain: 'domain' })
    const users = new Users(options)
    try {
      users.#table = users.#read()
    } catch (error) {
      if (!isMissing(error))
        throw new MailError(`cannot read the users file ${options.file}`, {
          exit: exits.config,
          cause: error,
        })
      options.log.warning('users-file-missing', { file: options.file })
    }
    if (options.watch ?? true) users.#watch = await watchFiles([options.file], () => users.reload())
    return users
  }

  /** The path of the passwd-file. */
  get file(): string {
    return this.#options.file
  }

  /** Finds a user by login name or address, without regard to case; the first of the domains is understood. */
  find(login: string): User | undefined {
    return this.#entry(login)?.user
  }

  /** The passwords of a user, the user's own first. */
  passwords(user: User): readonly Password[] {
    return this.#table.get(user.name)?.passwords ?? []
  }

  /** All users, in the order of the file. */
  *[Symbol.iterator](): Generator<User> {
    for (const { user } of this.#table.values()) yield user
  }

  get size(): number {
    return this.#table.size
  }

  /** Calls `listener` after each change of the file that was taken over. @returns what ends that */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  /** Reads the file again; when it cannot be read, the users known before stay. */
  reload(): void {
    const { file, log } = this.#options
    try {
      this.#table = this.#read()
    } catch (error) {
      log.error('users-file-unreadable', { file, reason: describe(error) })
      return
    }
    log.info('users-file-read', { file, users: this.#table.size })
    for (const listener of this.#listeners) listener()
  }

  async close(): Promise<void> {
    this.#listeners.clear()
    await this.#watch?.close()
  }

  #entry(login: string): Entry | undefined {
    const name = parseName(login, this.#options.domain)
    return name && this.#table.get(formatName(name))
  }

  /** @throws the system's error */
  #read(): Table {
    const { file, log } = this.#options
    const table = new Map<string, { user: User; passwords: Password[] }>()
    for (const [index, { line, problem }] of parsePasswdFile(readFileSync(file, 'utf8')).entries()) {
      const skip = (reason: string) =>
        log.warning('users-file-line-skipped', { file, line: index + 1, reason })
      if (problem !== undefined) skip(problem)
      if (!line) continue
      const name = parseName(line.user, this.#options.domain)
      if (!name) {
        skip('not a user name')
        continue
      }
      const key = formatName(name)
      const password = passwordOf(line, skip)
      const known = table.get(key)
      if (known) known.passwords.push(...password)
      else table.set(key, { user: this.#userOf(line, name), passwords: password })
    }
    return table
  }

  #userOf(line: Line, name: Name): User {
    const own = line.extra.get('userdb_home') ?? line.home
    const uid = numberOf(line.uid)
    const gid = numberOf(line.gid)
    return {
      name: formatName(name),
      ...name,
      home: isAbsolute(own) ? own : expandHome(this.#options.home, name),
      ...(uid === undefined ? {} : { uid }),
      ...(gid === undefined ? {} : { gid }),
      ...(line.gecos === '' ? {} : { fullName: line.gecos.split(',')[0] as string }),
      extra: line.extra,
    }
  }
}

/** None for a user who may not log in. Limits that cannot be read let nobody in. */
function passwordOf(line: Line, complain: (reason: string) => void): Password[] {
  const { password, extra } = line
  if (password === '' || extra.has('nologin')) return []
  const networks = listOf(extra.get('allow_nets'))
  try {
    new Networks(networks?.filter(network => network !== 'local') ?? [])
  } catch (error) {
    complain(describe(error))
    return []
  }
  return [
    {
      stored: password,
      label: extra.get('postern_label'),
      protocols: setOf(extra.get('postern_protocols')),
      networks,
      used: extra.get('postern_used'),
    },
  ]
}

function listOf(text: string | undefined): string[] | undefined {
  return text?.split(',').filter(item => item !== '')
}

function setOf(text: string | undefined): Set<string> | undefined {
  const list = listOf(text?.toLowerCase())
  return list && new Set(list)
}

function numberOf(text: string): number | undefined {
  return /^\d{1,10}$/.test(text) ? Number(text) : undefined
}
