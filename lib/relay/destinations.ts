/** All destinations that mail in the queue has, made when first needed. */
import type { Envelope, Recipient } from '../queue/entry.js'
import { Destination } from './destination.js'
import { directEndpoint, type Endpoint, smarthostEndpoint } from './endpoint.js'
import type { Directory } from './mx.js'
import { wayOf } from './route.js'
import { nameOf, type RelaySettings } from './settings.js'

export class Destinations {
  readonly #settings: RelaySettings
  readonly #dns: Directory
  readonly #known = new Map<string, Destination>()

  constructor(settings: RelaySettings, dns: Directory) {
    this.#settings = settings
    this.#dns = dns
  }

  /** The destination of a recipient; undefined for one that needs no connection. */
  of(envelope: Envelope, { address }: Recipient): Destination | undefined {
    const way = wayOf(this.#settings, envelope.sender, address)
    if (way.kind === 'smarthost')
      return this.#get(nameOf(way.smarthost), () => smarthostEndpoint(way.smarthost, this.#settings))
    if (way.kind !== 'direct') return undefined
    return this.#get(`MX of ${way.domain}`, () => directEndpoint(way.domain, this.#settings, this.#dns))
  }

  all(): Destination[] {
    return [...this.#known.values()]
  }

  /** When the first of those that rest with mail in line is to be tried again; Infinity when none is. */
  get next(): number {
    const times = this.all().flatMap(({ waiting, pause }) => (waiting.size > 0 && pause ? [pause.until] : []))
    return Math.min(Number.POSITIVE_INFINITY, ...times)
  }

  get active(): boolean {
    return this.all().some(({ active }) => active > 0)
  }

  /** Tries all again at once. */
  hurry(): void {
    for (const destination of this.#known.values()) destination.hurry()
  }

  /** Takes an entry out of all lines. */
  forget(id: string): void {
    for (const destination of this.#known.values()) destination.waiting.delete(id)
  }

  /** Drops the domains that no mail is left for: there may be many in a year. */
  prune(): void {
    for (const [key, { waiting, active, pause }] of this.#known)
      if (key.startsWith('MX ') && waiting.size === 0 && active === 0 && !pause) this.#known.delete(key)
  }

  close(): void {
    for (const destination of this.#known.values()) destination.close()
  }

  #get(key: string, endpoint: () => Endpoint): Destination {
    const known = this.#known.get(key)
    if (known) return known
    const destination = new Destination(endpoint())
    this.#known.set(key, destination)
    return destination
  }
}
