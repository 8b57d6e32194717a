/**
 * XCLIENT (Postfix's XCLIENT_README): a proxy or a filter that the configuration names says on whose behalf it
 * speaks. LOGIN is not offered: who logs in here shows a password.
 */
import { isIP } from 'node:net'
import { plainAddress } from '../sys/sockets.js'
import { command } from './command.js'
import { decodeXtext } from './dsn.js'
import { greetingLine } from './greeting.js'
import { SmtpError } from './reply.js'

/** An address that is nobody's: what a client is that the proxy does not know. It is trusted with nothing. */
const nobody = '0.0.0.0'

type Attributes = ReadonlyMap<string, string | undefined>

/** Outside of transactions; the session begins anew, with another client. */
export const xclient = command<Attributes>({
  states: ['new', 'ready'],
  check(session, argument) {
    if (!session.mayAssume) throw new SmtpError(550, '5.7.0', 'This is not for you')
    const attributes = new Map(argument.trim().split(/ +/).map(readAttribute))
    const address = attributes.get('ADDR')
    if (address !== undefined && isIP(bareAddress(address)) === 0) throw bad('ADDR is no address')
    const port = attributes.get('PORT')
    if (port !== undefined && !(/^\d{1,5}$/.test(port) && Number(port) < 65_536)) throw bad('PORT is no port')
    return attributes
  },
  proceed(session, attributes) {
    const { connection, log } = session
    const before = connection.remoteAddress
    if (attributes.has('ADDR')) {
      const address = attributes.get('ADDR')
      connection.remoteAddress = address === undefined ? nobody : plainAddress(bareAddress(address))
    }
    if (attributes.has('PORT')) connection.remotePort = Number(attributes.get('PORT') ?? 0)
    session.restart(session.tls)
    session.assumedHelo = attributes.get('HELO') ?? session.assumedHelo
    log.info('xclient', { proxy: before, address: connection.remoteAddress })
    session.reply(220, undefined, greetingLine(session))
  },
})

/** @throws SmtpError @returns the name in upper case, and the value where it is known */
function readAttribute(word: string): readonly [string, string | undefined] {
  const [, name = '', encoded = ''] = /^(NAME|ADDR|PORT|PROTO|HELO)=(.+)$/i.exec(word) ?? []
  const value = decodeXtext(encoded)
  if (name === '' || value === undefined || value === '' || /[\x00-\x1f\x7f]/.test(value))
    throw bad('Syntax: XCLIENT NAME=value, with NAME, ADDR, PORT, PROTO and HELO')
  return [name.toUpperCase(), /^\[(UNAVAILABLE|TEMPUNAVAIL)\]$/i.test(value) ? undefined : value]
}

function bareAddress(value: string): string {
  return value.replace(/^IPV6:/i, '')
}

function bad(text: string): SmtpError {
  return new SmtpError(501, '5.5.4', text)
}
