/** One copy of one message in the model: which flags it may have, and whether it may be gone. */

export const never = Number.POSITIVE_INFINITY

/** From the moment before something was asked for to the moment after the answer came, or never. */
export interface Span {
  readonly start: number
  end: number
}

/** A flag set or cleared. */
interface Op {
  readonly span: Span
  readonly value: boolean
  /** It was done, not only tried. */
  isSure: boolean
  /** Dovecot copied a flag that its session knew from before. */
  readonly isOld?: boolean
  /** Dovecot may have held it for done already, by what its session knew from before, and have done nothing. */
  isIdle?: boolean
}

export const systemFlags = ['\\Seen', '\\Flagged', '\\Answered', '\\Draft', '\\Deleted'] as const
/** Fewer than the 26 for which there are letters. */
export const keywords = [
  ...['$Forwarded', '$MDNSent', '$Label1', '$Label2', '$Label3', '$Junk', 'NonJunk', 'Blue', 'Later', 'Work'],
  ...['K01', 'K02', 'K03', 'K04', 'K05', 'K06', 'K07', 'K08'],
]
export const allFlags: readonly string[] = [...systemFlags, ...keywords]

/** Folders that are always there, and those that come and go. */
export const folders = ['INBOX', 'Archive', 'Work.2026'] as const
export const passing = ['Temp', 'Temp2'] as const
export const isPassing = (folder: string) => (passing as readonly string[]).includes(folder)

/** Longer ago than anything. */
const before: Span = { start: -2, end: -2 }
const unset: Op = { value: false, isSure: true, span: before }

export class Copy {
  readonly id: string
  readonly folder: string
  /** More than one when it was given another. */
  readonly uids = new Set<number>()
  /** The name of its file without flags, as far as known. */
  unique: string | undefined
  /** Whether it surely came. */
  came: boolean
  gone: 'no' | 'maybe' | 'yes' = 'no'
  /** It may have been taken for another copy of the same message: what was done to it may have been done to that. */
  isMistakable = false
  readonly #flags = new Map<string, Op[]>()

  constructor(id: string, folder: string, came: boolean) {
    this.id = id
    this.folder = folder
    this.came = came
  }

  /** @param flags those that it has; no others */
  static found(id: string, folder: string, flags: readonly string[]): Copy {
    const copy = new Copy(id, folder, true)
    copy.start(flags)
    return copy
  }

  /** It comes with these flags and no others. */
  start(flags: readonly string[]): void {
    for (const flag of flags) this.#flags.set(flag, [{ value: true, isSure: true, span: before }])
  }

  /** A flag is about to be set or cleared; unsure until somebody says so. */
  change(flag: string, value: boolean, span: Span): Op {
    const op = { value, isSure: false, span }
    const ops = this.#flags.get(flag) ?? [unset]
    ops.push(op)
    this.#flags.set(flag, ops)
    return op
  }

  /**
   * The values that a flag may have had at some moment of a span.
   *
   * @param isStrict without what only Dovecot does, also where nothing of ours runs
   */
  possible(flag: string, { start, end }: Span, isStrict = false): Set<boolean> {
    const ops = (this.#flags.get(flag) ?? [unset]).filter(op => !isStrict || !op.isOld)
    const isFirm = (op: Op) => op.isSure && (isStrict || !op.isIdle)
    const overruled = (op: Op) =>
      ops.some(later => isFirm(later) && later.span.start > op.span.end && later.span.end < start)
    return new Set(ops.filter(op => op.span.start <= end && !overruled(op)).map(op => op.value))
  }

  /**
   * Begins with what another copy may have had meanwhile.
   *
   * @param since Dovecot copies the flags that its session knows, which may be those of that time
   */
  inherit(from: Copy, span: Span, since?: number): void {
    for (const flag of allFlags) {
      const values = from.possible(flag, span)
      const old = since === undefined ? [] : from.possible(flag, { start: since, end: span.end })
      const stale = [...old].filter(value => !values.has(value))
      const first: Op[] = [
        ...[...values].map(value => ({ value, isSure: true, span })),
        ...stale.map(value => ({ value, isSure: true, span, isOld: true })),
      ]
      // Somebody may have met it, and changed it, before it was told to be there.
      const met = (this.#flags.get(flag) ?? []).filter(op => op !== unset)
      this.#flags.set(flag, [...first, ...met])
    }
  }

  /** Nothing is known of these flags. */
  doubt(flags: readonly string[]): void {
    for (const flag of flags)
      this.#flags.set(
        flag,
        [false, true].map(value => ({ value, isSure: true, span: { start: before.start, end: never } })),
      )
  }

  /** Somebody removed it, or tried to. */
  remove(isSure: boolean): void {
    if (isSure) this.gone = 'yes'
    else if (this.gone === 'no') this.gone = 'maybe'
  }

  /** Whether flags can only be explained by what Dovecot does. */
  isTheirs(flags: readonly string[]): boolean {
    const end = { start: never, end: never }
    return allFlags.some(flag => !this.possible(flag, end, true).has(flags.includes(flag)))
  }

  /** What is wrong about flags that it is said to have in the end. */
  wrongFlags(flags: readonly string[]): string[] {
    const end = { start: never, end: never }
    // What Dovecot calls a letter that has no name: mrefile takes those of another folder along.
    const known = [...allFlags, ...flags.filter(flag => /^unknown-\d+$/.test(flag))]
    const unknown = flags.filter(flag => !known.includes(flag)).map(flag => `${flag} is nobody's`)
    const wrong = allFlags.filter(flag => !this.possible(flag, end).has(flags.includes(flag)))
    return [...unknown, ...wrong.map(flag => `${flag}: ${this.#told(flag)}`)]
  }

  #told(flag: string): string {
    const ops = this.#flags.get(flag) ?? []
    const time = (moment: number) => (Number.isFinite(moment) ? moment.toFixed(1) : 'never')
    return ops
      .map(
        ({ value, isSure, span }) =>
          `${value ? 'set' : 'clear'}${isSure ? '' : '?'} ${time(span.start)}-${time(span.end)}`,
      )
      .join(', ')
  }
}
