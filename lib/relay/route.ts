/** Where a message goes for one recipient: pure. */
import { matches } from '../queue/select.js'
import type { RelaySettings, Smarthost } from './settings.js'

export type Way =
  | { readonly kind: 'local' }
  | { readonly kind: 'smarthost'; readonly smarthost: Smarthost }
  /** To the servers of the domain itself. */
  | { readonly kind: 'direct'; readonly domain: string }
  /** Nowhere: the reason is told to the sender. */
  | { readonly kind: 'none'; readonly status: string; readonly reason: string }

/**
 * Our own domains first, then the routes by sender, then those by recipient, then the default. Among the routes of
 * one kind the first that fits wins; a route with both patterns is one by sender, and must fit in both.
 */
export function wayOf(settings: RelaySettings, sender: string, recipient: string): Way {
  const domain = domainOf(recipient)
  if (domain === '' || settings.domains.includes(domain)) return { kind: 'local' }
  const bySender = settings.routes.filter(route => route.sender !== undefined)
  const byRecipient = settings.routes.filter(route => route.sender === undefined)
  for (const route of [...bySender, ...byRecipient])
    if (fits(route.sender, sender) && fits(route.recipient, recipient))
      return { kind: 'smarthost', smarthost: route.smarthost }
  if (settings.smarthost) return { kind: 'smarthost', smarthost: settings.smarthost }
  if (settings.direct) return { kind: 'direct', domain }
  const who = settings.routes.length > 0 ? `for mail from <${sender}> to <${recipient}>` : 'to the outside'
  return { kind: 'none', status: '5.7.1', reason: `this system has no way ${who}` }
}

function fits(pattern: string | undefined, address: string): boolean {
  return pattern === undefined || matches(pattern, address)
}

/** In lower case; empty for a bare local part. */
export function domainOf(address: string): string {
  const at = address.lastIndexOf('@')
  return at < 0 ? '' : address.slice(at + 1).toLowerCase()
}
