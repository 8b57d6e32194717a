/**
 * What systemd wants to hear of a service of Type=notify: that it is ready, that it lives, that it ends (sd_notify(3)).
 * Node cannot write to a datagram socket, so systemd-notify does; units need NotifyAccess=all.
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
  const tell = (...words: string[]) => {
    // With --no-block: without it a busy systemd would hold the helper, and helpers would pile up.
    const argv = ['--no-block', `--pid=${process.pid}`, ...words]
    const child = spawn('systemd-notify', argv, {
      stdio: 'ignore',
      env: { ...environment, NOTIFY_SOCKET },
    })
    // Not installed: systemd ends the service when its time is up, and says why.
    child.on('error', () => {})
    child.unref()
  }
  const isOurs = WATCHDOG_PID === undefined || Number(WATCHDOG_PID) === process.pid
  // Told from the event loop: when the loop hangs, systemd hears nothing and restarts the service.
  const every = isOurs ? Number(WATCHDOG_USEC ?? 0) / 1_000 / 2 : 0
  return {
    ready: () => {
      tell('--ready')
      if (every > 0) setInterval(() => tell('WATCHDOG=1'), every).unref()
    },
    stopping: () => tell('STOPPING=1'),
  }
}
