/**
 * The skeleton of every server: configuration, log, certificate, users, listeners; reload on SIGHUP and when one of
 * the files changes; on SIGTERM and SIGINT nobody new is let in and sessions get a moment to end.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { isDeepStrictEqual } from 'node:util'
import { type Config, ConfigError, loadConfig } from '../config/load.js'
import { describe, exits, MailError } from '../sys/error.js'
import { gatheredStderr, Log, type LogOptions } from '../sys/log.js'
import { inheritedSockets } from '../sys/sockets.js'
import { type Watch, watchFiles } from '../sys/watch.js'
import { Doors, isServer, listenersOf } from './doors.js'
import { notifier } from './notify.js'
import { type Command, command } from './options.js'
import { Parts } from './parts.js'
import type { ProfileSite } from './profiles.js'
import type { Running, Service } from './service.js'
import { untilSignal } from './signals.js'
import { Telemetry } from './telemetry.js'

export interface DaemonOptions {
  readonly services: readonly Service[]
  /** The configuration's path. */
  readonly file: string
  readonly log?: LogOptions
  /** Whether to follow changes of the files; true unless told. */
  readonly watch?: boolean
  /** Sockets that systemd opened, by name. */
  readonly sockets?: Map<string, number[]>
}

interface Member {
  readonly service: Service
  readonly running: Running
  readonly doors: Doors | undefined
  readonly log: Log
}

/** How long sessions may take to end when a listener goes or the process is asked to end, in milliseconds. */
const grace = 5_000

/** Running servers. */
export class Daemon {
  readonly #options: DaemonOptions
  readonly #members: Member[] = []
  readonly #activated: boolean
  readonly parts: Parts
  readonly log: Log
  readonly #telemetry: Telemetry
  #site: ProfileSite | undefined
  #siteSocket: number | undefined
  #watch: Watch | undefined
  #watched: readonly string[] = []
  #idle: NodeJS.Timeout | undefined
  #wasIdle = false
  #reloading: Promise<void> = Promise.resolve()
  #stopped = false
  /** Called when there has been no connection for as long as the configuration's idle_exit says. */
  onIdleExit: () => void = () => {}

  private constructor(options: DaemonOptions, parts: Parts, telemetry: Telemetry) {
    this.#options = options
    this.#telemetry = telemetry
    this.#activated = (options.sockets?.size ?? 0) > 0
    this.parts = parts
    this.log = parts.log
  }

  /**
   * Starts all services and their listeners; connections are accepted when this returns.
   *
   * @throws ConfigError, MailError (69 for an address that is taken, 78) with everything closed again
   */
  static async start(options: DaemonOptions): Promise<Daemon> {
    const config = await loadConfig(options.file)
    const telemetry = new Telemetry()
    await telemetry.count(config)
    const log = new Log({
      level: config.log.level,
      write: gatheredStderr(),
      ...options.log,
      observe: telemetry.observe,
    })
    const parts = await Parts.open(config, log, needsTls(config, options.services))
    const daemon = new Daemon(options, parts, telemetry)
    try {
      const sockets = options.sockets ?? new Map()
      daemon.#siteSocket = sockets.get('profiles')?.[0]
      sockets.delete('profiles')
      for (const service of options.services) await daemon.#start(service, sockets)
      for (const name of unclaimed(sockets)) log.warning('socket-unused', { socket: name })
      await daemon.#openSite()
      await telemetry.open({ parts, name: nameOf(options.services), log, end: daemon.#end.bind(daemon) })
      if (options.watch ?? true) await daemon.#follow()
      daemon.#restartIdleClock()
    } catch (error) {
      await daemon.stop(0)
      throw error
    }
    return daemon
  }

  /** Ports of a service's listeners, in the order of the configuration. */
  ports(name: string): number[] {
    return this.#members.find(member => member.service.name === name)?.doors?.ports ?? []
  }

  /** The port where metrics are served; undefined where they are not, or by another process. */
  get metricsPort(): number | undefined {
    return this.#telemetry.port
  }

  /** The port where profiles for mail clients are served; undefined where they are not. */
  get profilesPort(): number | undefined {
    return this.#site?.port
  }

  /** Reads the configuration and the certificate again. What is broken is logged, and all goes on as it was. */
  reload(): Promise<void> {
    this.#reloading = this.#reloading.then(() => this.#reload())
    return this.#reloading
  }

  /** Ends: nobody new, sessions get `wait` milliseconds. */
  async stop(wait = grace): Promise<void> {
    this.#stopped = true
    clearTimeout(this.#idle)
    await this.#telemetry.close()
    // A reload that hangs must not keep the process.
    await Promise.race([this.#reloading, delay(Math.max(wait, 1_000), undefined, { ref: false })])
    await this.#watch?.close()
    await this.#site?.close()
    await Promise.all(this.#members.map(member => member.doors?.close(wait)))
    await Promise.all(this.#members.map(member => member.running.close?.()))
    await this.parts.close()
  }

  async #start(service: Service, sockets: Map<string, number[]>): Promise<void> {
    const log = this.log.with({ daemon: service.name })
    const running = await service.start(this.parts, log)
    const doors = isServer(service.name)
      ? new Doors(service.name, this.parts, log, running, sockets)
      : undefined
    this.#members.push({ service, running, doors, log })
    if (!doors) return
    doors.onIdle = () => this.#restartIdleClock()
    await doors.open()
  }

  async #reload(): Promise<void> {
    if (this.#stopped) return
    try {
      const config = await loadConfig(this.#options.file)
      await this.parts.replace(config, needsTls(config, this.#options.services))
    } catch (error) {
      const problems = error instanceof ConfigError ? error.problems : [describe(error)]
      for (const reason of problems) this.log.error('reload-failed', { reason })
      return
    }
    for (const { doors, running, log } of this.#members)
      try {
        await doors?.reload(grace)
        await running.reload?.()
      } catch (error) {
        log.error('reload-failed', { reason: describe(error) })
      }
    await this.#telemetry.reload()
    await this.#openSite()
    this.log.info('reloaded', { file: this.#options.file })
    if (this.#watch) await this.#follow()
  }

  /** Profiles for mail clients are served beside IMAP. */
  async #openSite(): Promise<void> {
    const { config } = this.parts
    if (!this.#site && !servesSite(config, this.#options.services)) return
    const { ProfileSite } = await import('./profiles.js')
    this.#site ??= new ProfileSite(this.parts, this.log.with({ daemon: 'profiles' }), this.#siteSocket)
    await this.#site.follow()
  }

  /** Ends one session of ours. */
  async #end(session: string, patience: number): Promise<boolean> {
    const ended = this.#members.map(({ doors }) => doors?.end(session, patience) ?? false)
    return (await Promise.all(ended)).includes(true)
  }

  /** Watches the files as the configuration names them now; a watch that fits goes on, so that it misses nothing. */
  async #follow(): Promise<void> {
    const { file, tls } = this.parts.config
    const paths = [file, tls.certificate, tls.key]
    if (isDeepStrictEqual(paths, this.#watched)) return
    const old = this.#watch
    this.#watch = await watchFiles(paths, () => void this.reload())
    this.#watched = paths
    await old?.close()
  }

  #restartIdleClock(): void {
    clearTimeout(this.#idle)
    const { config } = this.parts
    const waits = this.#options.services.map(({ name }) => {
      if (name === 'relay') return config.queue.idle_exit
      return isServer(name) && this.#activated ? config[name].idle_exit : 0
    })
    if (waits.includes(0) || this.#connections > 0) return
    this.#idle = setTimeout(() => void this.#goHome(), Math.max(...waits)).unref()
  }

  /** Who has work of its own, besides connections, must have had none the last time too. */
  async #goHome(): Promise<void> {
    const workers = this.#members.filter(({ running }) => running.isIdle)
    const idle = (await Promise.all(workers.map(({ running }) => running.isIdle?.()))).every(Boolean)
    if (this.#stopped || this.#connections > 0) return
    if (idle && (this.#wasIdle || workers.length === 0)) return this.onIdleExit()
    this.#wasIdle = idle
    this.#restartIdleClock()
  }

  get #connections(): number {
    return this.#members.reduce((sum, { doors }) => sum + (doors?.connections ?? 0), 0)
  }
}

/** What the process is called among those of its configuration. */
function nameOf([only, ...others]: readonly Service[]): string {
  return only && others.length === 0 ? only.name : 'suite'
}

function servesSite({ profiles }: Config, services: readonly Service[]): boolean {
  return profiles !== undefined && services.some(({ name }) => name === 'imapd')
}

function needsTls(config: Config, services: readonly Service[]): boolean {
  if (servesSite(config, services)) return true
  return services.some(({ name }) => listenersOf(config, name).some(({ tls }) => tls !== 'off'))
}

function unclaimed(sockets: ReadonlyMap<string, readonly number[]>): string[] {
  return [...sockets].filter(([, fds]) => fds.length > 0).map(([name]) => name)
}

export interface ServeOptions extends Omit<DaemonOptions, 'sockets'> {
  /** Called when connections are accepted. */
  readonly ready?: () => void
}

/** Runs services until a signal says otherwise. @returns the exit status */
export async function serve(options: ServeOptions): Promise<number> {
  const systemd = notifier()
  const daemon = await Daemon.start({ ...options, sockets: inheritedSockets() })
  daemon.log.info('started', {
    pid: process.pid,
    services: options.services.map(each => each.name).join(','),
  })
  const told = untilSignal({
    reload: () => void daemon.reload(),
    stop: stop => {
      daemon.onIdleExit = () => stop('idle')
    },
  })
  systemd.ready()
  options.ready?.()
  const reason = await told
  systemd.stopping()
  daemon.log.info('stopping', { reason })
  // Who presses Ctrl-C waits for it.
  await daemon.stop(reason === 'SIGINT' ? 500 : grace)
  daemon.log.info('stopped')
  return exits.ok
}

/** The whole command of a server that runs alone. */
export function daemonCommand(name: string, summary: string, service: Service): Command {
  return command({
    name,
    summary,
    options: {},
    run: async ({ config }) => {
      const checked = await loadConfig(config)
      if (isServer(service.name) && checked[service.name].listen.length === 0)
        throw new MailError(
          `${config}: ${service.name}.listen names no listener, so there is nothing to serve`,
          {
            exit: exits.config,
          },
        )
      return serve({ services: [service], file: config })
    },
  })
}
