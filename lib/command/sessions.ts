/** Who is connected to this process: kept by what the log is told, asked by mail-user who. */
import type { Fields, Observer } from '../sys/log.js'

export interface SessionInfo {
  /** `session=` of the log. */
  readonly session: string
  /** The daemon: `imapd`. */
  readonly daemon: string
  readonly address: string
  /** Milliseconds since 1970. */
  readonly since: number
  /** Whose it is; undefined before the login. */
  user?: string
  /** The label of the app password. */
  app?: string
  /** Waits in IDLE. */
  idle: boolean
}

export class Sessions {
  readonly #sessions = new Map<string, SessionInfo>()
  readonly #clock: () => number

  constructor(clock: () => number = Date.now) {
    this.#clock = clock
  }

  /** To be told of every event of the log. */
  readonly observe: Observer = (event, fields, context) => {
    if (event === 'connected') return this.#begin(fields, context)
    const session = fields['session'] ?? context['session']
    const known = typeof session === 'string' ? this.#sessions.get(session) : undefined
    if (!known) return
    if (event === 'ended') this.#sessions.delete(known.session)
    else if (event === 'idle' || event === 'idle-ended') known.idle = event === 'idle'
    else if (event === 'login') {
      if (fields['user'] !== undefined) known.user = String(fields['user'])
      if (fields['app'] !== undefined) known.app = String(fields['app'])
    }
  }

  get all(): readonly SessionInfo[] {
    return [...this.#sessions.values()]
  }

  #begin({ address }: Fields, { session, daemon }: Fields): void {
    if (typeof session !== 'string') return
    this.#sessions.set(session, {
      session,
      daemon: String(daemon ?? ''),
      address: String(address ?? ''),
      since: this.#clock(),
      idle: false,
    })
  }
}
