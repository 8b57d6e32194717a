/** What the parts of a run share, and what it tells of each folder. */
import type { Mailbox } from '../mailbox/mailbox.js'
import type { Log } from '../sys/log.js'
import type { Budget } from './budget.js'
import type { Pairing } from './names.js'
import type { Policy } from './plan.js'
import type { RemoteMessage, Source } from './source.js'
import type { Memory } from './state.js'
import type { FolderMemory } from './state-line.js'
import type { Target } from './target.js'

/** Gives a message to the user's filters; on disk, or thrown away, when it returns. @param rest of a large one */
export type Deliver = (octets: Buffer, rest?: RemoteMessage['rest']) => Promise<void>

/** What all folders of a run share. */
export interface Run {
  readonly source: Source
  readonly memory: Memory
  readonly target: Target
  readonly policy: Policy
  /** Where messages go that are not mirrored into folders. */
  readonly deliver?: Deliver | undefined
  readonly budget: Budget
  /** What of Gmail's folder of all mail comes here. */
  readonly allMail: 'whole' | 'rest' | 'skip'
  /** What a folder still had to come when the day's budget was used up: it is not listed again that day. */
  readonly waiting: Map<string, Waiting>
  /** Only says what would be done. */
  readonly dry: boolean
  readonly log: Log
  readonly signal: AbortSignal
  /** Called as messages come. */
  readonly progress: (progress: Progress) => void
}

/** What is left of a folder for another day. */
export interface Waiting {
  readonly day: string
  readonly from: number
  readonly messages: number
  readonly octets: number
}

/** How far a folder is. */
export interface Progress {
  readonly folder: string
  readonly messages: number
  readonly ofMessages: number
  readonly octets: number
  readonly ofOctets: number
}

/** What a pass did, or in a dry run would do. */
export interface FolderResult {
  readonly folder: string
  readonly local: string
  fetched: number
  octets: number
  /** Messages whose flags were taken over again. */
  flagged: number
  /** Messages that are gone there. */
  gone: number
  /** Messages moved to Trash here for that. */
  trashed: number
  /** Messages that left the folder there for another one, and so here. */
  moved: number
  /** Messages found again under other UIDs, not fetched again. */
  healed: number
  /** Messages that are here already in another folder, and are links to those now. */
  linked: number
  /** Messages that the server listed and did not send. */
  unread: number
  /** Messages, and their octets, left for another day by the budget. */
  postponed: number
  postponedOctets: number
}

/** Of a folder where nothing happened yet. */
export function noResult({ remote, local }: Pairing): FolderResult {
  return {
    folder: remote.path,
    local,
    fetched: 0,
    octets: 0,
    flagged: 0,
    gone: 0,
    trashed: 0,
    moved: 0,
    healed: 0,
    linked: 0,
    unread: 0,
    postponed: 0,
    postponedOctets: 0,
  }
}

/** Flags as the memory has them. */
export function joined(flags: readonly string[]): string {
  return [...flags].sort().join(' ')
}

/** One pass over one folder, as its parts see it. */
export interface FolderPass {
  readonly run: Run
  readonly pairing: Pairing
  readonly result: FolderResult
  /** What is remembered of the folder; undefined until something is. */
  readonly memory: FolderMemory | undefined
  /** The mailbox here as it is now; undefined where there is none. */
  found(): Promise<Mailbox | undefined>
  /** The mailbox here, made where there is none. */
  mailbox(): Promise<Mailbox>
}
