/**
 * The small HTTPS server that mail clients find their settings at: Thunderbird's and Outlook's by themselves, a page
 * for people, and for who logs in the profile of an Apple device.
 */
import { X509Certificate } from 'node:crypto'
import {
  createServer as createHttp,
  type Server as HttpServer,
  type IncomingMessage,
  type ServerResponse,
} from 'node:http'
import { createServer, type Server, type Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import { isDeepStrictEqual } from 'node:util'
import { LoginRefused } from '../auth/gate.js'
import type { User } from '../auth/users.js'
import { accessOf } from '../setup/access.js'
import { addressAsked, autoconfig, autodiscover } from '../setup/autoconfig.js'
import { settingsPage } from '../setup/page.js'
import { describe } from '../sys/error.js'
import type { Log } from '../sys/log.js'
import { type Address, formatAddress, listen, plainAddress } from '../sys/sockets.js'
import { authorityOf, profileOf } from './cert-profile.js'
import type { Parts } from './parts.js'

/** Longest request of a client, in octets. */
const longestBody = 65_536
/** Longest time of a request, in milliseconds. */
const patience = 30_000

interface Answer {
  readonly status: number
  readonly type?: string
  readonly body?: string | Buffer
  readonly headers?: Readonly<Record<string, string>>
}

const xml = 'text/xml; charset=utf-8'
const html = 'text/html; charset=utf-8'
const notFound: Answer = { status: 404, type: 'text/plain', body: 'There is nothing here.\n' }

export class ProfileSite {
  readonly #parts: Parts
  readonly #log: Log
  readonly #inherited: number | undefined
  readonly #http: HttpServer
  readonly #sockets = new Set<Socket>()
  #server: Server | undefined
  #address: Address | undefined

  /** @param inherited the socket that systemd opened, where it did */
  constructor(parts: Parts, log: Log, inherited: number | undefined) {
    this.#parts = parts
    this.#log = log
    this.#inherited = inherited
    this.#http = createHttp({ requestTimeout: patience, headersTimeout: patience }, (request, response) => {
      void this.#respond(request, response)
    })
    this.#http.keepAliveTimeout = 5_000
  }

  get port(): number | undefined {
    const address = this.#server?.address()
    return typeof address === 'object' && address ? address.port : undefined
  }

  /** Listens where the configuration says now. What cannot be opened is logged. */
  async follow(): Promise<void> {
    const wanted = this.#parts.config.profiles?.listen
    if (isDeepStrictEqual(wanted, this.#address)) return
    this.#server?.close()
    this.#server = undefined
    this.#address = wanted
    if (!wanted) return
    const server = createServer({ noDelay: true }, socket => this.#accept(socket))
    try {
      await listen(server, this.#inherited === undefined ? wanted : { fd: this.#inherited })
    } catch (error) {
      this.#log.error('listen-failed', { address: formatAddress(wanted), reason: describe(error) })
      this.#address = undefined
      return
    }
    this.#server = server
    this.#log.info('listening', { address: formatAddress(wanted), port: this.port, tls: 'implicit' })
  }

  async close(): Promise<void> {
    this.#server?.close()
    this.#http.closeIdleConnections()
    for (const socket of this.#sockets) socket.destroy()
  }

  /** The certificate is asked for each connection: a new one needs no restart. */
  #accept(socket: Socket): void {
    const identity = this.#parts.identity(this.#parts.config.tls.minimum)
    socket.on('error', () => socket.destroy())
    if (!identity) return void socket.destroy()
    this.#sockets.add(socket)
    socket.on('close', () => this.#sockets.delete(socket))
    socket.setTimeout(patience, () => socket.destroy())
    const secure = new TLSSocket(socket, { isServer: true, secureContext: identity.context })
    secure.on('error', () => socket.destroy())
    secure.once('secure', () => this.#http.emit('connection', secure))
  }

  async #respond(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let answer: Answer
    try {
      answer = await this.#answer(request)
    } catch (error) {
      this.#log.error('command-failed', { reason: error instanceof Error ? error.stack : String(error) })
      answer = { status: 500, type: 'text/plain', body: 'Something went wrong here.\n' }
    }
    const { status, type = 'text/plain', body = '', headers = {} } = answer
    response.writeHead(status, {
      'content-type': type,
      'content-length': Buffer.byteLength(body),
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
      'content-security-policy': "default-src 'none'; style-src 'unsafe-inline'",
      ...headers,
    })
    response.end(request.method === 'HEAD' ? undefined : body)
  }

  async #answer(request: IncomingMessage): Promise<Answer> {
    const path = pathOf(request)
    if (path === undefined) return notFound
    const access = accessOf(this.#parts.config)
    if (path.toLowerCase() === '/autodiscover/autodiscover.xml') {
      if (request.method !== 'POST') return { status: 405, headers: { allow: 'POST' } }
      const address = addressAsked(await bodyOf(request))
      if (address === undefined) return { status: 400, body: 'The request names no address.\n' }
      return { status: 200, type: xml, body: autodiscover(access, address) }
    }
    if (request.method !== 'GET' && request.method !== 'HEAD')
      return { status: 405, headers: { allow: 'GET, HEAD' } }
    switch (path) {
      case '/':
        return { status: 200, type: html, body: settingsPage(access) }
      case '/mail/config-v1.1.xml':
      case '/.well-known/autoconfig/mail/config-v1.1.xml':
        return { status: 200, type: xml, body: autoconfig(access) }
      case '/ca.crt':
        return this.#authority()
    }
    const [, name, ending] = /^\/([^/]+)\.(mobileconfig|html)$/.exec(path) ?? []
    if (name === undefined) return notFound
    return this.#personal(request, name, ending === 'html' ? 'html' : 'apple')
  }

  async #authority(): Promise<Answer> {
    const authority = await authorityOf(this.#parts.config)
    if (authority === undefined) return notFound
    return { status: 200, type: 'application/x-x509-ca-cert', body: new X509Certificate(authority).raw }
  }

  /** For who logs in, and whose it is. That a name is nobody's is told to nobody. */
  async #personal(request: IncomingMessage, name: string, format: 'apple' | 'html'): Promise<Answer> {
    const user = await this.#login(request)
    if (!user)
      return {
        status: 401,
        body: 'Log in with your mail address and its password.\n',
        headers: { 'www-authenticate': `Basic realm="Mail", charset="UTF-8"` },
      }
    if (this.#parts.users.find(name)?.name !== user.name)
      return { status: 403, body: 'This is somebody else’s.\n' }
    const { config } = this.#parts
    const body = await profileOf(config, { address: user.name }, format)
    this.#log.info('profile', { user: user.name, address: addressOf(request), format })
    if (format === 'html') return { status: 200, type: html, body }
    return {
      status: 200,
      type: 'application/x-apple-aspen-config',
      body,
      headers: { 'content-disposition': 'attachment; filename="mail.mobileconfig"' },
    }
  }

  async #login(request: IncomingMessage): Promise<User | undefined> {
    const [, encoded] = /^Basic +([A-Za-z0-9+/]+=*)$/i.exec(request.headers.authorization ?? '') ?? []
    if (encoded === undefined) return undefined
    const [, user, password] = /^([^:]*):(.*)$/s.exec(Buffer.from(encoded, 'base64').toString('utf8')) ?? []
    if (user === undefined || password === undefined) return undefined
    try {
      return await this.#parts.logins.verify({
        user,
        password,
        protocol: 'imap',
        address: addressOf(request),
        secure: true,
      })
    } catch (error) {
      if (error instanceof LoginRefused) return undefined
      throw error
    }
  }
}

function addressOf({ socket }: IncomingMessage): string {
  return plainAddress(socket.remoteAddress)
}

function pathOf({ url = '/' }: IncomingMessage): string | undefined {
  try {
    return decodeURIComponent(url.split('?')[0] as string)
  } catch {
    return undefined
  }
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  let text = ''
  for await (const chunk of request) {
    text += chunk
    if (text.length > longestBody) return ''
  }
  return text
}
