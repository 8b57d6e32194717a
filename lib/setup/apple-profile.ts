/** A configuration profile for iOS, iPadOS and macOS: the authority to trust, and a mail account. */
import { createHash, X509Certificate } from 'node:crypto'
import { type Access, type ClientDoor, escapeXml, type Owner } from './access.js'

/** What a property list can hold. */
type Value =
  | string
  | number
  | boolean
  | Buffer
  | readonly Value[]
  | { readonly [key: string]: Value | undefined }

/**
 * The profile as XML, unsigned. Its identifiers depend on address and server alone: installed again, it replaces
 * itself.
 *
 * @param authority in PEM; undefined where devices know it already
 */
export function appleProfile(access: Access, owner: Owner, authority: string | undefined): string {
  const base = `${[...access.hostname.split('.')].reverse().join('.')}.postern`
  const identify = (part: string) => ({
    PayloadIdentifier: `${base}.${part}.${owner.address.replace('@', '.at.')}`,
    PayloadUUID: uuid(`${access.hostname} ${part} ${owner.address}`),
    PayloadVersion: 1,
  })
  const payloads: Value[] = []
  if (authority !== undefined)
    payloads.push({
      ...identify('authority'),
      PayloadType: 'com.apple.security.root',
      PayloadDisplayName: `${access.domains[0]} mail authority`,
      PayloadCertificateFileName: 'ca.cer',
      PayloadContent: new X509Certificate(authority).raw,
    })
  payloads.push({
    ...identify('mail'),
    PayloadType: 'com.apple.mail.managed',
    PayloadDisplayName: `Mail of ${owner.address}`,
    EmailAccountDescription: access.domains[0],
    EmailAccountName: owner.fullName ?? owner.address,
    EmailAccountType: 'EmailTypeIMAP',
    EmailAddress: owner.address,
    ...server('IncomingMailServer', access.imap, owner),
    ...server('OutgoingMailServer', access.smtp, owner),
    IncomingPassword: owner.password,
    OutgoingPasswordSameAsIncomingPassword: true,
  })
  return plist({
    ...identify('profile'),
    PayloadType: 'Configuration',
    PayloadDisplayName: `Mail: ${owner.address}`,
    PayloadDescription: `Sets up mail of ${owner.address} on ${access.hostname}.`,
    PayloadOrganization: access.domains[0],
    PayloadRemovalDisallowed: false,
    PayloadContent: payloads,
  })
}

/** With SSL on, the port tells the device whether TLS comes first or by STARTTLS. */
function server(prefix: string, door: ClientDoor | undefined, { address }: Owner) {
  return {
    [`${prefix}HostName`]: door?.host,
    [`${prefix}PortNumber`]: door?.port,
    [`${prefix}UseSSL`]: true,
    [`${prefix}Username`]: address,
    [`${prefix}Authentication`]: 'EmailAuthPassword',
  }
}

/** A UUID that the same text always has (RFC 9562 §5.8: version 8, of SHA-256). */
function uuid(text: string): string {
  const octets = createHash('sha256').update(text).digest().subarray(0, 16)
  octets[6] = ((octets[6] as number) & 0x0f) | 0x80
  octets[8] = ((octets[8] as number) & 0x3f) | 0x80
  const hex = octets.toString('hex').toUpperCase()
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-')
}

function plist(value: Value): string {
  return (
    '<?xml version="1.0" encoding="UTF-8"?>\n' +
    '<!DOCTYPE plist PUBLIC "-//Apple//DTD PLIST 1.0//EN" "http://www.apple.com/DTDs/PropertyList-1.0.dtd">\n' +
    `<plist version="1.0">\n${element(value, '')}</plist>\n`
  )
}

function element(value: Value, indent: string): string {
  if (typeof value === 'string') return `${indent}<string>${escapeXml(value)}</string>\n`
  if (typeof value === 'number') return `${indent}<integer>${value}</integer>\n`
  if (typeof value === 'boolean') return `${indent}<${value}/>\n`
  if (Buffer.isBuffer(value)) return `${indent}<data>${value.toString('base64')}</data>\n`
  const within = `${indent}  `
  if (Array.isArray(value))
    return `${indent}<array>\n${value.map(each => element(each, within)).join('')}${indent}</array>\n`
  const pairs = Object.entries(value as { readonly [key: string]: Value | undefined })
  const text = pairs.map(([key, each]) => {
    return each === undefined ? '' : `${within}<key>${escapeXml(key)}</key>\n${element(each, within)}`
  })
  return `${indent}<dict>\n${text.join('')}${indent}</dict>\n`
}
