/** What goes out because of an action; whoever performs the action hands it to a queue. */
import type { Action } from '../action.js'
import type { Context } from '../context.js'
import { composeNotify, notifyRefused } from './notify.js'
import type { Making, Outgoing } from './outgoing.js'
import { composeRedirect, redirectRefused } from './redirect.js'
import { composeReject, rejectRefused } from './reject.js'
import { composeReport } from './report.js'
import { composeVacation, vacationKey, vacationRefused } from './vacation.js'

export type { Making, Outgoing } from './outgoing.js'

/** An answer that one sender gets once in a time (RFC 5230 §4.2): to be asked of a memory, and kept there when sent. */
export interface Remember {
  readonly key: string
  /** Seconds; 0: not remembered, sent each time. */
  readonly period: number
}

export interface Composed {
  readonly sent: readonly Outgoing[]
  /** Why nothing is sent where something was asked for. */
  readonly refused?: string
  /** Refusing a redirect is an error (RFC 5228 §4.2): the message is to be kept. */
  readonly error?: boolean
  /** Send only if the memory does not know this. */
  readonly remember?: Remember
}

const nothing: Composed = { sent: [] }

/**
 * Composes what an action sends. An action that sends nothing gives an empty list; so does one that must not, with the
 * reason.
 *
 * @param told see {@link composeNotify}: one set for all actions of an outcome
 */
export function compose(action: Action, context: Context, making: Making, told: Set<string>): Composed {
  switch (action.type) {
    case 'redirect': {
      const refused = redirectRefused(action, context)
      return refused ? { sent: [], refused, error: true } : { sent: [composeRedirect(action, context)] }
    }
    case 'reject': {
      const refused = rejectRefused(context)
      return refused ? { sent: [], refused } : { sent: [composeReject(action, context, making)] }
    }
    case 'vacation': {
      const refused = vacationRefused(action, context)
      if (refused) return { sent: [], refused }
      const remember = { key: vacationKey(action, context), period: action.period }
      return { sent: [composeVacation(action, context, making)], remember }
    }
    case 'notify': {
      const refused = notifyRefused(action)
      return refused ? { sent: [], refused } : { sent: composeNotify(action, context, making, told) }
    }
    case 'report':
      return { sent: [composeReport(action, context, making)] }
    default:
      return nothing
  }
}
