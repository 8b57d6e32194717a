/** The client's side of SMTP: one connection to a server, its dialogue kept, one message after the other. */
import { connect as connectSocket, isIP, type Socket } from 'node:net'
import type { Readable } from 'node:stream'
import type { SecureContext } from 'node:tls'
import { type Answer, parseAnswer } from './answer.js'
import { ClientConnection, type ClientEnvelope, type SmtpTrouble } from './client-connection.js'
import { unfit, withPlainDomains } from './client-fit.js'
import { bearerLogin, logIn } from './client-login.js'
import { NoConnection, noConnection } from './no-connection.js'
import { Transcript } from './transcript.js'

/** implicit: from the first octet; required: STARTTLS or nothing; offered: STARTTLS where the server has it; off. */
export type ClientTls = 'implicit' | 'required' | 'offered' | 'off'

export interface Login {
  readonly user: string
  readonly password?: string
  /** PLAIN, LOGIN or CRAM-MD5; the first of these that the server has unless told. */
  readonly mechanism?: string
  /** Gets an access token for XOAUTH2 or OAUTHBEARER; a new one when `renew`, the last having been refused. */
  readonly token?: (renew: boolean) => Promise<string>
}

export interface ClientOptions {
  readonly host: string
  readonly port: number
  readonly tls: ClientTls
  /** The authorities that the server's certificate must lead to; Node's own unless told. */
  readonly trust?: SecureContext
  /** The name in EHLO. */
  readonly name: string
  readonly login?: Login
  readonly lmtp?: boolean
  readonly timeouts?: Partial<ClientTimeouts>
}

/** Longest waits, in milliseconds. */
export interface ClientTimeouts {
  /** For the connection, from name to TCP. */
  readonly connect: number
  /** For greeting and TLS. */
  readonly greeting: number
  /** For any octet after that; RFC 5321 §4.5.3.2.6 asks for ten minutes after the end of the message. */
  readonly silence: number
}

const defaultTimeouts: ClientTimeouts = { connect: 30_000, greeting: 60_000, silence: 600_000 }

/** What became of a message. */
export interface Sent {
  /** The word on each recipient, in order; undefined where the connection ended first. */
  readonly answers: readonly (Answer | undefined)[]
  /** What happened to the connection, when something did. */
  readonly trouble?: string
  /** Whether the server answered to nothing of this message: another connection may try it at once. */
  readonly unheard: boolean
  /** Whether the server will send the delivery reports that were asked for (RFC 3461). */
  readonly reports: boolean
  /** Whether the server was told by when it is to deliver (RFC 2852). */
  readonly promisesTime: boolean
}

export class SmtpClient {
  readonly #connection: ClientConnection
  readonly #transcript: Transcript
  #ended = false

  private constructor(connection: ClientConnection, transcript: Transcript) {
    this.#connection = connection
    this.#transcript = transcript
    connection.on('error', () => {
      this.#ended = true
    })
    connection.on('end', () => {
      this.#ended = true
    })
  }

  /** Connects, secures and logs in. @throws NoConnection */
  static async connect(options: ClientOptions): Promise<SmtpClient> {
    const transcript = new Transcript()
    const socket = await openSocket(options, transcript)
    const connection = new ClientConnection(socket, connectionOptions(options, transcript))
    try {
      await greet(connection)
      if (options.login) await logIn(connection, options.login, options)
    } catch (error) {
      connection.close()
      throw noConnection(error as SmtpTrouble, options, transcript)
    }
    transcript.mark()
    return new SmtpClient(connection, transcript)
  }

  /** Whether another message may be sent here. */
  get usable(): boolean {
    return !this.#ended
  }

  /** What was said: from the greeting to the login, and since the last message began. */
  get dialogue(): readonly string[] {
    return this.#transcript.lines
  }

  /**
   * Sends one message. Never throws: what goes wrong is part of the outcome.
   *
   * @param message lines may end in LF; dots are stuffed here
   */
  async send(envelope: ClientEnvelope, message: Buffer | Readable): Promise<Sent> {
    this.#transcript.restart()
    const connection = this.#connection
    const fit = connection.supports('SMTPUTF8') ? envelope : withPlainDomains(envelope)
    const refusal = unfit(fit, connection)
    if (refusal) {
      if (!Buffer.isBuffer(message)) message.destroy()
      this.#transcript.note(refusal.text)
      const answers = envelope.recipients.map(() => refusal)
      return { answers, unheard: false, reports: false, promisesTime: false }
    }
    const promises = {
      reports: connection.supports('DSN'),
      promisesTime: envelope.by !== undefined && connection.leastTime !== undefined,
    }
    const answersOf = (general: Answer | undefined) => {
      const answered = connection.answered()
      return fit.recipients.map(({ address }) => answered.get(address) ?? general)
    }
    try {
      const answer = await connection.transmit(fit, message)
      return { answers: answersOf(answer), unheard: false, ...promises }
    } catch (error) {
      const answer = this.#failed(error as SmtpTrouble)
      const answers = answersOf(answer)
      if (answer) return { answers, unheard: false, ...promises }
      return { answers, trouble: (error as Error).message, unheard: !this.#transcript.heard, ...promises }
    }
  }

  /** Ends the session politely; the connection is gone soon, whether the server answers or not. */
  quit(): void {
    if (this.#ended) return this.close()
    this.#ended = true
    this.#connection.quit()
    setTimeout(() => this.#connection.close(), 5_000).unref()
  }

  close(): void {
    this.#ended = true
    this.#connection.close()
  }

  /** @returns what the server said, when it said something */
  #failed(error: SmtpTrouble): Answer | undefined {
    const answer = error.response === undefined ? undefined : parseAnswer(error.response)
    // Half a message is on its way, or nobody knows what comes next: this connection has no further use.
    if (!answer || answer.code === 421 || this.#connection.inMessage || error.code === 'ESTREAM') this.close()
    if (!answer) this.#transcript.note(error.message)
    return answer
  }
}

/** Opens the socket by the system's own resolver, so that /etc/hosts counts; IPv6 and IPv4 are tried in turn (RFC 8305). */
function openSocket(options: ClientOptions, transcript: Transcript): Promise<Socket> {
  const { host, port, timeouts } = options
  return new Promise((resolve, reject) => {
    const socket = connectSocket({ host, port, autoSelectFamily: true })
    const timer = setTimeout(
      () => socket.destroy(new Error('no answer')),
      timeouts?.connect ?? defaultTimeouts.connect,
    )
    const failed = (error: Error) => {
      clearTimeout(timer)
      const why = reasonOf(error)
      transcript.note(why)
      reject(
        new NoConnection(`cannot connect to ${host}:${port}: ${why}`, 'connect', undefined, transcript.lines),
      )
    }
    socket.once('error', failed)
    socket.once('connect', () => {
      clearTimeout(timer)
      socket.off('error', failed)
      resolve(socket)
    })
  })
}

/** With several addresses Node tells of all failures at once, in an error without a message. */
function reasonOf(error: Error): string {
  const errors = error instanceof AggregateError ? (error.errors as Error[]) : [error]
  return errors.map(each => each.message).join(', ')
}

function connectionOptions(options: ClientOptions, logger: Transcript) {
  const { host, port, tls, name, lmtp = false, trust } = options
  const { greeting, silence } = { ...defaultTimeouts, ...options.timeouts }
  return {
    host,
    port,
    name,
    lmtp,
    secure: tls === 'implicit',
    requireTLS: tls === 'required',
    ignoreTLS: tls === 'off',
    connectionTimeout: greeting,
    greetingTimeout: greeting,
    socketTimeout: silence,
    tls: {
      ...(trust && { secureContext: trust }),
      // Where TLS is taken only if it is there, an unknown certificate still beats none at all (RFC 7435).
      rejectUnauthorized: tls !== 'offered',
      ...(isIP(host) ? {} : { servername: host }),
    },
    customAuth: { OAUTHBEARER: bearerLogin },
    logger,
    transactionLog: true,
  }
}

/** Waits until the server was greeted, and TLS is there where it should be. @throws SmtpTrouble */
function greet(connection: ClientConnection): Promise<void> {
  return new Promise((resolve, reject) => {
    // Stays: the class that listens next is made only after the login.
    connection.on('error', reject)
    connection.connect(error => (error ? reject(error) : resolve()))
  })
}
