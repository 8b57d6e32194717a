/** sendmail -bs: SMTP on standard input and output, each message into the queue. */
import { createReadStream, createWriteStream } from 'node:fs'
import type { Socket } from 'node:net'
import { Duplex } from 'node:stream'
import type { Config } from '../config/load.js'
import { loadConfig } from '../config/load.js'
import type { Draft } from '../queue/draft.js'
import { beginDrop, mayEnqueue } from '../queue/drop.js'
import type { Submission } from '../queue/entry.js'
import { Queue } from '../queue/queue.js'
import { IncomingMessage } from '../serve/incoming.js'
import type { Path } from '../smtp/path.js'
import { serveSmtp } from '../smtp/server.js'
import type { Backend } from '../smtp/session.js'
import { exits } from '../sys/error.js'
import { Log } from '../sys/log.js'
import { Connection } from '../wire/line.js'

/** Speaks until the other end leaves. @returns the exit status */
export async function serveStdin(file: string): Promise<number> {
  const config = await loadConfig(file)
  const connection = new Connection(new StandardStreams() as unknown as Socket, 'stdin')
  const { directory } = config.queue
  const enqueues = await mayEnqueue(directory)
  const queue = enqueues ? await Queue.open(directory) : undefined
  const begin = (submission: Submission) => queue?.begin(submission) ?? beginDrop(directory, submission)
  await serveSmtp(
    connection,
    new Log({ level: 'error' }),
    {
      hostname: config.hostname,
      protocol: 'smtp',
      tls: 'off',
      identity: undefined,
      auth: 'off',
      maxMessageSize: config.smtpd.max_message_size,
    },
    backend(config, begin),
  )
  connection.close()
  return exits.ok
}

/** Who runs this may send as anybody to anybody, as with mail-send's other ways. */
function backend(config: Config, begin: (submission: Submission) => Draft): Backend<never> {
  const complete = ({ address, domain }: Path) =>
    address === '' || domain !== '' ? address : `${address}@${config.domains[0]}`
  return {
    mechanisms: () => [],
    authenticate: () => Promise.reject(new Error('no mechanism is offered')),
    nameOf: () => '',
    mail: () => {},
    recipient: () => {},
    begin: async (peer, _login, envelope) => {
      const sender = complete(envelope.sender)
      const draft = begin({
        sender,
        recipients: envelope.recipients.map(({ path }) => ({ address: complete(path) })),
        origin: `mail-send -bs uid ${process.getuid?.() ?? 0}`,
        ...(envelope.utf8 && { utf8: true }),
      })
      const { hostname } = config
      const now = Date.now()
      return new IncomingMessage(
        {
          id: draft.id,
          hostname,
          peer,
          login: undefined,
          envelope,
          sender,
          now,
          complete: true,
          alone: false,
        },
        { open: async () => [draft] },
      )
    },
  }
}

/** The two standard streams in the shape of a socket. */
class StandardStreams extends Duplex {
  readonly remoteAddress = ''
  readonly #input = createReadStream('', { fd: 0, autoClose: false })
  readonly #output = createWriteStream('', { fd: 1, autoClose: false })

  constructor() {
    super({ allowHalfOpen: true })
    this.#input.on('data', chunk => {
      if (!this.push(chunk)) this.#input.pause()
    })
    this.#input.on('end', () => this.push(null))
    this.#input.on('error', error => this.destroy(error))
    this.#output.on('error', error => this.destroy(error))
  }

  setNoDelay(): this {
    return this
  }

  override _read(): void {
    this.#input.resume()
  }

  override _write(chunk: Buffer, _encoding: string, done: (error?: Error | null) => void): void {
    this.#output.write(chunk, done)
  }
}
