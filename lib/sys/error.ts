/**
 * What can go wrong, in three kinds only: the peer's or the user's fault, a temporary trouble of this machine,
 * and a bug. The first two are MailErrors and carry their answer with them; anything else that is thrown is a bug.
 */

/** Exit statuses, as sysexits.h names and numbers them. */
export const exits = {
  ok: 0,
  usage: 64,
  data: 65,
  noInput: 66,
  noUser: 67,
  unavailable: 69,
  software: 70,
  osError: 71,
  cannotCreate: 73,
  io: 74,
  tryAgain: 75,
  protocol: 76,
  notAllowed: 77,
  config: 78,
} as const

export type Exit = (typeof exits)[keyof typeof exits]

export interface MailErrorOptions extends ErrorOptions {
  /** What a command exits with when this error ends it; 70 (software) unless told. */
  readonly exit?: Exit
}

/** An error whose message may be shown to the person or peer that caused it. */
export class MailError extends Error {
  override readonly name: string = 'MailError'
  readonly exit: Exit

  constructor(message: string, options: MailErrorOptions = {}) {
    super(message, options)
    this.exit = options.exit ?? exits.software
  }

  /** Whether the same request may succeed later: the difference between 4yz and 5yz, between 75 and the rest. */
  get temporary(): boolean {
    return this.exit === exits.tryAgain
  }
}

/** This machine cannot do it now: a full disk, a lock held too long, too many open files. */
export class TemporaryError extends MailError {
  override readonly name = 'TemporaryError'

  constructor(message: string, options: ErrorOptions = {}) {
    super(message, { ...options, exit: exits.tryAgain })
  }
}

/** The name of a system error, such as ENOENT; undefined for any other value. */
export function errorCode(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error)) return undefined
  // Node has no name for ESTALE, which network file systems give for a file that another host removed.
  if ('errno' in error && error.errno === -116) return 'ESTALE'
  return typeof error.code === 'string' ? error.code : undefined
}

/** Whether a path is simply not there (any more). */
export function isMissing(error: unknown): boolean {
  const code = errorCode(error)
  return code === 'ENOENT' || code === 'ENOTDIR' || code === 'ESTALE'
}

/** Whether there was no space: what was thrown, or what that came of. */
export function isFull(error: unknown): boolean {
  const code = errorCode(error)
  if (code === 'ENOSPC' || code === 'EDQUOT') return true
  return error instanceof Error && error.cause !== undefined && isFull(error.cause)
}

/** One line that says what went wrong, for logs and for people; never a stack. */
export function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return error.cause === undefined ? error.message : `${error.message}: ${describe(error.cause)}`
}
