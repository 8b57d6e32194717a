/** A protocol at a glance: which verbs there are, in which states each is allowed, and what it does. */

export interface Verb<Session, State extends string> {
  readonly states: readonly State[]
  /** @param argument what follows the verb and one space; empty when nothing does */
  run(session: Session, argument: string): Promise<void> | void
}

export type Verbs<Session, State extends string> = Readonly<Record<string, Verb<Session, State>>>

export type Found<Session, State extends string> =
  | { readonly verb: Verb<Session, State>; readonly name: string; readonly argument: string }
  | { readonly verb: undefined; readonly reason: 'unknown' | 'wrong-state'; readonly name: string }

/** Finds the verb a line begins with, whatever its case. */
export function findVerb<Session, State extends string>(
  verbs: Verbs<Session, State>,
  line: string,
  state: State,
): Found<Session, State> {
  const space = line.indexOf(' ')
  const name = (space < 0 ? line : line.slice(0, space)).toUpperCase()
  const verb = Object.hasOwn(verbs, name) ? verbs[name] : undefined
  if (!verb) return { verb: undefined, reason: 'unknown', name }
  if (!verb.states.includes(state)) return { verb: undefined, reason: 'wrong-state', name }
  return { verb, name, argument: space < 0 ? '' : line.slice(space + 1) }
}
