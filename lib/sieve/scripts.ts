/**
 * A user's scripts on disk, as Dovecot keeps them: `sieve/NAME.sieve` in the home directory, and `.dovecot.sieve`, a
 * link to the active one (relative, so that a home may move). A `.dovecot.sieve` that is a file and no link is a script
 * that somebody wrote by hand: it is active, and kept as `dovecot.orig` when another one becomes active.
 *
 * Each change is one rename: who reads, or a crash, finds the old state or the new one.
 */
import { randomBytes } from 'node:crypto'
import { readFileSync, readlinkSync } from 'node:fs'
import { lstat, readdir, readFile, readlink, rename, rm, stat, symlink } from 'node:fs/promises'
import { basename, dirname, join, relative, resolve } from 'node:path'
import { syncDirectory, writeAtomic } from '../sys/atomic.js'
import { makeDirectory } from '../sys/directory.js'
import { errorCode, exits, isMissing, MailError } from '../sys/error.js'
import type { Source } from './context.js'
import { isScriptName } from './script-name.js'

export interface ScriptEntry {
  readonly name: string
  readonly active: boolean
  /** Octets. */
  readonly size: number
}

export interface ScriptLimits {
  readonly maxScriptSize: number
  readonly maxScripts: number
  /** Of all scripts together. */
  readonly maxStorage: number
}

/** What a script folder refuses, by a reason that protocols have codes for (RFC 5804 §1.3). */
export class ScriptRefused extends MailError {
  override readonly name = 'ScriptRefused'
  readonly reason: 'nonexistent' | 'already-exists' | 'active' | 'name' | 'max-size' | 'max-scripts' | 'quota'

  constructor(reason: ScriptRefused['reason'], message: string) {
    super(message, { exit: exits.data })
    this.reason = reason
  }
}

const suffix = '.sieve'
/** What a hand-written `.dovecot.sieve` is called once it is no longer active. */
const original = 'dovecot.orig'

export class ScriptFolder {
  readonly #directory: string
  readonly #link: string
  readonly #limits: ScriptLimits

  /** @param home the user's; it need not exist yet */
  constructor(home: string, limits: ScriptLimits) {
    this.#directory = join(home, 'sieve')
    this.#link = join(home, `.dovecot${suffix}`)
    this.#limits = limits
  }

  /** All scripts, by name. A hand-written active script is not among them. */
  async list(): Promise<readonly ScriptEntry[]> {
    const active = await this.activeName()
    const names = (await readdirOrNone(this.#directory))
      .filter(file => file.endsWith(suffix))
      .map(file => file.slice(0, -suffix.length))
      .filter(isScriptName)
      .sort()
    const entries: ScriptEntry[] = []
    for (const name of names) {
      const info = await stat(this.#path(name)).catch(ignoreMissing)
      if (info?.isFile()) entries.push({ name, active: name === active, size: info.size })
    }
    return entries
  }

  /** @throws ScriptRefused (nonexistent, name) */
  async read(name: string): Promise<Buffer> {
    const octets = await readFile(this.#path(name)).catch(ignoreMissing)
    if (!octets) throw missing(name)
    return octets
  }

  /** Whether a script of that size would fit under that name. @throws ScriptRefused when it would not */
  async checkSpace(name: string, size: number): Promise<void> {
    this.#path(name)
    const { maxScriptSize, maxScripts, maxStorage } = this.#limits
    if (maxScriptSize > 0 && size > maxScriptSize)
      throw new ScriptRefused('max-size', `a script may have at most ${maxScriptSize} octets`)
    const others = (await this.list()).filter(entry => entry.name !== name)
    if (maxScripts > 0 && others.length >= maxScripts)
      throw new ScriptRefused('max-scripts', `there may be at most ${maxScripts} scripts`)
    const used = others.reduce((sum, entry) => sum + entry.size, 0)
    if (maxStorage > 0 && used + size > maxStorage)
      throw new ScriptRefused('quota', `scripts may have at most ${maxStorage} octets together`)
  }

  /** Stores a script, new or in place of the old one of that name. @throws ScriptRefused */
  async write(name: string, octets: Buffer): Promise<void> {
    await this.checkSpace(name, octets.length)
    makeDirectory(this.#directory, 0o700)
    await writeAtomic(this.#path(name), octets)
  }

  /** @throws ScriptRefused (nonexistent, active) */
  async remove(name: string): Promise<void> {
    const path = this.#path(name)
    if (!(await stat(path).catch(ignoreMissing))) throw missing(name)
    if ((await this.activeName()) === name)
      throw new ScriptRefused('active', `the script "${name}" is active; make another one active first`)
    await rm(path, { force: true })
    await syncDirectory(this.#directory)
  }

  /** Renames a script; the active one stays active. @throws ScriptRefused (nonexistent, already-exists) */
  async rename(from: string, to: string): Promise<void> {
    const [old, now] = [this.#path(from), this.#path(to)]
    if (!(await stat(old).catch(ignoreMissing))) throw missing(from)
    if (await lstat(now).catch(ignoreMissing))
      throw new ScriptRefused('already-exists', `there is a script "${to}" already`)
    const wasActive = (await this.activeName()) === from
    // Under both names for a moment, so that the link never points nowhere.
    if (wasActive) await writeAtomic(now, await readFile(old))
    else await rename(old, now)
    if (wasActive) {
      await this.#pointTo(to)
      await rm(old, { force: true })
    }
    await syncDirectory(this.#directory)
  }

  /** Makes a script the active one. @throws ScriptRefused (nonexistent) */
  async activate(name: string): Promise<void> {
    if (!(await stat(this.#path(name)).catch(ignoreMissing))) throw missing(name)
    await this.#keepOriginal()
    await this.#pointTo(name)
  }

  /** Makes no script active. */
  async deactivate(): Promise<void> {
    await this.#keepOriginal()
    await rm(this.#link, { force: true })
    await syncDirectory(dirname(this.#link)).catch(ignoreMissing)
  }

  /** The name of the active script; undefined where there is none, or one that is none of these. */
  async activeName(): Promise<string | undefined> {
    return this.#nameOf(await readlink(this.#link).catch(ignoreNoLink))
  }

  /** The active script, wherever the link points; undefined where there is none. Synchronous: a delivery asks. */
  active(): Source | undefined {
    const target = attempt(() => readlinkSync(this.#link))
    const octets = attempt(() => readFileSync(this.#link))
    return (
      octets && { name: this.#nameOf(target) ?? basename(target ?? this.#link, suffix), text: decode(octets) }
    )
  }

  /** A script by name, for `include :personal`. */
  source(name: string): Source | undefined {
    return readSource(this.#directory, name)
  }

  #nameOf(target: string | undefined): string | undefined {
    if (target === undefined || !target.endsWith(suffix)) return undefined
    const path = resolve(dirname(this.#link), target)
    return dirname(path) === this.#directory ? basename(path, suffix) : undefined
  }

  #path(name: string): string {
    if (!isScriptName(name))
      throw new ScriptRefused('name', `${JSON.stringify(name)} cannot be the name of a script`)
    return join(this.#directory, name + suffix)
  }

  async #pointTo(name: string): Promise<void> {
    const home = dirname(this.#link)
    const temporary = join(home, `.dovecot${suffix}.${randomBytes(6).toString('hex')}`)
    await symlink(relative(home, this.#path(name)), temporary)
    await rename(temporary, this.#link)
    await syncDirectory(home)
  }

  /** Keeps a script that somebody wrote in the link's place. */
  async #keepOriginal(): Promise<void> {
    const info = await lstat(this.#link).catch(ignoreMissing)
    if (!info?.isFile()) return
    makeDirectory(this.#directory, 0o700)
    await rename(this.#link, join(this.#directory, original + suffix))
    await syncDirectory(this.#directory)
  }
}

/** The script of that name in a folder; undefined where there is none. */
export function readSource(directory: string, name: string): Source | undefined {
  if (!isScriptName(name)) return undefined
  const octets = attempt(() => readFileSync(join(directory, name + suffix)))
  return octets && { name, text: decode(octets) }
}

/** The script in a file, named after it. @throws MailError (66) when it cannot be read */
export function readScriptFile(path: string): Source {
  try {
    return { name: basename(path, suffix), text: decode(readFileSync(path)) }
  } catch (error) {
    throw new MailError(`cannot read the script ${path}`, { exit: exits.noInput, cause: error })
  }
}

/** A script's text: UTF-8 (RFC 5228 §2.1); octets that are not show as U+FFFD and are warned of. */
export function decode(octets: Buffer): string {
  return octets.toString('utf8')
}

function missing(name: string): ScriptRefused {
  return new ScriptRefused('nonexistent', `there is no script "${name}"`)
}

function attempt<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch (error) {
    return ignoreNoLink(error)
  }
}

function ignoreMissing(error: unknown): undefined {
  if (!isMissing(error)) throw error
  return undefined
}

/** EINVAL: a file that is no link. */
function ignoreNoLink(error: unknown): undefined {
  return errorCode(error) === 'EINVAL' ? undefined : ignoreMissing(error)
}

async function readdirOrNone(directory: string): Promise<string[]> {
  return (await readdir(directory).catch(ignoreMissing)) ?? []
}
