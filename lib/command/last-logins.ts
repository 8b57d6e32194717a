/**
 * Who logged in last, and from where: one file for each protocol, `logins/PROTOCOL` in the user's home, one JSON object
 * a line, the newest first. One process serves a protocol, so one process writes a file.
 */
import { readdir, readFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { writeAtomic } from '../sys/atomic.js'
import { makeDirectory } from '../sys/directory.js'
import { isMissing } from '../sys/error.js'
import type { Observer } from '../sys/log.js'

export interface LastLogin {
  /** smtp, imap, pop3 or sieve. */
  readonly protocol: string
  readonly address: string
  /** The label of the app password. */
  readonly app?: string
  /** Milliseconds since 1970. */
  readonly time: number
}

/** How many are kept, and how long one may be unwritten, in milliseconds: a webmail logs in at every click. */
const most = 50
const rhythm = 30_000

export class LastLogins {
  readonly #home: (user: string) => string | undefined
  readonly #clock: () => number
  /** Not written yet, by file; by where from. */
  #fresh = new Map<string, Map<string, LastLogin>>()
  #timer: NodeJS.Timeout | undefined
  #writing: Promise<void> = Promise.resolve()

  constructor(home: (user: string) => string | undefined, clock: () => number = Date.now) {
    this.#home = home
    this.#clock = clock
  }

  /** To be told of every event of the log. */
  readonly observe: Observer = (event, { user, protocol, address, app, how }) => {
    // The protocols say it again, in their own words.
    if (event !== 'login' || how === undefined || typeof protocol !== 'string') return
    const home = this.#home(String(user))
    if (home === undefined) return
    const file = join(home, 'logins', protocol)
    const logins = this.#fresh.get(file) ?? new Map<string, LastLogin>()
    const login: LastLogin = {
      protocol,
      address: String(address ?? ''),
      ...(app === undefined ? {} : { app: String(app) }),
      time: this.#clock(),
    }
    logins.set(keyOf(login), login)
    this.#fresh.set(file, logins)
    this.#timer ??= setTimeout(() => void this.write(), rhythm).unref()
  }

  /** Writes down what is not written yet. That it cannot be written changes nothing for the login. */
  write(): Promise<void> {
    clearTimeout(this.#timer)
    this.#timer = undefined
    const fresh = this.#fresh
    this.#fresh = new Map()
    this.#writing = this.#writing.then(async () => {
      for (const [file, logins] of fresh) await merge(file, logins).catch(() => {})
    })
    return this.#writing
  }
}

/** All logins of a user that are remembered, the newest first. */
export async function readLastLogins(home: string): Promise<LastLogin[]> {
  const directory = join(home, 'logins')
  const names = await readdir(directory).catch(error => {
    if (isMissing(error)) return []
    throw error
  })
  const files = names.filter(name => /^[a-z\d]+$/.test(name)).map(name => read(join(directory, name)))
  return (await Promise.all(files)).flat().sort((a, b) => b.time - a.time)
}

function keyOf({ address, app }: LastLogin): string {
  return JSON.stringify([address, app])
}

async function read(file: string): Promise<LastLogin[]> {
  const text = await readFile(file, 'utf8').catch(() => '')
  return text.split('\n').flatMap(line => {
    try {
      const login = JSON.parse(line) as LastLogin
      return typeof login.time === 'number' ? [login] : []
    } catch {
      return []
    }
  })
}

async function merge(file: string, fresh: ReadonlyMap<string, LastLogin>): Promise<void> {
  const old = (await read(file)).filter(login => !fresh.has(keyOf(login)))
  const all = [...fresh.values(), ...old].sort((a, b) => b.time - a.time).slice(0, most)
  makeDirectory(dirname(file), 0o700)
  await writeAtomic(file, all.map(login => `${JSON.stringify(login)}\n`).join(''))
}
