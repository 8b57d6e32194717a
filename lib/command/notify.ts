/**
 * What systemd wants to hear of a service of Type=notify: that it is ready, that it lives, that it ends (sd_notify(3)).
 * Node cannot write to a datagram socket, so systemd-notify does; units need NotifyAccess=all. It stays until systemd
 * has read what it said: of a process that is gone, systemd no longer knows whose it was, and drops its word.
 */
import { spawn } from 'node:child_process'

export interface Notifier {
  ready(): void
  stopping(): void
}

/** Where systemd waits for nothing, nothing is told. @param environment is relieved of the variables */
export function notifier(environment: NodeJS.ProcessEnv = process.env): Notifier {
  const { NOTIFY_SOCKET, WATCHDOG_USEC, WATCHDOG_PID } = environment
  for (const name of ['NOTIFY_SOCKET', 'WATCHDOG_USEC', 'WATCHDOG_PID']) delete environment[name]
  if (!NOTIFY_SOCKET) return { ready: () => {}, stopping: () => {} }
  const helpers = new Set<unknown>()
  const tell = (...words: string[]) => {
    const child = spawn('systemd-notify', [`--pid=${process.pid}`, ...words], {
      stdio: 'ignore',
      env: { ...environment, NOTIFY_SOCKET },
    })
    helpers.add(child)
    child.on('exit', () => helpers.delete(child))
    // Not installed: systemd ends the service when its time is up, and says why.
    child.on('error', () => helpers.delete(child))
    child.unref()
  }
  const isOurs = WATCHDOG_PID === undefined || Number(WATCHDOG_PID) === process.pid
  // Told from the event loop: when the loop hangs, systemd hears nothing and restarts the service.
  const every = isOurs ? Number(WATCHDOG_USEC ?? 0) / 1_000 / 2 : 0
  return {
    ready: () => {
      tell('--ready')
      // Where systemd is busy helpers wait: one that does is enough.
      if (every > 0) setInterval(() => helpers.size === 0 && tell('WATCHDOG=1'), every).unref()
    },
    // That this may be lost harms nothing, and nothing waits for it.
    stopping: () => tell('--no-block', 'STOPPING=1'),
  }
}
