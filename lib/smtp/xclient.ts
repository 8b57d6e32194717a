/**
 * XCLIENT (Postfix's XCLIENT_README): a proxy or a filter that the configuration names says on whose behalf it
 * speaks. LOGIN is somebody whose password the proxy has seen, as nginx and Dovecot do it. PROTO, DESTADDR and
 * DESTPORT are for the log: the greeting that follows tells the protocol.
 */
import { isIP } from 'node:net'
import { plainAddress } from '../sys/sockets.js'
import { type AnySession, command } from './command.js'
import { decodeXtext } from './dsn.js'
import { xclientAttributes } from './extensions.js'
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
    for (const name of ['ADDR', 'DESTADDR']) {
      const address = attributes.get(name)
      if (address !== undefined && isIP(bareAddress(address)) === 0) throw bad(`${name} is no address`)
    }
    for (const name of ['PORT', 'DESTPORT']) {
      const port = attributes.get(name)
      if (port !== undefined && !(/^\d{1,5}$/.test(port) && Number(port) < 65_536))
        throw bad(`${name} is no port`)
    }
    if (!/^E?SMTP$/i.test(attributes.get('PROTO') ?? 'SMTP')) throw bad('PROTO is SMTP or ESMTP')
    loginOf(session, attributes)
    return attributes
  },
  proceed(session, attributes) {
    const { connection, log } = session
    const before = connection.remoteAddress
    const login = attributes.has('LOGIN') ? loginOf(session, attributes) : session.login
    if (attributes.has('ADDR')) {
      const address = attributes.get('ADDR')
      connection.remoteAddress = address === undefined ? nobody : plainAddress(bareAddress(address))
    }
    if (attributes.has('PORT')) connection.remotePort = Number(attributes.get('PORT') ?? 0)
    session.restart(session.tls)
    session.login = login
    session.assumedHelo = attributes.get('HELO') ?? session.assumedHelo
    log.info('xclient', {
      proxy: before,
      address: connection.remoteAddress,
      user: login === undefined ? undefined : session.backend.nameOf(login),
      destination: attributes.get('DESTADDR'),
      port: attributes.get('DESTPORT'),
      protocol: attributes.get('PROTO'),
    })
    session.reply(220, undefined, greetingLine(session))
  },
})

/** Who logged in at the proxy. @throws SmtpError for a name that is nobody's */
function loginOf({ backend, options }: AnySession, attributes: Attributes): unknown {
  const name = attributes.get('LOGIN')
  if (name === undefined) return undefined
  const login = options.auth === 'off' ? undefined : backend.vouched?.(name)
  if (login === undefined) throw new SmtpError(535, '5.7.8', `There is no login ${name} here`)
  return login
}

/** @throws SmtpError @returns the name in upper case, and the value where it is known */
function readAttribute(word: string): readonly [string, string | undefined] {
  const [, name = '', encoded = ''] = /^([a-z]+)=(.+)$/i.exec(word) ?? []
  const value = decodeXtext(encoded)
  const known = xclientAttributes.some(each => each === name.toUpperCase())
  if (!known || value === undefined || value === '' || /[\x00-\x1f\x7f]/.test(value))
    throw bad(`Syntax: XCLIENT attribute=value, with ${xclientAttributes.join(', ')}`)
  return [name.toUpperCase(), /^\[(UNAVAILABLE|TEMPUNAVAIL)\]$/i.test(value) ? undefined : value]
}

function bareAddress(value: string): string {
  return value.replace(/^IPV6:/i, '')
}

function bad(text: string): SmtpError {
  return new SmtpError(501, '5.5.4', text)
}
