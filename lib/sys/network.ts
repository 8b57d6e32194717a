/** Addresses and networks in CIDR form, without node:net: loading that costs a one-shot command milliseconds. */
import { exits, MailError } from './error.js'

/** An address of either family as the 16 octets of IPv6, one of IPv4 in its mapped form (RFC 4291 §2.5.5.2). */
type Octets = readonly number[]

const mapped: Octets = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255]

/** The family of an address, 4 or 6; 0 for what is none. A zone (`fe80::1%eth0`) may stand behind one of IPv6. */
export function ipFamily(text: string): 0 | 4 | 6 {
  if (text.includes(':')) return six(text) ? 6 : 0
  return four(text) ? 4 : 0
}

/** A set of networks, from `10.0.0.0/8`, `fd00::/8` or single addresses. */
export class Networks {
  readonly #list: { readonly octets: Octets; readonly bits: number }[] = []

  /** @throws MailError (78) for a text that is no network */
  constructor(networks: readonly string[]) {
    for (const network of networks) {
      const [address = '', length, more] = network.split('/')
      const octets = octetsOf(address)
      const longest = address.includes(':') ? 128 : 32
      const bits = length === undefined ? longest : Number(length)
      if (!octets || more !== undefined || !/^\d+$/.test(length ?? '0') || bits > longest)
        throw new MailError(`${network} is no network; write 192.168.1.0/24 or fd00::/8`, {
          exit: exits.config,
        })
      this.#list.push({ octets, bits: bits + 128 - longest })
    }
  }

  has(address: string): boolean {
    if (this.#list.length === 0) return false
    const octets = octetsOf(address)
    return octets !== undefined && this.#list.some(network => agree(octets, network.octets, network.bits))
  }
}

/** Whether two addresses have so many leading bits in common. */
function agree(a: Octets, b: Octets, bits: number): boolean {
  const whole = bits >> 3
  for (let i = 0; i < whole; i++) if (a[i] !== b[i]) return false
  const rest = bits & 7
  return rest === 0 || ((a[whole] ?? 0) ^ (b[whole] ?? 0)) >> (8 - rest) === 0
}

function octetsOf(text: string): Octets | undefined {
  if (text.includes(':')) return six(text)
  const octets = four(text)
  return octets && [...mapped, ...octets]
}

function four(text: string): Octets | undefined {
  const parts = text.split('.')
  const fits = parts.length === 4 && parts.every(part => /^(?:0|[1-9]\d{0,2})$/.test(part) && +part < 256)
  return fits ? parts.map(Number) : undefined
}

function six(text: string): Octets | undefined {
  const [, address = '', last] = /^([\da-f:]*?)((?<=:)\d+(?:\.\d+){3})?(?:%[\w.-]+)?$/i.exec(text) ?? []
  const tail = last === undefined ? [] : four(last)
  if (!tail || address === '') return undefined
  const [head = '', rest, more] = (last === undefined ? address : address.replace(/([^:]):$/, '$1')).split(
    '::',
  )
  const [before, after] = [groups(head), rest === undefined ? [] : groups(rest)]
  if (!before || !after || more !== undefined) return undefined
  const missing = 16 - before.length - after.length - tail.length
  if (rest === undefined ? missing !== 0 : missing < 2) return undefined
  return [...before, ...new Array<number>(missing).fill(0), ...after, ...tail]
}

/** The octets of groups with colons between them. */
function groups(text: string): Octets | undefined {
  if (text === '') return []
  const parts = text.split(':')
  if (!parts.every(part => /^[\da-f]{1,4}$/i.test(part))) return undefined
  return parts.map(part => Number.parseInt(part, 16)).flatMap(group => [group >> 8, group & 255])
}
