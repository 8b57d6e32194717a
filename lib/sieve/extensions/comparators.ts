/** The comparators, as capabilities (RFC 5228 §2.7.3). The first two are always there and may be asked for. */
import { asciiCasemap, asciiNumeric, type Comparator, octet, unicodeCasemap } from '../comparator.js'
import type { Extension } from '../definition.js'

function extension(comparator: Comparator): Extension {
  return { name: `comparator-${comparator.name}`, comparators: [comparator] }
}

export const comparators: readonly Extension[] = [octet, asciiCasemap, asciiNumeric, unicodeCasemap].map(
  extension,
)
