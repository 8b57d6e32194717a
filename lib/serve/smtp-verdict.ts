/** What the configuration's checks, or its program, make of a message. A refusal is an SmtpError instead. */

export interface Verdict {
  /** Fields to put in front, each with its LF. */
  readonly headers: string
  /** Addresses that get the message in place of its recipients. */
  readonly redirect?: readonly string[]
  /** Taken, and given to nobody. */
  readonly discard?: boolean
}
