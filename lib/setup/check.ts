/** What is wrong with a mail server: each finding says what, where, and what to do. */

/** error: mail is lost, refused or open to others, or will be soon; warning: it should be looked at. */
export type Level = 'error' | 'warning'

export interface Finding {
  readonly level: Level
  /** Which check: `configuration`, `modes`, `certificate` … */
  readonly check: string
  /** A file, a directory, a listener. */
  readonly where: string
  readonly what: string
  /** What to do. */
  readonly advice: string
  /** Mends it, where that can harm nothing. */
  readonly repair?: () => Promise<void>
}

/** Findings of one check. */
export type Findings = AsyncIterable<Finding>

/** One line for people and logs. */
export function formatFinding({ level, where, what, advice }: Finding, repaired = false): string {
  return `${repaired ? 'repaired' : level}: ${where}: ${what}${repaired ? '' : `; ${advice}`}`
}

/** `3 days`, `2 hours`: the largest unit that fits. @param ms milliseconds */
export function formatAge(ms: number): string {
  const units: [number, string][] = [
    [86_400_000, 'day'],
    [3_600_000, 'hour'],
    [60_000, 'minute'],
  ]
  for (const [length, name] of units)
    if (ms >= length) {
      const count = Math.floor(ms / length)
      return `${count} ${name}${count === 1 ? '' : 's'}`
    }
  return 'less than a minute'
}
