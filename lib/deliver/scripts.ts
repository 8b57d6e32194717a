/** Which scripts a user's mail goes through: the site's, the user's own or the default, the site's again. */
import { readdirSync, readlinkSync, statSync } from 'node:fs'
import { basename, join } from 'node:path'
import { compileScript, type Script } from '../sieve/compile.js'
import { readScriptFile } from '../sieve/scripts.js'
import type { Settings } from '../sieve/settings.js'
import { describe, MailError } from '../sys/error.js'
import type { Log } from '../sys/log.js'

/** How many scripts a process keeps compiled. */
const kept = 500

/** Where scripts are. A folder among `before` and `after` stands for its *.sieve files, in the order of their names. */
export interface ScriptPlaces {
  readonly before: readonly string[]
  readonly after: readonly string[]
  readonly default?: string | undefined
}

/** Compiled scripts, by file; a file that changed is read again. */
export class Scripts {
  readonly #places: ScriptPlaces
  readonly #settings: Settings
  readonly #log: Log
  readonly #compiled = new Map<string, { readonly stamp: string; readonly script: Script }>()
  /** By text: many users may have the same one, and a file may be written again as it was. */
  readonly #texts = new Map<string, Script>()

  constructor(places: ScriptPlaces, settings: Settings, log: Log) {
    this.#places = places
    this.#settings = settings
    this.#log = log
  }

  /** The scripts for the user with this home, in order. */
  of(home: string): readonly Script[] {
    const { before, after, default: usual } = this.#places
    const own =
      this.#read(`${home}/.dovecot.sieve`) ?? (usual === undefined ? undefined : this.#site(usual)[0])
    const site = (paths: readonly string[]) => paths.flatMap(path => this.#site(path))
    return [...site(before), ...(own ? [own] : []), ...site(after)]
  }

  /** The script in a file; undefined where there is none. */
  at(path: string): Script | undefined {
    return this.#read(path)
  }

  /** A script of the site that is missing is a mistake, but nobody's mail waits for it. */
  #site(path: string): Script[] {
    try {
      const isFolder = statSync(path, { throwIfNoEntry: false })?.isDirectory()
      const files = isFolder ? folderFiles(path) : [path]
      return files.flatMap(file => {
        const script = this.#read(file)
        if (!script) this.#log.warning('script-missing', { file })
        return script ? [script] : []
      })
    } catch (error) {
      this.#log.error('script-unreadable', { file: path, reason: describe(error) })
      return []
    }
  }

  /** @returns undefined where there is none */
  #read(path: string): Script | undefined {
    const found = statSync(path, { throwIfNoEntry: false })
    if (!found?.isFile()) return undefined
    const stamp = `${found.dev} ${found.ino} ${found.size} ${found.mtimeMs} ${found.ctimeMs}`
    const cached = this.#compiled.get(path)
    if (cached?.stamp === stamp) return cached.script
    const script = this.#compile(path)
    keep(this.#compiled, path, { stamp, script })
    return script
  }

  /** A script that cannot be read is one that does not compile: the message is kept. */
  #compile(path: string): Script {
    try {
      const { text } = readScriptFile(path)
      const name = nameOf(path)
      const key = `${name}\n${text}`
      const script = this.#texts.get(key) ?? compileScript({ name, text }, this.#settings)
      keep(this.#texts, key, script)
      return script
    } catch (error) {
      if (!(error instanceof MailError)) throw error
      const problem = { script: nameOf(path), line: 0, column: 0, message: describe(error) }
      return { name: nameOf(path), steps: [], extensions: new Set(), errors: [problem], warnings: [] }
    }
  }
}

/** Puts the newest last, and forgets the oldest of too many. */
function keep<Value>(known: Map<string, Value>, key: string, value: Value): void {
  known.delete(key)
  known.set(key, value)
  for (const oldest of known.keys()) {
    if (known.size <= kept) break
    known.delete(oldest)
  }
}

/** What the user calls the script: the name of the file that the link leads to. */
function nameOf(path: string): string {
  try {
    return basename(readlinkSync(path), '.sieve')
  } catch {
    return basename(path, '.sieve')
  }
}

function folderFiles(path: string): string[] {
  return readdirSync(path)
    .filter(name => name.endsWith('.sieve') && !name.startsWith('.'))
    .sort()
    .map(name => join(path, name))
}
