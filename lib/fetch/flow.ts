/** The IMAP client library, kept to what we want of it: the only file that knows imapflow. */
import { ImapFlow } from 'imapflow'
import { briefly } from './asker.js'
import type { RemoteOptions } from './source.js'
import { type GatedTransport, gatedTransport, type Witness } from './transport.js'
import { isThrottling } from './trouble.js'

export type Flow = InstanceType<typeof ImapFlow>

/**
 * Capabilities that we do not want to be known: the gate lets no literal out that the server did not ask for, knows
 * no XLIST, and cannot read what is compressed; with UTF8=ACCEPT servers may send messages in another form.
 */
const unwanted = ['LITERAL+', 'LITERAL-', 'XLIST', 'COMPRESS=DEFLATE', 'UTF8=ACCEPT', 'BINARY', 'IMAP4REV2']

/**
 * A client that is not connected yet.
 *
 * @param hearing what is to hear the server's answers
 * @param tooLong called where the provider asks for a pause that is not waited for; the connection is closed then
 */
export function makeFlow(
  options: RemoteOptions,
  hearing: Hearing,
  tooLong: () => void,
): { readonly flow: Flow; readonly transport: GatedTransport } {
  const { host, port, user, secret, tls, timeout = 120_000 } = options
  const transport = gatedTransport({ host, port, trust: options.trust, witness: hearing })
  const flow = new ImapFlow({
    host,
    port,
    secure: tls === 'implicit',
    ...(tls === 'required' ? { doSTARTTLS: true } : tls === 'off' ? { doSTARTTLS: false } : {}),
    auth: 'token' in secret ? { user, accessToken: secret.token } : { user, pass: secret.password },
    transport,
    logger: false,
    clientInfo: { name: 'Postern', version: '', vendor: '', 'support-url': '' },
    qresync: options.asksGone === true,
    disableCompression: true,
    disableAutoIdle: true,
    // Providers end IDLE after ten minutes, and routers forget connections sooner than that.
    maxIdleTime: 540_000,
    disableIMAP4rev2: true,
    disableBinary: true,
    connectionTimeout: 30_000,
    greetingTimeout: 30_000,
    socketTimeout: timeout,
    maxLiteralSize: 16 * 1024 * 1024,
  })
  hideCapabilities(flow)
  waitBriefly(flow, tooLong)
  return { flow, transport }
}

/** The library keeps what the server can in a map that it makes anew several times: each goes through here. */
function hideCapabilities(flow: Flow): void {
  let known = new Map<string, boolean | number>()
  Object.defineProperty(flow, 'capabilities', {
    get: () => known,
    set: (map: Map<string, boolean | number>) => {
      for (const name of map.keys()) if (unwanted.includes(name.toUpperCase())) map.delete(name)
      known = map
    },
  })
}

/** Keeps what a server said of wanting less of us, response code and all: the library passes on less than that. */
export class Hearing implements Witness {
  readonly #witness: Witness | undefined
  /** The last refusal, where it was about that; empty otherwise. */
  throttled = ''

  constructor(witness: Witness | undefined) {
    this.#witness = witness
  }

  sent(octets: Buffer): void {
    this.#witness?.sent(octets)
  }

  answered(line: string): void {
    const [, said] = /^(?:[A-Z0-9]+ (?:NO|BAD)|\* BYE) (.*)$/i.exec(line) ?? []
    if (said !== undefined) this.throttled = isThrottling(said) ? said : ''
    this.#witness?.answered(line)
  }
}

/** The library waits for minutes, again and again, when it is asked to; whoever waits that long had better go. */
function waitBriefly(flow: Flow, tooLong: () => void): void {
  const { throttleWait } = flow as unknown as { throttleWait(wait: number): Promise<boolean> }
  Object.defineProperty(flow, 'throttleWait', {
    value: async (wait: number): Promise<boolean> => {
      if (wait <= briefly) return throttleWait.call(flow, wait)
      tooLong()
      setImmediate(() => flow.close())
      return true
    },
  })
}
