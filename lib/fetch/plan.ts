/** What is to be done in a folder: decided from what the server says, what is remembered, and what is wanted. */
import type { RemoteStatus } from './source.js'

export interface Policy {
  /** Whether flags are taken over when a message comes, whenever they change, or not at all. */
  readonly flags: 'once' | 'follow' | 'none'
  /** What becomes here of a message that is gone there. */
  readonly gone: 'keep' | 'trash'
}

/** What is remembered of a folder: the part of it that the decision needs. */
export interface Remembered {
  readonly validity: string
  readonly floor: number
  readonly uidNext: number
  readonly messages: number
  readonly modseq: string | undefined
  /** How many messages are known there. */
  readonly count: number
  /** Whether a message was about to be stored when the last run ended. */
  readonly unsure: boolean
  /** Whether the mailbox here is still the one it was: the name and UIDVALIDITY are the same. */
  readonly sameLocal: boolean
}

export interface Plan {
  /** Nothing is to be done, and nothing more asked. */
  readonly idle: boolean
  /** UIDs there mean nothing any more: messages are to be found again by what they are. */
  readonly heal: boolean
  /** UIDs here mean nothing any more. */
  readonly relink: boolean
  /** New messages are to be looked for from this UID up; 0 when there can be none. */
  readonly listFrom: number
  /** Whether to ask for flags. */
  readonly flags: boolean
  /** Whether to find out which messages are gone. */
  readonly gone: boolean
  /** The MODSEQ after which changes count; undefined where all has to be asked for. */
  readonly since: string | undefined
}

const nothing: Plan = {
  idle: true,
  heal: false,
  relink: false,
  listFrom: 0,
  flags: false,
  gone: false,
  since: undefined,
}

/**
 * Decides. What STATUS and EXAMINE tell decides alike, so that a folder where nothing happened is never opened.
 */
export function planFolder(
  remote: RemoteStatus,
  memory: Remembered | undefined,
  { flags, gone }: Policy,
): Plan {
  if (!memory) return remote.messages === 0 ? nothing : { ...nothing, idle: false, heal: true, listFrom: 1 }
  if (memory.validity !== remote.validity)
    return { ...nothing, idle: false, heal: true, relink: !memory.sameLocal, listFrom: 1 }
  const relink = !memory.sameLocal
  // Some servers tell no UIDNEXT; then only looking helps.
  const mayHaveNew = remote.uidNext === 0 || remote.uidNext > memory.floor + 1 || memory.unsure
  const hasNew = remote.messages > 0 && mayHaveNew
  const moved = remote.modseq === undefined || remote.modseq !== memory.modseq
  const asksFlags = flags === 'follow' && moved && memory.count > 0
  const asksGone =
    gone === 'trash' && (remote.messages !== memory.messages || remote.uidNext !== memory.uidNext || moved)
  if (!relink && !hasNew && !asksFlags && !asksGone) return nothing
  return {
    idle: false,
    heal: false,
    relink,
    listFrom: hasNew ? memory.floor + 1 : 0,
    flags: asksFlags,
    gone: asksGone,
    since: remote.modseq === undefined ? undefined : memory.modseq,
  }
}
