/** What was said in attempts that failed: kept beside an entry for people to read; nothing else depends on it. */
import { chownSync, readFileSync, writeFileSync } from 'node:fs'
import { isMissing } from '../sys/error.js'
import type { Owner } from './files.js'

export interface Attempt {
  /** When it ended, in milliseconds since 1970. */
  readonly at: number
  /** The host and port spoken to. */
  readonly host: string
  readonly recipients: readonly string[]
  /** Each line begins with `C: `, `S: ` or `# `; secrets are left out by who recorded it. */
  readonly lines: readonly string[]
}

/** How many attempts are kept of an entry, lines of each, and characters of a line. */
const most = { attempts: 10, lines: 200, characters: 500 }

/** Adds an attempt, dropping the oldest beyond ten. */
export function recordAttempt(path: string, attempt: Attempt, owner: Owner | undefined): void {
  const lines = attempt.lines.map(line =>
    line.length > most.characters ? `${line.slice(0, most.characters)}…` : line,
  )
  const kept =
    lines.length > most.lines ? [...lines.slice(0, 20), '# …', ...lines.slice(20 - most.lines)] : lines
  const all = [...readAttempts(path), { ...attempt, lines: kept }].slice(-most.attempts)
  writeFileSync(path, all.map(each => `${JSON.stringify(each)}\n`).join(''), { mode: 0o600 })
  if (owner) chownSync(path, owner.uid, owner.gid)
}

/** The attempts kept, oldest first; lines that a crash cut short are left out. */
export function readAttempts(path: string): Attempt[] {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    if (isMissing(error)) return []
    throw error
  }
  return text.split('\n').flatMap(line => {
    try {
      return line === '' ? [] : [JSON.parse(line) as Attempt]
    } catch {
      return []
    }
  })
}
