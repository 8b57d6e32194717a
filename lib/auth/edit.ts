/** Changes of the users file: what is not touched stays as it was written, comments and broken lines too. */
import { access, constants, readFile, realpath, stat } from 'node:fs/promises'
import { dirname } from 'node:path'
import { type Ownership, writeAtomic } from '../sys/atomic.js'
import { errorCode, exits, isFull, isMissing, MailError } from '../sys/error.js'
import { lock } from '../sys/lock.js'
import { formatName, parseName } from './name.js'
import { formatLine, type Line, type Parsed, parsePasswdFile } from './passwd-file.js'

/** How long to wait for another editor, in milliseconds: longer than what a dead one leaves behind is believed. */
const patience = 15_000

/**
 * Changes a text file as a whole: under a lock, atomically, with its mode and owner kept; a file that is not there
 * begins empty, for the owner of its directory.
 *
 * @param edit gives the new text, or undefined to leave the file alone
 * @throws MailError (73, 77) when it cannot be written @throws TemporaryError when another process holds the lock
 */
export async function editFile(path: string, edit: (text: string) => string | undefined): Promise<void> {
  try {
    const target = await realpath(path).catch(error => (isMissing(error) ? path : Promise.reject(error)))
    // Asked first, since the lock would wait for what never comes.
    await access(dirname(target), constants.W_OK | constants.X_OK)
    const held = await lock(target, patience)
    try {
      const before = await stat(target).catch(error => (isMissing(error) ? undefined : Promise.reject(error)))
      const text = before ? await readFile(target, 'utf8') : ''
      const changed = edit(text)
      if (changed === undefined || (before && changed === text)) return
      await writeAtomic(target, changed, before ?? (await ownershipIn(dirname(target))))
    } finally {
      await held.release()
    }
  } catch (error) {
    throw explain(path, error)
  }
}

async function ownershipIn(directory: string): Promise<Ownership> {
  if (process.geteuid?.() !== 0)
    return { mode: 0o600, uid: process.geteuid?.() ?? -1, gid: process.getegid?.() ?? -1 }
  const { uid, gid } = await stat(directory)
  // Root makes it for a server that runs as somebody else, who shows by owning the directory or its group.
  return { mode: gid === 0 ? 0o600 : 0o640, uid, gid }
}

function explain(path: string, error: unknown): unknown {
  const code = errorCode(error)
  if (error instanceof MailError || code === undefined) return error
  const isDenied = code === 'EACCES' || code === 'EPERM'
  const reason = isDenied ? 'this user may not write it, or not into its directory' : undefined
  return new MailError(reason ? `cannot change ${path}: ${reason}` : `cannot change ${path}`, {
    exit: isDenied ? exits.notAllowed : isFull(error) ? exits.tryAgain : exits.cannotCreate,
    ...(reason ? {} : { cause: error }),
  })
}

/** The users file, read for a change. */
export class UsersEdit {
  #lines: Parsed[]
  readonly #domain: string

  /** @param domain of names without one; '' where only the file is known, and a bare name is a whole one */
  constructor(text: string, domain: string) {
    this.#lines = parsePasswdFile(text)
    this.#domain = domain
  }

  /** The whole new text. */
  toString(): string {
    return this.#lines.map(({ text }) => `${text}\n`).join('')
  }

  /** All users with their lines, in the order of the file. */
  users(): Map<string, Line[]> {
    const users = new Map<string, Line[]>()
    for (const { line } of this.#lines) {
      const name = line && parseName(line.user, this.#domain)
      if (line && name) users.set(formatName(name), [...(users.get(formatName(name)) ?? []), line])
    }
    return users
  }

  /** Lines that can be nobody's, counted from 1, with what is wrong. */
  problems(): { line: number; reason: string }[] {
    return this.#lines.flatMap(({ line, problem }, at) => {
      const isNobody = line && !parseName(line.user, this.#domain)
      const reason = problem ?? (isNobody ? 'this is no user name' : undefined)
      return reason === undefined ? [] : [{ line: at + 1, reason }]
    })
  }

  /** The lines of a user in the order of the file. @throws MailError (67) when there is none */
  linesOf(user: string): Line[] {
    return this.#positions(user).map(at => this.#at(at))
  }

  has(user: string): boolean {
    return this.#find(user).length > 0
  }

  /** @throws MailError (73) when the user is there already, (65) when that can be nobody's name */
  add(user: string, password: string, fields: Partial<Omit<Line, 'user' | 'password'>> = {}): void {
    if (this.has(user)) throw new MailError(`${user} is there already`, { exit: exits.cannotCreate })
    for (const [field, value] of Object.entries(fields))
      if (typeof value === 'string' && /[:\p{Cc}]/u.test(value))
        throw new MailError(`the ${field} "${value}" holds a colon or a control character`, {
          exit: exits.data,
        })
    this.#insert(this.#lines.length, { ...blank, ...fields, user: this.#nameOf(user), password })
  }

  /** Replaces the user's own password, and with it any other line that has no label. @throws MailError (67) */
  setPassword(user: string, password: string): void {
    const positions = this.#positions(user)
    const [own, ...more] = positions.filter(at => !labelOf(this.#at(at)))
    const first = this.#at(positions[0] as number)
    if (own === undefined) this.#insert(positions[0] as number, { ...first, password, extra: new Map() })
    else this.#replace(own, { password })
    this.#remove(more)
  }

  /** Removes all lines of a user. @throws MailError (67) */
  remove(user: string): void {
    this.#remove(this.#positions(user))
  }

  /** Adds an app password after the user's other lines. @throws MailError (67), (73) when the label is taken */
  addAppPassword(user: string, password: string, extra: ReadonlyMap<string, string>): void {
    const positions = this.#positions(user)
    const label = extra.get('postern_label')
    if (positions.some(at => labelOf(this.#at(at)) === label))
      throw new MailError(`${user} has an app password "${label}" already`, { exit: exits.cannotCreate })
    const last = positions.at(-1) as number
    this.#insert(last + 1, { ...blank, user: this.#at(last).user, password, extra })
  }

  /** @throws MailError (67) when the user has no such app password */
  removeAppPassword(user: string, label: string): void {
    const positions = this.#positions(user).filter(at => labelOf(this.#at(at)) === label)
    if (positions.length === 0)
      throw new MailError(`${user} has no app password "${label}"`, { exit: exits.noUser })
    this.#remove(positions)
  }

  /** Notes the day on which a password was used last; does nothing when it is gone. */
  noteUse(user: string, password: string, day: string): void {
    for (const at of this.#find(user)) {
      const line = this.#at(at)
      if (line.password === password)
        this.#replace(at, { extra: new Map([...line.extra, ['postern_used', day]]) })
    }
  }

  #find(user: string): number[] {
    const wanted = this.#nameOf(user)
    return [...this.#lines.keys()].filter(at => {
      const line = this.#lines[at]?.line
      const name = line && parseName(line.user, this.#domain)
      return name !== undefined && formatName(name) === wanted
    })
  }

  /** A line that is known to name a user. */
  #at(position: number): Line {
    return this.#lines[position]?.line as Line
  }

  #positions(user: string): number[] {
    const positions = this.#find(user)
    if (positions.length === 0) throw new MailError(`there is no user ${user}`, { exit: exits.noUser })
    return positions
  }

  #nameOf(user: string): string {
    const name = parseName(user, this.#domain)
    if (name) return formatName(name)
    throw new MailError(
      `"${user}" can be nobody's name; write NAME or NAME@DOMAIN, without spaces or slashes`,
      {
        exit: exits.data,
      },
    )
  }

  #insert(at: number, line: Line): void {
    this.#lines.splice(at, 0, { text: formatLine(line), line })
  }

  #replace(at: number, change: Partial<Line>): void {
    const line = { ...this.#at(at), ...change }
    this.#lines[at] = { text: formatLine(line), line }
  }

  #remove(positions: readonly number[]): void {
    this.#lines = this.#lines.filter((_, at) => !positions.includes(at))
  }
}

const blank = { uid: '', gid: '', gecos: '', home: '', shell: '', extra: new Map<string, string>() }

function labelOf(line: Line): string | undefined {
  return line.extra.get('postern_label')
}
