/** The files of Postfix as they are written: main.cf(5), master.cf(5), postmap(1)'s sources. */
import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { exits, isMissing, MailError } from '../sys/error.js'

/** main.cf: the last setting of a name counts; a line that begins with a blank goes on with the one before. */
export function parseMainCf(text: string): Map<string, string> {
  const settings = new Map<string, string>()
  for (const line of logicalLines(text)) {
    const [, name, value = ''] = /^([\w-]+)\s*=\s*(.*)$/s.exec(line) ?? []
    if (name !== undefined) settings.set(name, value.replace(/\s+/g, ' ').trim())
  }
  return settings
}

/** The lines of master.cf that are services: name, type and command. */
export function parseMasterCf(text: string): { name: string; type: string; command: string }[] {
  return logicalLines(text).flatMap(line => {
    const [name, type, , , , , , ...command] = line.trim().split(/\s+/)
    return name === undefined || type === undefined ? [] : [{ name, type, command: command.join(' ') }]
  })
}

function logicalLines(text: string): string[] {
  const lines: string[] = []
  for (const line of text.split('\n')) {
    if (/^\s*(#|$)/.test(line)) continue
    if (/^\s/.test(line) && lines.length > 0) lines.push(`${lines.pop()} ${line.trim()}`)
    else lines.push(line)
  }
  return lines
}

/** Puts the values of other settings in for `$name`, `${name}` and `$(name)`. */
export function expand(settings: ReadonlyMap<string, string>, value: string, depth = 0): string {
  if (depth > 20) return value
  return value.replace(/\$(?:(\w+)|\{(\w+)\}|\((\w+)\))/g, (_, a, b, c) =>
    expand(settings, settings.get(a ?? b ?? c) ?? '', depth + 1),
  )
}

export interface PostfixMap {
  /** The text that the table is made of. */
  readonly file: string
  readonly entries: readonly (readonly [key: string, value: string])[]
}

/**
 * Reads the maps of a setting: `hash:/etc/postfix/virtual, inline:{…}`.
 *
 * @param moved where /etc/postfix is now
 * @returns what could be read, and what not with the reason
 */
export function readMaps(value: string, moved: string): { maps: PostfixMap[]; trouble: string[] } {
  const maps: PostfixMap[] = []
  const trouble: string[] = []
  for (const item of value.split(/[,\s]+/).filter(each => each !== '')) {
    const [, type = '', path = ''] = /^(\w+):(.*)$/.exec(item) ?? []
    if (!/^(hash|btree|lmdb|cdb|dbm|texthash)$/.test(type)) {
      trouble.push(`${item} is no table that is made of a text file`)
      continue
    }
    const file = path.startsWith('/etc/postfix/')
      ? join(moved, path.slice('/etc/postfix/'.length))
      : resolve(moved, path)
    try {
      maps.push({ file, entries: parseMap(readFileSync(file, 'utf8')) })
    } catch (error) {
      if (!isMissing(error)) throw error
      trouble.push(`${file} is not there`)
    }
  }
  return { maps, trouble }
}

/** `key  value` a line (postmap(1)), or `key: value` (aliases(5)). */
export function parseMap(text: string): [string, string][] {
  return logicalLines(text).flatMap(line => {
    const [, quoted, plain, value = ''] = /^(?:"([^"]+)"|([^\s:]\S*?)):?\s+(.*)$/.exec(line) ?? []
    const key = quoted ?? plain
    return key === undefined ? [] : [[key, value.trim()] as [string, string]]
  })
}

/** @throws MailError (66) */
export function readSource(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw new MailError(`cannot read ${file}`, { exit: exits.noInput, cause: error })
  }
}
