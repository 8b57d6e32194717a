/** Other recipients in place of those who still wait: pure. */
import type { Envelope, Recipient } from './entry.js'
import { matches } from './select.js'

/**
 * @param to the new addresses; each is tried at once, and keeps how its sender wants to hear of it
 * @param patterns only recipients that fit one of these are replaced; all who wait when there are none
 */
export function redirected(
  envelope: Envelope,
  to: readonly string[],
  patterns: readonly string[] = [],
): Envelope {
  const isMeant = ({ state, address }: Recipient) =>
    state === 'waiting' && (patterns.length === 0 || patterns.some(pattern => matches(pattern, address)))
  const replaced = envelope.recipients.filter(isMeant)
  const [first] = replaced
  if (!first) return envelope
  const kept = envelope.recipients.filter(each => !isMeant(each))
  const present = new Set(kept.map(({ address }) => address))
  const added = to.flatMap((address): Recipient[] => {
    if (present.has(address)) return []
    present.add(address)
    // RFC 3461 §5.2.7: the original recipient stays the one the sender named.
    const original = first.original ?? `rfc822;${first.address}`
    return [
      {
        address,
        original,
        state: 'waiting',
        due: 0,
        attempts: 0,
        ...(first.notify && { notify: first.notify }),
      },
    ]
  })
  return { ...envelope, recipients: [...kept, ...added] }
}
