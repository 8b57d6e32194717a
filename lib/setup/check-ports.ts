/** Whether servers answer, with a certificate that clients take. */
import { connect as connectPlain, type Socket } from 'node:net'
import { connect as connectTls, rootCertificates } from 'node:tls'
import type { ListenerConfig } from '../config/listeners.js'
import type { Config } from '../config/load.js'
import { type Address, formatAddress } from '../sys/sockets.js'
import type { Finding, Findings } from './check.js'

/** How long a server may take to greet, in milliseconds: one that sleeps has to start first. */
const patience = 10_000

const greetings = { smtpd: /^220[ -]/, imapd: /^\* (OK|PREAUTH)/, pop3d: /^\+OK/, sieved: /^"|^OK/ } as const

/** Each listener of the configuration. @param authority in PEM; undefined where a public one signed */
export async function* checkPorts(config: Config, authority: string | undefined): Findings {
  for (const server of ['smtpd', 'imapd', 'pop3d', 'sieved'] as const)
    for (const listener of config[server].listen) {
      if ('port' in listener.address && listener.address.port === 0) continue
      const trouble = await greet(listener, greetings[server], config.hostname, authority)
      if (trouble)
        yield {
          level: 'error',
          check: 'ports',
          where: `${server} ${formatAddress(listener.address)}`,
          ...trouble,
        }
    }
}

type Trouble = Pick<Finding, 'what' | 'advice'>

function greet(
  { address, tls }: ListenerConfig,
  pattern: RegExp,
  hostname: string,
  authority: string | undefined,
): Promise<Trouble | undefined> {
  return new Promise(resolve => {
    const place = nearest(address)
    const ca = authority === undefined ? [...rootCertificates] : [authority, ...rootCertificates]
    const socket: Socket =
      tls === 'implicit' ? connectTls({ ...place, servername: hostname, ca }) : connectPlain(place)
    const end = (trouble?: Trouble) => {
      socket.destroy()
      resolve(trouble)
    }
    socket.setTimeout(patience, () =>
      end({
        what: `says nothing for ${patience / 1_000} seconds`,
        advice: 'restart it: systemctl restart mail.target',
      }),
    )
    socket.on('error', error => end(explain(error)))
    socket.on('close', () =>
      end({ what: 'closed the connection without a word', advice: 'its log says why' }),
    )
    let text = ''
    socket.on('data', chunk => {
      text += chunk
      if (!text.includes('\n')) return
      const isGood = pattern.test(text)
      const said = text.split(/\r?\n/)[0]
      end(
        isGood
          ? undefined
          : { what: `greets with: ${said}`, advice: 'another program has the port, or its log says why' },
      )
    })
  })
}

function explain(error: Error & { code?: string }): Trouble {
  const { code = '' } = error
  if (code === 'ECONNREFUSED' || code === 'ENOENT')
    return { what: 'nobody listens', advice: 'systemctl start mail.target, or start the server' }
  if (/CERT|SIGNATURE|ALTNAME/.test(code))
    return {
      what: `clients refuse its certificate: ${error.message}`,
      advice: 'mail-cert show; mail-cert server makes another',
    }
  return { what: `cannot be reached: ${error.message}`, advice: 'its log says why' }
}

function nearest(address: Address): { host: string; port: number } | { path: string } {
  if ('path' in address) return { path: address.path }
  if ('fd' in address) return { path: '' }
  const { host, port } = address
  return { host: host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host, port }
}
