/** The way of one message through servers that run: in where clients send, out where they read, and away again. */
import { connect, createSecureContext, rootCertificates, type TLSSocket } from 'node:tls'
import type { ListenerConfig } from '../config/listeners.js'
import type { Config } from '../config/load.js'
import { quote } from '../imap/encode.js'
import { formatDate } from '../message/date.js'
import { SmtpClient } from '../smtp/client.js'
import { exits, MailError } from '../sys/error.js'
import { formatAddress } from '../sys/sockets.js'

export interface TestOptions {
  readonly config: Config
  /** The address of a user; mail goes from and to it. */
  readonly user: string
  readonly password: string
  /** The authority in PEM; undefined where a public one signed the certificate. */
  readonly authority: string | undefined
  readonly now: Date
  /** Told each step that was done. */
  readonly step: (text: string) => void
}

/** How long mail may take from one server to the other, in milliseconds. */
const patience = 10_000

/** Sends a message to the user himself, reads it and removes it. @throws MailError (69) saying how far it came */
export async function selfTest(options: TestOptions): Promise<void> {
  const { config, now, step } = options
  const inward = config.smtpd.listen.find(
    ({ protocol, auth, tls, address }) =>
      protocol === 'smtp' && auth !== 'off' && tls !== 'off' && 'port' in address,
  )
  const outward = config.imapd.listen.find(({ tls, address }) => tls === 'implicit' && 'port' in address)
  if (!inward || !outward)
    throw new MailError('there is no listener with TLS for both smtpd and imapd, so nothing can be tried', {
      exit: exits.config,
    })
  const id = `setup-test.${now.getTime()}.${process.pid}@${config.hostname}`
  await send(options, inward, id)
  step(`a message went in at ${formatAddress(inward.address)}`)
  await fetchBack(options, outward, id)
  step(`and came out at ${formatAddress(outward.address)}`)
}

async function send(
  { user, password, authority, config, now }: TestOptions,
  listener: ListenerConfig,
  id: string,
) {
  const { host, port } = nearest(listener)
  const client = await SmtpClient.connect({
    host,
    port,
    tls: listener.tls,
    name: config.hostname,
    trust: createSecureContext({ ca: trusted(authority) }),
    login: { user, password },
  })
  try {
    const text =
      `From: <${user}>\r\nTo: <${user}>\r\nDate: ${formatDate(now.getTime())}\r\n` +
      `Message-ID: <${id}>\r\nSubject: Test of the set-up\r\n\r\nThis message removes itself.\r\n`
    const message = Buffer.from(text)
    const { answers, trouble } = await client.send(
      { sender: user, recipients: [{ address: user }], size: message.length },
      message,
    )
    const [answer] = answers
    if (answer?.code === 250) return
    throw new MailError(
      `${host}:${port} did not take the message: ${answer?.text ?? trouble ?? 'no answer'}`,
      {
        exit: exits.unavailable,
      },
    )
  } finally {
    client.quit()
  }
}

async function fetchBack({ user, password, authority }: TestOptions, listener: ListenerConfig, id: string) {
  const imap = await Imap.connect(nearest(listener), trusted(authority))
  try {
    await imap.command(`LOGIN ${quote(user)} ${quote(password)}`)
    const folders = await imap.command('LIST "" "*"')
    const names = [...folders.join('\n').matchAll(/^\* LIST \([^)]*\) (?:"[^"]*"|NIL) (.+)$/gm)].map(
      ([, name]) => name as string,
    )
    const end = Date.now() + patience
    do {
      // A filter may have filed it anywhere.
      for (const name of ['INBOX', ...names.filter(each => !/^"?INBOX"?$/i.test(each))])
        if (await imap.takeAway(name, id)) return
      await new Promise(resolve => setTimeout(resolve, 200))
    } while (Date.now() < end)
    throw new MailError(`the message was taken, but is in no mailbox of ${user}`, { exit: exits.unavailable })
  } finally {
    imap.close()
  }
}

/** A listener's address as this machine reaches it. */
function nearest({ address }: ListenerConfig): { host: string; port: number } {
  const { host, port } = address as { host: string; port: number }
  return { host: host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '::1' : host, port }
}

function trusted(authority: string | undefined): string[] {
  return authority === undefined ? [...rootCertificates] : [authority, ...rootCertificates]
}

/** As much of an IMAP client as this needs: commands without literals, one at a time. */
class Imap {
  readonly #socket: TLSSocket
  readonly #where: string
  #text = ''
  #tag = 0
  #wake: () => void = () => {}
  #ended: string | undefined

  private constructor(socket: TLSSocket, where: string) {
    this.#socket = socket
    this.#where = where
    socket.setEncoding('utf8')
    socket.on('data', (chunk: string) => {
      this.#text += chunk
      this.#wake()
    })
    const end = (reason: string) => {
      this.#ended ??= reason
      this.#wake()
    }
    socket.setTimeout(patience, () => end('it says nothing'))
    socket.on('error', error => end(error.message))
    socket.on('close', () => end('the connection was closed'))
  }

  static async connect({ host, port }: { host: string; port: number }, ca: string[]): Promise<Imap> {
    const imap = new Imap(connect({ host, port, ca }), `${host}:${port}`)
    await imap.#until(/^\* OK.*\r\n/)
    return imap
  }

  /** @returns the untagged lines @throws MailError (69) for anything but OK */
  async command(line: string): Promise<string[]> {
    const tag = `t${++this.#tag}`
    this.#socket.write(`${tag} ${line}\r\n`)
    const answer = await this.#until(new RegExp(`(?:^|\\r\\n)${tag} .*\\r\\n`))
    const lines = answer.split('\r\n')
    const last = lines.at(-2) ?? ''
    if (last.startsWith(`${tag} OK`)) return lines.slice(0, -2)
    const verb = line.split(' ')[0]
    throw new MailError(`${this.#where} answered ${verb} with: ${last.slice(tag.length + 1)}`, {
      exit: exits.unavailable,
    })
  }

  /** Removes the message from a mailbox. @returns whether it was there */
  async takeAway(mailbox: string, id: string): Promise<boolean> {
    await this.command(`SELECT ${mailbox}`).catch(() => [])
    const found = await this.command(`UID SEARCH HEADER Message-ID ${quote(id)}`).catch(() => [])
    const uid = /^\* SEARCH (\d+)/m.exec(found.join('\n'))?.[1]
    if (uid === undefined) return false
    await this.command(`UID STORE ${uid} +FLAGS.SILENT (\\Deleted)`)
    await this.command(`UID EXPUNGE ${uid}`)
    return true
  }

  close(): void {
    this.#socket.end('bye LOGOUT\r\n')
    this.#socket.setTimeout(2_000, () => this.#socket.destroy())
  }

  async #until(pattern: RegExp): Promise<string> {
    for (;;) {
      const match = pattern.exec(this.#text)
      if (match) {
        const end = match.index + match[0].length
        const answer = this.#text.slice(0, end)
        this.#text = this.#text.slice(end)
        return answer
      }
      if (this.#ended !== undefined)
        throw new MailError(`${this.#where}: ${this.#ended}`, { exit: exits.unavailable })
      await new Promise<void>(resolve => {
        this.#wake = resolve
      })
    }
  }
}
