/** A time to deliver by (RFC 2852): BY of MAIL, checked strictly, since what passes is handed on to other servers. */
import { SmtpError } from './reply.js'

export interface DeliverBy {
  /** From the command on; none or less where the time has passed and the sender was told. */
  readonly seconds: number
  /** N: the sender is told when it has passed; R: the message goes back. */
  readonly mode: 'N' | 'R'
  /** Whether the sender wants to hear of each server that it is handed to. */
  readonly trace: boolean
}

/** @returns undefined where there is no BY, or what is none */
export function deliverBy(parameters: ReadonlyMap<string, string>): DeliverBy | undefined {
  const [, seconds, mode, trace] = /^([+-]?\d{1,9});([NR])(T)?$/i.exec(parameters.get('BY') ?? '') ?? []
  if (seconds === undefined) return undefined
  return {
    seconds: Number(seconds),
    mode: mode?.toUpperCase() === 'N' ? 'N' : 'R',
    trace: trace !== undefined,
  }
}

/** @throws SmtpError 501 */
export function checkBy(value: string): void {
  const by = deliverBy(new Map([['BY', value]]))
  if (!by) throw new SmtpError(501, '5.5.4', 'BY is seconds;N or seconds;R, and T behind it for a trace')
  if (by.mode === 'R' && by.seconds <= 0)
    throw new SmtpError(501, '5.5.4', 'BY: nothing can be here by a time that has passed')
}
