/** An SMTP server whose backend lives in memory, for transcripts and for tests of the client. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { SmtpError } from '../../lib/smtp/reply.js'
import { serveSmtp } from '../../lib/smtp/server.js'
import type {
  Backend,
  Envelope,
  Fate,
  Incoming,
  Peer,
  Recipient,
  ServerOptions,
} from '../../lib/smtp/session.js'
import { exits, MailError, TemporaryError } from '../../lib/sys/error.js'
import { Log } from '../../lib/sys/log.js'
import { Listener, type TlsMode } from '../../lib/wire/listener.js'
import { Identity } from '../../lib/wire/tls.js'
import type { Stage } from '../support/transcript.js'

export const identity = () =>
  new Identity({
    certificate: readFileSync('fixtures/tls/localhost.pem'),
    key: readFileSync('fixtures/tls/localhost-key.pem'),
  })

/** A message that came in. */
export interface Kept {
  readonly peer: Peer
  readonly login: string | undefined
  readonly envelope: Envelope
  readonly text: string
}

/**
 * Mailboxes: everybody here.example but those who tell what they do. alice logs in with "wonderland", and may send
 * as herself only.
 */
export class MemoryBackend implements Backend<string> {
  readonly kept: Kept[] = []
  /** Messages begun and neither committed nor aborted. */
  open = 0
  offered: readonly string[] = ['PLAIN', 'LOGIN']
  /** Runs before a message is taken over. */
  beforeCommit: () => Promise<void> | void = () => {}

  mechanisms(): readonly string[] {
    return this.offered
  }

  nameOf(login: string): string {
    return login
  }

  async authenticate(
    _peer: Peer,
    mechanism: string,
    initial: Buffer | undefined,
    exchange: (challenge: Buffer) => Promise<Buffer | undefined>,
  ): Promise<string> {
    const ask = async (challenge: string) => {
      const answer = await exchange(Buffer.from(challenge))
      if (!answer) throw Object.assign(new MailError('cancelled'), { reason: 'cancelled' })
      return answer.toString()
    }
    let user = ''
    let password = ''
    if (mechanism === 'PLAIN')
      [, user = '', password = ''] = (initial?.toString() ?? (await ask(''))).split('\0')
    else {
      user = initial?.toString() ?? (await ask('Username:'))
      password = await ask('Password:')
    }
    if (user === 'locked') throw new TemporaryError('too many failed logins')
    if (user === 'bug') throw new TypeError('a bug')
    if (user !== 'alice' || password !== 'wonderland')
      throw new MailError('wrong user or password', { exit: exits.notAllowed })
    return user
  }

  mail(_peer: Peer, login: string | undefined, { sender }: Envelope): void {
    if (login !== undefined && sender.local !== login && sender.address !== '')
      throw new SmtpError(553, '5.7.1', `${login} may not send as ${sender.address}`)
    if (sender.local === 'bug') throw new TypeError('a bug')
  }

  recipient(_peer: Peer, _login: string | undefined, _envelope: Envelope, { path }: Recipient): void {
    if (path.local === 'nobody') throw new SmtpError(550, '5.1.1', 'There is no nobody here')
    if (path.local === 'busy') throw new TemporaryError('the disk is asleep')
    if (path.domain !== '' && !path.domain.endsWith('.example'))
      throw new SmtpError(550, '5.7.1', 'No relaying')
  }

  async begin(peer: Peer, login: string | undefined, envelope: Envelope): Promise<Incoming> {
    if (envelope.sender.local === 'notnow') throw new TemporaryError('no room to begin')
    this.open++
    let text = ''
    let ended = false
    const end = () => {
      if (!ended) this.open--
      ended = true
    }
    return {
      id: 'm1',
      write: octets => {
        text += octets.toString('latin1')
        if (text.includes('FULL DISK')) throw new TemporaryError('no space left')
        if (text.includes('VIRUS')) throw new SmtpError(554, '5.7.1', 'Not this')
      },
      commit: async () => {
        await this.beforeCommit()
        if (text.includes('LATE BUG')) throw new TypeError('a bug')
        end()
        const fates = envelope.recipients.map(({ path }): Fate => {
          if (path.local === 'full') return new SmtpError(452, '4.2.2', 'full has no room left')
          return path.local === 'refuses' ? new SmtpError(550, '5.7.1', 'refuses refused it') : 'accepted'
        })
        if (fates.includes('accepted')) this.kept.push({ peer, login, envelope, text })
        return fates
      },
      abort: end,
    }
  }
}

export interface MemoryServer extends Stage {
  readonly backend: MemoryBackend
  readonly listener: Listener
  readonly log: string[]
}

/** Starts the server. @param remote whether peers count as strangers from afar, who need TLS to log in */
export async function startMemoryServer(
  options: Partial<ServerOptions> = {},
  remote = false,
): Promise<MemoryServer> {
  const backend = new MemoryBackend()
  const lines: string[] = []
  const log = new Log({ level: 'debug', write: line => lines.push(line) })
  const tls: TlsMode = options.tls ?? 'offered'
  const server: ServerOptions = {
    hostname: 'mail.here.example',
    protocol: 'smtp',
    auth: 'offered',
    maxMessageSize: 100_000,
    ...options,
    tls,
    identity: tls === 'off' ? undefined : identity(),
  }
  const listener = new Listener({
    address: { host: '127.0.0.1', port: 0 },
    tls,
    identity: server.identity,
    log,
    serve: (connection, sessionLog) => {
      if (remote) connection.remoteAddress = '192.0.2.7'
      return serveSmtp(connection, sessionLog, server, backend)
    },
  })
  await listener.open()
  return {
    backend,
    listener,
    log: lines,
    port: listener.port,
    ca: readFileSync('fixtures/tls/ca.pem', 'utf8'),
    close: () => listener.close(0),
  }
}

/** Starts the server that a transcript asks for in a comment: `# server: tls=required auth=required remote`. */
export async function startFor(file: string): Promise<MemoryServer> {
  const [, words = ''] = /^# server: (.*)$/m.exec(readFileSync(file, 'utf8')) ?? []
  const options: Record<string, string | number> = {}
  for (const word of words.split(' ')) {
    const [key = '', value = ''] = word.split('=')
    if (value !== '') options[key] = /^\d+$/.test(value) ? Number(value) : value
  }
  const server = await startMemoryServer(options as Partial<ServerOptions>, words.includes('remote'))
  return { ...server, checks: checksOf(server.backend) }
}

/** What a transcript can check of the messages that were taken: `= count 2`, `= message 1 from to,to`, `= text 1 …`. */
export function checksOf(backend: MemoryBackend) {
  const kept = (number: string): Kept => {
    const message = backend.kept[Number(number) - 1]
    assert.ok(message, `there is no message ${number}`)
    return message
  }
  return {
    count: (count = '') => {
      assert.equal(backend.kept.length, Number(count))
      assert.equal(backend.open, 0, 'a message was neither taken nor dropped')
    },
    envelope: (number = '', sender = '', ...recipients: string[]) => {
      const { envelope } = kept(number)
      assert.equal(`<${envelope.sender.address}>`, sender)
      assert.equal(envelope.recipients.map(each => each.path.address).join(','), recipients.join(' '))
    },
    text: (number = '', ...words: string[]) =>
      assert.equal(JSON.stringify(kept(number).text).slice(1, -1), words.join(' ')),
    login: (number = '', login = '') => assert.equal(kept(number).login ?? 'nobody', login),
    protocol: (number = '', protocol = '') => assert.equal(kept(number).peer.protocol, protocol),
    helo: (number = '', helo = '') => assert.equal(kept(number).peer.helo, helo),
  }
}
