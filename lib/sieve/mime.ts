/** MIME parts as scripts meet them: their headers, their text, the part that a loop is at (RFC 5703). */
import type { Part } from '../message/structure.js'
import { FieldSet, type Version } from './message.js'

/** Where a `foreverypart` loop is. */
export interface PartCursor {
  readonly version: Version
  readonly part: Part
}

/** Octets put in place of others, by their places in a version's octets. */
export interface Replacements {
  readonly version: Version
  readonly edits: readonly { readonly start: number; readonly end: number; readonly octets: Buffer }[]
}

const sets = new WeakMap<Part, FieldSet>()

/** The header of a part. That of the message itself is as it was last edited. */
export function headerOf({ version, part }: PartCursor, current: Version): FieldSet {
  if (part === version.structure) return current.header
  let set = sets.get(part)
  if (!set) {
    set = FieldSet.of(part.header)
    sets.set(part, set)
  }
  return set
}

/** The parts directly within a part. */
export function childrenOf(part: Part): readonly Part[] {
  return part.message ? [part.message] : part.parts
}

/** A part and all parts within it, depth first. */
export function descend(part: Part): readonly Part[] {
  return [part, ...childrenOf(part).flatMap(descend)]
}
