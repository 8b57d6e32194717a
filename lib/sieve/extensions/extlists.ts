/** Lists that stand outside the script, in files here: RFC 6134. */
import type { Extension, MatchType } from '../definition.js'
import { listName } from '../list-name.js'

/** RFC 6134 §2.2. The comparator has no say: what equal means is the list's affair. */
const list: MatchType = {
  name: 'list',
  compile:
    ({ keys, scope }) =>
    (run, values) => {
      const lists = keys.values(run).map(listName)
      const found = values.find(value =>
        lists.some(name => {
          run.spend(100)
          return run.context.listHolds?.(name, value) ?? false
        }),
      )
      if (found !== undefined && scope.enabled('variables')) run.setMatches([found])
      return found !== undefined
    },
}

export const extlists: Extension = {
  name: 'extlists',
  matchTypes: [list],
  families: [{ family: 'match', tag: { name: 'list', group: 'match type' } }],
  tests: [
    {
      // RFC 6134 §2.7.
      name: 'valid_ext_list',
      takes: [{ name: 'list names', type: 'strings' }],
      compile(call) {
        const names = call.texts('list names')
        return run => names.values(run).every(name => run.context.listExists?.(listName(name)) ?? false)
      },
    },
  ],
  tags: [{ on: ['redirect'], tag: { name: 'list' } }],
}
