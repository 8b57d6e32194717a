/** What no single key can break: rules between keys. A configuration that breaks one does not start. */
import { Networks } from '../sys/network.js'
import { formatAddress } from '../sys/sockets.js'
import { isLocal } from './listeners.js'
import type { Config } from './load.js'
import type { Problem } from './types.js'

/** All broken rules. */
export function brokenRules(config: Config): Problem[] {
  return [
    ...domainRules(config),
    ...loginRules(config),
    ...listenerRules(config),
    ...openRelays(config),
    ...headerCheckRules(config),
    ...relayRules(config),
    ...fetchRules(config),
  ]
}

function* domainRules({ domains }: Config): Generator<Problem> {
  if (domains.length === 0) yield { path: ['domains'], message: 'must name at least one domain' }
}

function* loginRules({ login }: Config): Generator<Problem> {
  const { oauth2 } = login
  const needs = login.mechanisms.find(name => name === 'XOAUTH2' || name === 'OAUTHBEARER')
  if (needs !== undefined && !oauth2)
    yield { path: ['login', 'mechanisms'], message: `names ${needs}, which needs the table [login.oauth2]` }
  if (!oauth2) return
  if ((oauth2.introspection_url === undefined) === (oauth2.userinfo_url === undefined))
    yield {
      path: ['login', 'oauth2'],
      message: 'needs introspection_url or userinfo_url, and one of them only',
    }
  if (oauth2.client_secret_file !== undefined && oauth2.client_id === undefined)
    yield { path: ['login', 'oauth2', 'client_secret_file'], message: 'stands without a client_id' }
}

function* listenerRules(config: Config): Generator<Problem> {
  const taken = new Map<string, string>()
  for (const server of ['smtpd', 'imapd', 'pop3d', 'sieved'] as const)
    for (const [i, listener] of config[server].listen.entries()) {
      const path = [server, 'listen', i]
      const address = formatAddress(listener.address)
      const other = taken.get(address)
      if (other !== undefined && !address.endsWith(':0'))
        yield { path: [...path, 'address'], message: `is ${address}, which ${other} has already` }
      taken.set(address, `${server}.listen[${i}]`)
      const auth = 'auth' in listener ? listener.auth : 'required'
      if (listener.tls === 'off' && auth !== 'off' && !isLocal(listener.address))
        yield {
          path: [...path, 'tls'],
          message:
            `is "off" on ${address}, which other machines can reach, so passwords would cross the network in the clear; ` +
            (server === 'smtpd'
              ? 'use "required" or "implicit", or auth = "off", or a loopback address'
              : 'use "required" or "implicit", or a loopback address'),
        }
    }
}

const fieldName = /^[\x21-\x39\x3b-\x7e]{1,70}$/

function* headerCheckRules({ smtpd }: Config): Generator<Problem> {
  for (const [i, { header, action, value }] of smtpd.header_check.entries()) {
    const path = ['smtpd', 'header_check', i]
    if (!fieldName.test(header))
      yield { path: [...path, 'header'], message: 'must be the name of a header field, or "*"' }
    const needed = { add: 'a field, as "Name: value"', replace: 'the new value', redirect: 'an address' }
    if (action !== 'add' && action !== 'replace' && action !== 'redirect') continue
    const fits =
      value !== undefined &&
      (action !== 'add' || /^[\x21-\x39\x3b-\x7e]{1,70}:./.test(value)) &&
      (action !== 'redirect' || /^[^\s@<>]+@[^\s@<>]+$/.test(value))
    if (!fits)
      yield { path: [...path, 'value'], message: `must be ${needed[action]}: the action is ${action}` }
  }
}

/**
 * Trusted networks so wide that strangers are in them. A home may trust a public prefix of its own, so the line is
 * drawn where no home's prefix is.
 */
function* openRelays(config: Config): Generator<Problem> {
  for (const [i, listener] of config.smtpd.listen.entries()) {
    const { proxies, xclient } = config.smtpd
    const spokenFor = proxies.length + xclient.length > 0
    if (listener.protocol === 'lmtp' || (isLocal(listener.address) && !spokenFor)) continue
    if (listener.recipients?.every(pattern => isOurs(config, pattern))) continue
    const wide = listener.trusted.filter(isInternet)
    if (wide.length === 0) continue
    yield {
      path: ['smtpd', 'listen', i],
      message:
        `would be an open relay: anybody who reaches ${formatAddress(listener.address)} from ${wide.join(', ')} ` +
        'could send mail to the whole world without a login; put only your own networks into trusted, ' +
        "or limit this listener's recipients to your domains",
    }
  }
}

function isOurs(config: Config, pattern: string): boolean {
  const domain = pattern.slice(pattern.lastIndexOf('@') + 1).toLowerCase()
  return config.domains.includes(domain)
}

const privateNetworks = new Networks(
  '10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.168.0.0/16 ::1 fc00::/7 fe80::/10'.split(
    ' ',
  ),
)

function isInternet(network: string): boolean {
  const [whole = '', length] = network.split('/')
  const mapped = /^::ffff:(?=.)/i.test(whole) && length !== undefined
  const address = mapped ? '::' : whole
  const bits = Number(length ?? 128) - (mapped ? 96 : 0)
  const four = mapped || !address.includes(':')
  if (bits >= (four ? 16 : 32)) return false
  return !privateNetworks.has(address) || bits < (four ? 8 : 7)
}

function* relayRules({ relay }: Config): Generator<Problem> {
  if (!relay) return
  if (!relay.host && !relay.direct && relay.route.length === 0)
    yield {
      path: ['relay', 'host'],
      message: 'is missing: name a smarthost, or routes, or set direct = true',
    }
  yield* passwordRules(relay, ['relay'])
  for (const [i, route] of relay.route.entries()) {
    const path = ['relay', 'route', i]
    if (!route.host) yield { path: [...path, 'host'], message: 'is missing' }
    if (route.sender === undefined && route.recipient === undefined)
      yield { path, message: 'needs a sender or a recipient to match' }
    yield* passwordRules(route, path)
  }
}

function* fetchRules({ fetch, domains }: Config): Generator<Problem> {
  for (const [name, account] of Object.entries(fetch)) {
    const path = ['fetch', name]
    if (!account.host && !account.provider)
      yield { path: [...path, 'host'], message: 'is missing, and so is provider' }
    if (account.user === undefined) yield { path: [...path, 'user'], message: 'is missing' }
    yield* passwordRules(account, path)
    if (account.protocol === 'pop3' && account.flags === 'follow')
      yield { path: [...path, 'flags'], message: 'is "follow", but there are no flags in POP3' }
    if (account.labels === 'keywords' && account.all_mail === 'skip')
      yield {
        path: [...path, 'all_mail'],
        message: 'is "skip", but with labels = "keywords" mail comes from there',
      }
    const domain = account.into.slice(account.into.lastIndexOf('@') + 1).toLowerCase()
    if (!domains.includes(domain))
      yield { path: [...path, 'into'], message: `is ${account.into}, but ${domain} is none of domains` }
  }
}

interface Credentials {
  readonly user?: string | undefined
  readonly password_file?: string | undefined
  readonly password_command?: string | undefined
  readonly oauth2?: object | undefined
}

function* passwordRules(account: Credentials, path: (string | number)[]): Generator<Problem> {
  const given = (['password_file', 'password_command', 'oauth2'] as const).filter(
    key => account[key] !== undefined,
  )
  if (given.length > 1)
    yield { path: [...path, given[1] as string], message: `stands beside ${given[0]}; one is enough` }
  if (account.user !== undefined && given.length === 0)
    yield { path: [...path, 'user'], message: 'needs a password_file, a password_command or an oauth2 table' }
  if (account.user === undefined && given.length > 0)
    yield { path: [...path, given[0] as string], message: 'stands without a user' }
}
