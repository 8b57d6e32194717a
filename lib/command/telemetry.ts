/**
 * What a process tells of itself: who is connected and what it counts, over its control socket; and, where the
 * configuration has [metrics], the numbers of all processes of the configuration together. Of these the one that gets
 * the port serves it, and the one whose name comes first writes the file; when it ends another one takes over.
 */
import type { Server } from 'node:http'
import { isDeepStrictEqual } from 'node:util'
import type { Config } from '../config/load.js'
import { writeAtomic } from '../sys/atomic.js'
import { askAll, Control, type Request } from '../sys/control.js'
import { describe } from '../sys/error.js'
import type { Log, Observer } from '../sys/log.js'
import { exposition, expositionType, type Family, mergeFamilies } from '../sys/metrics.js'
import { listen } from '../sys/sockets.js'
import { LastLogins } from './last-logins.js'
import type { Meters } from './meters.js'
import type { Parts } from './parts.js'
import { type SessionInfo, Sessions } from './sessions.js'

/** How often the file is written, and a port tried that another process has, in milliseconds. */
const rhythm = 15_000
/** How long a session that is ended may take, in milliseconds. */
const grace = 2_000

/** Ends the session of this name, if it is one of this process. */
export type EndSession = (session: string, grace: number) => Promise<boolean>

export interface TelemetryOptions {
  readonly parts: Parts
  /** The name of the process: `imapd`, or `suite`. */
  readonly name: string
  readonly log: Log
  readonly end: EndSession
}

type Settings = NonNullable<Config['metrics']>

export class Telemetry {
  readonly #sessions = new Sessions()
  readonly #lastLogins = new LastLogins(user => this.#options?.parts.users.find(user)?.home)
  #meters: Meters | undefined
  #options: TelemetryOptions | undefined
  #control: Control | undefined
  #settings: Settings | undefined
  #server: Server | undefined
  #timer: NodeJS.Timeout | undefined
  #turn: Promise<void> = Promise.resolve()
  /** To be told of every event of the log. */
  readonly observe: Observer = (event, fields, context) => {
    this.#meters?.observe(event, fields, context)
    this.#sessions.observe(event, fields, context)
    this.#lastLogins.observe(event, fields, context)
  }

  /** Counts from now on, if the configuration wants numbers. */
  async count(config: Config): Promise<void> {
    if (!config.metrics || this.#meters) return
    const { Meters } = await import('./meters.js')
    this.#meters = new Meters(this.#sessions)
  }

  /** Begins to answer. That something cannot be opened is logged: the mail does not depend on it. */
  async open(options: TelemetryOptions): Promise<void> {
    this.#options = options
    const { parts, name, log } = options
    try {
      this.#control = await Control.open(parts.config.runtime.directory, name, each => this.#answer(each))
    } catch (error) {
      log.debug('control-not-opened', { reason: describe(error) })
    }
    await this.reload()
  }

  /** Follows a changed configuration. */
  async reload(): Promise<void> {
    const options = this.#options
    if (!options) return
    if (isDeepStrictEqual(options.parts.config.metrics, this.#settings)) return this.#takeTurn()
    this.#closeServer()
    clearInterval(this.#timer)
    this.#settings = options.parts.config.metrics
    if (!this.#settings) return
    await this.count(options.parts.config)
    await this.#takeTurn()
    this.#timer = setInterval(() => void this.#takeTurn(), rhythm).unref()
  }

  /** Where the numbers are served; undefined while another process does. */
  get port(): number | undefined {
    const address = this.#server?.address()
    return typeof address === 'object' && address ? address.port : undefined
  }

  /** Answers nobody any more. */
  async close(): Promise<void> {
    clearInterval(this.#timer)
    this.#options = undefined
    await Promise.all([this.#turn, this.#lastLogins.write()])
    this.#closeServer()
    await this.#control?.close()
    this.#meters?.close()
  }

  async #answer({ verb, session }: Request): Promise<unknown> {
    if (verb === 'who') return this.#sessions.all satisfies readonly SessionInfo[]
    if (verb === 'kick') return this.#options?.end(String(session), grace)
    if (verb === 'metrics') return this.#own()
    return undefined
  }

  async #own(): Promise<Family[]> {
    return (await this.#meters?.metrics.families({ process: this.#options?.name ?? '' })) ?? []
  }

  /** The numbers of all processes, those of this one first. */
  async #all(parts: Parts): Promise<{ families: Family[]; isFirst: boolean }> {
    const name = this.#options?.name ?? ''
    const others = this.#control
      ? (await askAll<Family[]>(parts.config.runtime.directory, { verb: 'metrics' })).filter(
          other => other.pid !== process.pid || other.name !== name,
        )
      : []
    const isFirst = others.every(other => `${name}.${process.pid}` < `${other.name}.${other.pid}`)
    // While a process is replaced by another of its name both are there; a number must not be there twice.
    const foreign = others.filter((other, i) => {
      return other.name !== name && others.findIndex(each => each.name === other.name) === i
    })
    const lists = [await this.#own(), ...foreign.map(({ answer }) => answer ?? []), await standing(parts)]
    return { families: mergeFamilies(lists), isFirst }
  }

  #takeTurn(): Promise<void> {
    this.#turn = this.#turn.then(async () => {
      const options = this.#options
      const { listen: address, textfile } = this.#settings ?? {}
      if (!options) return
      if (address && !this.#server) await this.#serve(options, address)
      if (textfile === undefined) return
      try {
        const { families, isFirst } = await this.#all(options.parts)
        // Read by another program's user.
        const owner = { uid: process.geteuid?.() ?? 0, gid: process.getegid?.() ?? 0 }
        if (isFirst) await writeAtomic(textfile, exposition(families), { mode: 0o644, ...owner })
      } catch (error) {
        options.log.warning('metrics-not-written', { file: textfile, reason: describe(error) })
      }
    })
    return this.#turn
  }

  async #serve({ parts, log }: TelemetryOptions, address: NonNullable<Settings['listen']>): Promise<void> {
    const { createServer } = await import('node:http')
    const server = createServer((request, response) => {
      if (request.url?.split('?')[0] !== '/metrics') {
        response.writeHead(404, { 'content-type': 'text/plain' }).end('The numbers are at /metrics\n')
        return
      }
      this.#all(parts).then(
        ({ families }) =>
          response.writeHead(200, { 'content-type': expositionType }).end(exposition(families)),
        error => response.writeHead(500, { 'content-type': 'text/plain' }).end(`${describe(error)}\n`),
      )
    })
    try {
      await listen(server, address)
    } catch (error) {
      const others = this.#control ? await askAll(parts.config.runtime.directory, { verb: 'who' }) : []
      // Another process of ours has it, and tells our numbers too.
      if (others.length > 1) return log.debug('metrics-not-listened', { reason: describe(error) })
      return log.warning('metrics-not-listened', { reason: describe(error) })
    }
    server.unref()
    this.#server = server
    log.info('metrics-listening', { port: this.port })
  }

  #closeServer(): void {
    this.#server?.close()
    this.#server?.closeAllConnections()
    this.#server = undefined
  }
}

async function standing(parts: Parts): Promise<Family[]> {
  return (await import('./standing.js')).standing(parts)
}
