/** dovecot.conf as Dovecot 2.3 and 2.4 read it: settings in nested blocks, other files included. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { readSource } from './import-postfix-files.js'

/** One setting with the blocks it stands in: `['passdb passwd-file', 'passwd_file_path']`. */
export interface DovecotSetting {
  readonly file: string
  readonly path: readonly string[]
  readonly value: string
}

/** Reads a configuration with all that it includes. @param directory where /etc/dovecot is now @throws MailError (66) */
export function readDovecot(directory: string): DovecotSetting[] {
  return new Reader(directory).read(join(directory, 'dovecot.conf'), [])
}

class Reader {
  readonly #directory: string
  readonly #seen = new Set<string>()

  constructor(directory: string) {
    this.#directory = directory
  }

  read(file: string, outside: readonly string[]): DovecotSetting[] {
    if (this.#seen.has(file)) return []
    this.#seen.add(file)
    const settings: DovecotSetting[] = []
    const path = [...outside]
    for (const line of joined(readSource(file))) {
      const include = /^!include(_try)?\s+(\S+)$/.exec(line)
      if (include) {
        for (const each of this.#included(include[2] as string, file)) settings.push(...this.read(each, path))
        continue
      }
      const block = /^([^={}]+?)\s*\{\s*(\}?)$/.exec(line)
      if (block) {
        const name = (block[1] as string).trim()
        // In 2.4 the name of a block is a setting of its own: it may hold nothing else.
        if (block[2] !== '' || /^(passdb|userdb) /.test(name))
          settings.push({ file, path: [...path, name], value: '' })
        if (block[2] === '') path.push(name)
        continue
      }
      if (line === '}') path.splice(Math.max(outside.length, path.length - 1))
      const [, name, value = ''] = /^([^=]+?)\s*=\s*(.*)$/.exec(line) ?? []
      if (name !== undefined) settings.push({ file, path: [...path, name], value: this.#content(value) })
    }
    return settings
  }

  #included(pattern: string, from: string): string[] {
    const path = this.moved(resolve(dirname(from), pattern))
    if (!path.includes('*')) return existsSync(path) ? [path] : []
    const directory = dirname(path)
    const fits = new RegExp(
      `^${path
        .slice(directory.length + 1)
        .replaceAll('.', '\\.')
        .replaceAll('*', '.*')}$`,
    )
    if (!existsSync(directory)) return []
    return readdirSync(directory)
      .filter(name => fits.test(name))
      .sort()
      .map(name => join(directory, name))
  }

  moved(path: string): string {
    return path.startsWith('/etc/dovecot/') ? join(this.#directory, path.slice('/etc/dovecot/'.length)) : path
  }

  /** Quotes go, except around nothing. */
  #content(value: string): string {
    return /^"(.*)"$/.exec(value)?.[1]?.replace(/\\(["\\])/g, '$1') ?? value
  }
}

/** Lines without comments; a backslash at the end joins. `a { b = c }` in one line becomes three. */
function joined(text: string): string[] {
  const lines: string[] = []
  let open = ''
  for (const raw of text.split('\n')) {
    const line = `${open}${raw.replace(/(^|\s)#.*$/, '').trim()}`
    open = line.endsWith('\\') ? `${line.slice(0, -1)} ` : ''
    if (open !== '' || line === '') continue
    const inline = /^([^={}]+)\{\s*([^{}]+?)\s*\}$/.exec(line)
    if (inline) lines.push(`${inline[1]?.trim()} {`, inline[2] as string, '}')
    else lines.push(line)
  }
  return lines
}

/** The lines of a passwd-file. */
export function passwdLines(file: string): string[] | undefined {
  if (!existsSync(file)) return undefined
  return readFileSync(file, 'utf8')
    .split('\n')
    .filter(line => line.trim() !== '' && !line.startsWith('#'))
}
