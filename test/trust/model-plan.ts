/** What the actors are to do, as data that a seed gives: the same seed plans the same. */
import fc from 'fast-check'

/** Sessions of IMAP, by who they are; which server each is with. */
export const sessionNames = ['one', 'two', 'three', 'dove', 'dover'] as const
export type SessionName = (typeof sessionNames)[number]

export const actors = [...sessionNames, 'pop3', 'delivery', 'mblaze', 'mutt', 'mbsync'] as const
export type Actor = (typeof actors)[number]

/** What each kind of actor can do, and how often it does. */
const deeds = {
  imap: {
    store: 8,
    keyword: 5,
    copy: 3,
    move: 3,
    remove: 3,
    doom: 1,
    purge: 1,
    append: 3,
    select: 2,
    resync: 3,
    again: 1,
    noop: 2,
    idle: 1,
    read: 2,
    folder: 1,
  },
  pop3: { pop3: 1 },
  delivery: { smtp: 3, 'mail-deliver': 1, lmtp: 2 },
  mblaze: { mdeliver: 3, mflag: 4, mrefile: 2, mseq: 2 },
  mutt: { rename: 8, seen: 3, unlink: 2 },
  mbsync: { sync: 2, 'near flag': 2, 'near remove': 1, 'near new': 1 },
} as const

/** One thing to do. The numbers choose among what is there when its turn comes. */
export interface Deed {
  readonly actor: Actor
  readonly what: string
  readonly numbers: readonly [number, number, number]
}

export interface Round {
  /** All actors at once, each doing its own one after the other; or one deed after the other. */
  readonly mode: 'at once' | 'in turn'
  readonly deeds: readonly Deed[]
}

function deedOf(actor: Actor): fc.Arbitrary<Deed> {
  const kind = (sessionNames as readonly string[]).includes(actor) ? 'imap' : (actor as keyof typeof deeds)
  const what = fc.oneof(
    ...Object.entries(deeds[kind]).map(([name, weight]) => ({ weight, arbitrary: fc.constant(name) })),
  )
  const number = fc.nat(0xffff)
  return fc.record({ actor: fc.constant(actor), what, numbers: fc.tuple(number, number, number) })
}

/** How often an actor has its turn: programs that are started for each deed cost more. */
const share: Partial<Record<Actor, number>> = {
  pop3: 1,
  delivery: 2,
  mblaze: 3,
  mutt: 5,
  mbsync: 1,
}

const deed = fc.oneof(...actors.map(actor => ({ weight: share[actor] ?? 4, arbitrary: deedOf(actor) })))

const round: fc.Arbitrary<Round> = fc.record({
  mode: fc.oneof(
    { weight: 3, arbitrary: fc.constant('at once' as const) },
    { weight: 1, arbitrary: fc.constant('in turn' as const) },
  ),
  deeds: fc.array(deed, { minLength: 10, maxLength: 70, size: 'max' }),
})

/** The nth round of a seed. */
export function planRound(seed: number, number: number): Round {
  const [plan] = fc.sample(round, { seed: seed * 10_007 + number, numRuns: 1 })
  return plan as Round
}
