/** What needs no `require`, and the two extensions of RFC 5228 itself that do. */
import { all, domain, localpart } from '../address.js'
import { asciiCasemap, octet } from '../comparator.js'
import type { Extension } from '../definition.js'
import { contains, is, matches } from '../match.js'
import * as actions from './actions.js'
import * as control from './control.js'
import * as tests from './tests.js'

export const core: Extension = {
  name: '',
  commands: [
    control.require,
    ...control.branches,
    control.stop,
    actions.keep,
    actions.discard,
    actions.redirect,
  ],
  tests: [...control.connectives, tests.header, tests.address, tests.exists, tests.size],
  families: [
    ...tests.matchTags.map(tag => ({ family: 'match' as const, tag })),
    ...tests.addressTags.map(tag => ({ family: 'address' as const, tag })),
  ],
  matchTypes: [is, contains, matches],
  comparators: [octet, asciiCasemap],
  addressParts: [all, localpart, domain],
}

export const fileinto: Extension = { name: 'fileinto', commands: [actions.fileinto] }

export const envelope: Extension = { name: 'envelope', tests: [tests.envelope] }

/** RFC 5228 §2.4.2.4; text.ts does it. */
export const encodedCharacter: Extension = { name: 'encoded-character', lexical: true }
