/** Talking to a server of one's own, a line at a time, as a stranger would: for checks alone. */
import { connect as connectPlain, type Socket } from 'node:net'
import { connect as connectTls, rootCertificates } from 'node:tls'

/** How long a server may take to say something, in milliseconds: one that sleeps has to start first. */
export const patience = 10_000

export interface ProbeOptions {
  readonly place: { readonly host: string; readonly port: number } | { readonly path: string }
  /** Where to come from. */
  readonly from?: string | undefined
  /** The name that the certificate must be for. */
  readonly hostname: string
  /** In PEM; undefined where a public authority signed. */
  readonly authority: string | undefined
}

export class Probe {
  readonly #options: ProbeOptions
  #socket: Socket
  #text = ''
  #ended: Error | undefined
  #wake: () => void = () => {}

  /** @param tls whether it comes first */
  constructor(options: ProbeOptions, tls: boolean) {
    this.#options = options
    const { place, from, hostname } = options
    const way = { ...place, ...(from === undefined ? {} : { localAddress: from }) }
    this.#socket = tls
      ? connectTls({ ...way, servername: hostname, ca: this.#authorities })
      : connectPlain(way as never)
    this.#listen()
  }

  /**
   * What the server says, up to the end of its reply.
   *
   * @param whole a reply that is whole; a line, unless told
   * @throws Error with the system's or OpenSSL's code; without one when nothing came, or the connection ended
   */
  async hear(whole = /\n/): Promise<string> {
    for (;;) {
      const match = whole.exec(this.#text)
      if (match) {
        const heard = this.#text.slice(0, match.index + match[0].length)
        this.#text = this.#text.slice(heard.length)
        return heard
      }
      if (this.#ended) throw this.#ended
      await new Promise<void>(resolve => {
        this.#wake = resolve
      })
    }
  }

  /** Says a line, and hears the answer. */
  ask(line: string, whole?: RegExp): Promise<string> {
    this.#socket.write(`${line}\r\n`)
    return this.hear(whole)
  }

  /** Begins TLS; whether the certificate is good shows when something is heard next, or here. @throws as {@link hear} */
  async startTls(): Promise<void> {
    const plain = this.#socket
    plain.removeAllListeners()
    this.#socket = connectTls({
      socket: plain,
      servername: this.#options.hostname,
      ca: this.#authorities,
    })
    this.#listen()
    await new Promise<void>((resolve, reject) => {
      this.#socket.once('secureConnect', resolve)
      this.#wake = () => reject(this.#ended)
    })
  }

  close(): void {
    this.#socket.destroy()
  }

  get #authorities(): string[] {
    const { authority } = this.#options
    return authority === undefined ? [...rootCertificates] : [authority, ...rootCertificates]
  }

  #listen(): void {
    const end = (error: Error) => {
      this.#ended ??= error
      this.#wake()
    }
    this.#socket.setEncoding('latin1')
    this.#socket.on('data', chunk => {
      this.#text += chunk
      this.#wake()
    })
    this.#socket.setTimeout(patience, () => end(new Error(`says nothing for ${patience / 1_000} seconds`)))
    this.#socket.on('error', end)
    this.#socket.on('close', () => end(new Error('closed the connection without a word')))
  }
}
