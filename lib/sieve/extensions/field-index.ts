import type { Extension } from '../definition.js'
import { indexTags } from '../fields.js'

/** Which of several fields of one name: RFC 5260 §6. */
export const index: Extension = {
  name: 'index',
  families: indexTags.map(tag => ({ family: 'index' as const, tag })),
}
