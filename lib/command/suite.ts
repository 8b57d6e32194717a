/** mail-suite: every enabled daemon of one configuration in one process. */
import { existsSync } from 'node:fs'
import { dirname } from 'node:path'
import { loadConfig } from '../config/load.js'
import { exits, MailError } from '../sys/error.js'
import { serve } from './daemon.js'
import { listenersOf } from './doors.js'
import { imapService } from './imapd.js'
import { type Command, command } from './options.js'
import { pop3Service } from './pop3d.js'
import { relayService } from './relay.js'
import { outgoing } from './relay-outgoing.js'
import type { Service } from './service.js'
import { sieveService } from './sieved.js'
import { smtpdService } from './smtpd.js'
import { lookAfter } from './suite-check.js'

/** The daemons there are. */
const services: readonly Service[] = [
  smtpdService({ relay: outgoing }) as Service,
  imapService as Service,
  pop3Service as Service,
  sieveService as Service,
  relayService as Service,
]

export const suite: Command = command({
  name: 'mail-suite',
  summary: 'run every enabled daemon of one configuration in one process',
  options: {
    demo: { type: 'boolean', help: 'set up a suite for trying out, on loopback and high ports, and run it' },
    state: {
      type: 'string',
      argument: 'DIR',
      help: 'with --demo: where it keeps everything; ./demo unless told',
    },
    'port-offset': { type: 'string', argument: 'N', help: 'with --demo: add N to every port' },
  },
  run: async ({ values, config }) => {
    if (values.demo) {
      const { runDemo } = await import('./demo.js')
      return runDemo({ state: values.state ?? 'demo', offset: offsetOf(values['port-offset']), services })
    }
    if (values.state !== undefined || values['port-offset'] !== undefined)
      throw new MailError('--state and --port-offset go with --demo', { exit: exits.usage })
    const checked = await loadConfig(config)
    const servers = services.filter(({ name }) => listenersOf(checked, name).length > 0)
    if (servers.length === 0)
      throw new MailError(`${config} names no listener, so there is nothing to serve`, { exit: exits.config })
    // Without a relay the queue is there when mail-send has put something into it.
    const sends = checked.relay !== undefined || existsSync(checked.queue.directory)
    const end = lookAfter({ config: checked, directory: dirname(process.argv[1] ?? '') })
    return serve({ services: sends ? [...servers, relayService] : servers, file: config }).finally(end)
  },
})

function offsetOf(text = '0'): number {
  // The highest port of the demonstration must stay one.
  if (/^\d{1,5}$/.test(text) && Number(text) <= 60_000) return Number(text)
  throw new MailError('--port-offset must be a number from 0 to 60000', { exit: exits.usage })
}
