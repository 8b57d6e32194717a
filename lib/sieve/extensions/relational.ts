/** Comparing by order and by number: RFC 5231. */
import type { Extension, MatchType, Tag } from '../definition.js'

const relations: Readonly<Record<string, (order: number) => boolean>> = {
  gt: order => order > 0,
  ge: order => order >= 0,
  lt: order => order < 0,
  le: order => order <= 0,
  eq: order => order === 0,
  ne: order => order !== 0,
}

/** RFC 5231 §4.1: any value in the relation to any key. */
const value: MatchType = {
  name: 'value',
  compile: ({ comparator, relation, keys }) => {
    const holds = relations[relation.toLowerCase()] ?? (() => false)
    return (run, values) => {
      const wanted = keys.values(run)
      return values.some(value =>
        wanted.some(key => {
          run.spend(value.length + key.length)
          return holds(comparator.compare(value, key))
        }),
      )
    }
  },
}

/** RFC 5231 §4.2: the number of values in the relation to any key. */
const count: MatchType = {
  name: 'count',
  compile: ({ comparator, relation, keys }) => {
    const holds = relations[relation.toLowerCase()] ?? (() => false)
    return (run, values) => {
      const number = String(values.length)
      return keys.values(run).some(key => holds(comparator.compare(number, key)))
    }
  },
}

function tag(name: string): Tag {
  return {
    name,
    group: 'match type',
    value: 'string',
    constant: true,
    check: relation =>
      Object.hasOwn(relations, relation.toLowerCase())
        ? undefined
        : `"${relation}" is no relation; choose gt, ge, lt, le, eq or ne`,
  }
}

export const relational: Extension = {
  name: 'relational',
  matchTypes: [value, count],
  families: [
    { family: 'match', tag: tag('value') },
    { family: 'match', tag: tag('count') },
  ],
}
