/** What is remembered of an account as a whole: a refused login, a pause the provider asked for, the day's octets. */
import type { Line } from './state-line.js'

/** A provider that asked to come back later. */
export interface Later {
  /** When, in milliseconds since 1970. */
  readonly until: number
  /** How often in a row it asked. */
  readonly times: number
  readonly said: string
}

/** Credentials that were refused, and what the server said to them. */
export interface Refused {
  readonly fingerprint: string
  readonly said: string
}

export class Notes {
  refused: Refused | undefined
  later: Later | undefined
  #day = { date: '', octets: 0, number: 0 }

  /** @returns whether the line was one of these */
  take([kind, ...rest]: Line): boolean {
    if (kind === 'login') {
      const [fingerprint, said] = rest as [string, string]
      this.refused = said === '' ? undefined : { fingerprint, said }
    } else if (kind === 'day') {
      const [date, octets, number = 0] = rest as [string, number, number?]
      this.#day = { date, octets, number }
    } else if (kind === 'later') {
      const [until, times, said] = rest as [number, number, string]
      this.later = until === 0 ? undefined : { until, times, said }
    } else return false
    return true
  }

  /** Octets fetched on a day (`2026-03-15`). */
  spent(date: string): number {
    return this.#day.date === date ? this.#day.octets : 0
  }

  /** The line that notes that octets were fetched. */
  spending(date: string, octets: number): Line {
    return ['day', date, this.spent(date) + octets, this.#number(date)]
  }

  /** Which day of a fetch that the budget spreads over several; 0 where none is under way. */
  #number(date: string): number {
    const { date: last, number } = this.#day
    return number === 0 || date === last ? number : number + 1
  }

  /**
   * Whether something is left for another day.
   *
   * @returns which day this is, 0 where one was enough; and the line that notes it, where there is something to note
   */
  spreading(date: string, isLeft: boolean): { readonly day: number; readonly line: Line | undefined } {
    const number = this.#number(date)
    const next = isLeft ? Math.max(1, number) : 0
    const isNew = next !== this.#day.number || (isLeft && date !== this.#day.date)
    return { day: isLeft ? next : number, line: isNew ? ['day', date, this.spent(date), next] : undefined }
  }

  /** All of it as lines. */
  lines(): Line[] {
    const { date, octets, number } = this.#day
    const lines: Line[] = []
    if (this.refused) lines.push(['login', this.refused.fingerprint, this.refused.said])
    if (date !== '') lines.push(['day', date, octets, number])
    if (this.later) lines.push(['later', this.later.until, this.later.times, this.later.said])
    return lines
  }
}
