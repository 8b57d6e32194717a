/** What every command is: a check that only looks, and a step that does. */
import type { Verb } from '../wire/dispatch.js'
import { SmtpError } from './reply.js'
import type { Session, State } from './session.js'

/** The sessions that commands work on; whoever logs in is the backend's business. */
export type AnySession = Session<unknown>

export interface Command<Argument> {
  readonly states: readonly State[]
  /**
   * Reads the argument and says whether the command may be done now. Changes nothing.
   *
   * @throws SmtpError
   */
  check(session: AnySession, argument: string): Argument
  /** Does it, and answers. @throws SmtpError */
  proceed(session: AnySession, argument: Argument): Promise<void> | void
}

/** Makes a row of the verb table. */
export function command<Argument>(definition: Command<Argument>): Verb<AnySession, State> {
  return {
    states: definition.states,
    run: (session, argument) => definition.proceed(session, definition.check(session, argument)),
  }
}

/** The check of a command that takes no argument. */
export function noArgument(_session: AnySession, argument: string): void {
  if (argument.trim() !== '') throw new SmtpError(501, '5.5.4', 'This command takes no argument')
}
