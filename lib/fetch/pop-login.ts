/** Connects to a POP3 server and logs in. */
import type { Duplex } from 'node:stream'
import { MailError, TemporaryError } from '../sys/error.js'
import { PopClient, PopRefusal } from './pop-client.js'
import type { RemoteOptions } from './source.js'
import { type GatedTransport, popTransport } from './transport.js'
import { connectionTrouble, loginTrouble } from './trouble.js'

/** Longest wait for a connection, in milliseconds. */
const patience = 30_000

/** What a server can (RFC 2449): `SASL` to `PLAIN XOAUTH2`. */
export type Capabilities = ReadonlyMap<string, string>

/**
 * @returns a client that is logged in, and what the server can then
 * @throws LoginRefused, Throttled, TemporaryError, or MailError (78) for a certificate
 */
export async function openPop(options: RemoteOptions): Promise<{ client: PopClient; can: Capabilities }> {
  const { host, tls, timeout = 120_000 } = options
  const transport = popTransport(options)
  const socket = await opened(host, done => transport.connect({ secure: tls === 'implicit' }, done))
  const client = new PopClient(host, socket, timeout)
  try {
    await client.answer()
    let can = await capabilities(client)
    if (tls === 'required' || (tls === 'offered' && can.has('STLS'))) {
      await startTls(client, options, transport, socket)
      can = await capabilities(client)
    }
    await logIn(client, options, can)
    return { client, can: await capabilities(client) }
  } catch (error) {
    client.close()
    throw error instanceof PopRefusal ? new TemporaryError(error.message) : error
  }
}

async function opened(host: string, open: (done: () => void) => Duplex): Promise<Duplex> {
  let socket: Duplex | undefined
  let timer: NodeJS.Timeout | undefined
  try {
    return await new Promise<Duplex>((resolve, reject) => {
      const made = open(() => resolve(made))
      socket = made
      made.once('error', reject)
      made.once('close', () => reject(new Error('closed')))
      timer = setTimeout(() => made.destroy(new Error('nobody answers')), patience)
    })
  } catch (error) {
    socket?.destroy()
    throw connectionTrouble(host, error)
  } finally {
    clearTimeout(timer)
  }
}

async function capabilities(client: PopClient): Promise<Capabilities> {
  try {
    await client.ask('CAPA')
  } catch (error) {
    if (error instanceof PopRefusal) return new Map()
    throw error
  }
  return new Map(
    (await client.lines()).map(line => {
      const [name = '', ...words] = line.trim().split(' ')
      return [name.toUpperCase(), words.join(' ').toUpperCase()]
    }),
  )
}

async function startTls(
  client: PopClient,
  { host }: RemoteOptions,
  transport: GatedTransport,
  socket: Duplex,
): Promise<void> {
  try {
    await client.ask('STLS')
  } catch (error) {
    if (!(error instanceof PopRefusal)) throw error
    throw new MailError(`${host} offers no TLS on this port: ${error.said}`, { exit: 78 })
  }
  client.replaceSocket(await opened(host, done => transport.upgrade(socket, {}, done)))
}

async function logIn(client: PopClient, options: RemoteOptions, can: Capabilities): Promise<void> {
  const { host, user, secret } = options
  const mechanisms = (can.get('SASL') ?? '').split(' ')
  try {
    if ('token' in secret) await bearer(client, options, secret.token, mechanisms)
    // A server that tells what it can, and not USER, wants SASL.
    else if (can.size > 0 && !can.has('USER') && mechanisms.includes('PLAIN'))
      await exchange(client, 'PLAIN', `\0${user}\0${secret.password}`)
    else {
      await client.ask(`USER ${user}`)
      await client.ask(`PASS ${secret.password}`)
    }
  } catch (error) {
    throw error instanceof PopRefusal ? loginTrouble(host, user, error.said) : error
  }
}

async function bearer(
  client: PopClient,
  { host, port, user }: RemoteOptions,
  token: string,
  mechanisms: readonly string[],
): Promise<void> {
  if (mechanisms.includes('OAUTHBEARER') && !mechanisms.includes('XOAUTH2'))
    await exchange(
      client,
      'OAUTHBEARER',
      `n,a=${user},\x01host=${host}\x01port=${port}\x01auth=Bearer ${token}\x01\x01`,
    )
  else await exchange(client, 'XOAUTH2', `user=${user}\x01auth=Bearer ${token}\x01\x01`)
}

/** One challenge that is empty, and one answer; what is refused is told in another challenge, which is answered too. */
async function exchange(client: PopClient, mechanism: string, text: string): Promise<void> {
  client.say(`AUTH ${mechanism}`)
  const first = await client.line()
  if (!first.startsWith('+')) throw new PopRefusal('', first.replace(/^-ERR */i, ''))
  client.say(Buffer.from(text).toString('base64'))
  const line = await client.line()
  if (/^\+OK/i.test(line)) return
  if (!line.startsWith('+')) throw new PopRefusal('', line.replace(/^-ERR */i, ''))
  const told = Buffer.from(line.slice(2), 'base64').toString()
  client.say('')
  const last = await client.line()
  throw new PopRefusal('', `${last.replace(/^-ERR */i, '')} ${told}`.trim())
}
