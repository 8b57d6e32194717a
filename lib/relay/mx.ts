/** The servers that take a domain's mail (RFC 5321 §5.1). */
import { resolve4, resolve6, resolveMx } from 'node:dns/promises'
import type { Said } from '../queue/entry.js'
import { NoConnection } from '../smtp/no-connection.js'
import { errorCode, MailError } from '../sys/error.js'

/** A domain that takes no mail: the sender is told. */
export class Undeliverable extends MailError {
  override readonly name = 'Undeliverable'
  readonly status: string

  constructor(status: string, message: string) {
    super(message)
    this.status = status
  }

  said(now: number): Said {
    return { at: now, code: 550, status: this.status, text: this.message }
  }
}

/** DNS, as far as it is asked; errors have the codes of node:dns. */
export interface Directory {
  mx(domain: string): Promise<readonly { readonly exchange: string; readonly priority: number }[]>
  /** Whether a name has an address. @throws when that is not known */
  hasAddress(name: string): Promise<boolean>
}

export const dnsDirectory: Directory = {
  mx: resolveMx,
  hasAddress: async name => {
    const answers = await Promise.allSettled([resolve4(name), resolve6(name)])
    if (answers.some(answer => answer.status === 'fulfilled' && answer.value.length > 0)) return true
    for (const answer of answers)
      if (answer.status === 'rejected' && !isAbsent(answer.reason)) throw answer.reason
    return false
  },
}

/**
 * Hosts in the order they are to be tried: by preference, those of one preference in any order.
 *
 * @param self our own name; hosts of its preference and after are left out, since they would send the mail back here
 * @throws Undeliverable when there is none and never will be (RFC 7505 too); NoConnection when DNS gave no answer
 */
export async function serversOf(domain: string, self: string, directory: Directory): Promise<string[]> {
  if (domain.startsWith('[')) return [domain.slice(1, -1).replace(/^IPv6:/i, '')]
  let records: Awaited<ReturnType<Directory['mx']>>
  try {
    records = await directory.mx(domain)
  } catch (error) {
    if (!isAbsent(error)) throw unanswered(domain, error)
    records = []
  }
  if (records.length === 0) return hostItself(domain, directory)
  if (records.every(({ exchange }) => exchange === '' || exchange === '.'))
    throw new Undeliverable('5.1.10', `${domain} takes no mail (its MX record says so)`)
  const ours = records.find(
    ({ exchange }) => exchange.toLowerCase().replace(/\.$/, '') === self.toLowerCase(),
  )
  const usable = records.filter(({ priority }) => !ours || priority < ours.priority)
  if (usable.length === 0)
    throw new Undeliverable(
      '5.4.6',
      `the mail of ${domain} is to come to this system, which does not know it`,
    )
  return [...usable].sort((a, b) => a.priority - b.priority).map(({ exchange }) => exchange)
}

async function hostItself(domain: string, directory: Directory): Promise<string[]> {
  let known: boolean
  try {
    known = await directory.hasAddress(domain)
  } catch (error) {
    throw unanswered(domain, error)
  }
  if (!known) throw new Undeliverable('5.1.2', `there is no domain ${domain}`)
  return [domain]
}

/** The name has no such record, or is not there at all; anything else may be otherwise next time. */
function isAbsent(error: unknown): boolean {
  const code = errorCode(error)
  return code === 'ENODATA' || code === 'ENOTFOUND'
}

function unanswered(domain: string, error: unknown): NoConnection {
  const code = errorCode(error) ?? String(error)
  return new NoConnection(`DNS has no answer for ${domain} (${code})`, 'connect', undefined, [
    `# DNS: ${code} for ${domain}`,
  ])
}
