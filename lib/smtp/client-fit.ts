/** Whether a message can go to a server at all, by what the server said of itself. */
import { domainToASCII } from 'node:url'
import type { Answer } from './answer.js'
import type { ClientConnection, ClientEnvelope } from './client-connection.js'

/** Why a message cannot go to this server at all; nothing was said yet. */
export function unfit(envelope: ClientEnvelope, connection: ClientConnection): Answer | undefined {
  const { sender, recipients, size = 0, utf8, requireTls, by } = envelope
  const addresses = [sender, ...recipients.map(({ address }) => address)]
  if (addresses.some(address => /[\r\n<>]/.test(address)))
    return { code: 553, status: '5.1.3', text: 'an address holds what no address may hold' }
  if ((utf8 || addresses.some(isInternational)) && !connection.supports('SMTPUTF8'))
    return { code: 550, status: '5.6.7', text: 'the server cannot take internationalized mail (SMTPUTF8)' }
  if (requireTls && !(connection.secure && connection.supports('REQUIRETLS')))
    return {
      code: 550,
      status: '5.7.30',
      text: 'the server does not promise TLS on all the way (REQUIRETLS)',
    }
  const { maxSize, leastTime } = connection
  // RFC 2852 §4: what is to come back when it is late goes to nobody who does not promise that.
  if (by?.mode === 'R' && (leastTime === undefined || by.seconds < Math.max(leastTime, 1)))
    return {
      code: 554,
      status: '5.4.7',
      text:
        leastTime === undefined
          ? 'the server cannot promise a time of delivery (DELIVERBY)'
          : `${Math.max(by.seconds, 0)} seconds are left, which is too little time for the server`,
    }
  if (maxSize !== undefined && size > maxSize)
    return {
      code: 552,
      status: '5.3.4',
      text: `the message is larger than ${maxSize} octets, which is all the server takes`,
    }
  return undefined
}

const isInternational = (address: string) => /[^\0-\x7f]/.test(address)

/** Domains in the form that every server knows (RFC 5891 §4.4); local parts have no such form. */
export function withPlainDomains(envelope: ClientEnvelope): ClientEnvelope {
  const plain = (address: string) => {
    const at = address.lastIndexOf('@') + 1
    const domain = at > 0 && isInternational(address) ? domainToASCII(address.slice(at)) : ''
    return domain === '' ? address : address.slice(0, at) + domain
  }
  const recipients = envelope.recipients.map(each => ({ ...each, address: plain(each.address) }))
  return { ...envelope, sender: plain(envelope.sender), recipients }
}
