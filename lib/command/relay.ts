/** mail-relay: sends what is in the queue. */
import { readdir } from 'node:fs/promises'
import { loadConfig } from '../config/load.js'
import { Queue } from '../queue/queue.js'
import { Relay } from '../relay/relay.js'
import { exits, isMissing, MailError } from '../sys/error.js'
import { gatheredStderr, Log } from '../sys/log.js'
import { daemonCommand } from './daemon.js'
import { type Command, command } from './options.js'
import { Parts } from './parts.js'
import { localDelivery } from './relay-local.js'
import { relayLogin } from './relay-login.js'
import { sentFiling } from './relay-sent.js'
import { relaySettings } from './relay-settings.js'
import type { Service } from './service.js'

/** How long messages under way may take to end when the process is asked to end, in milliseconds. */
const grace = 4_000

async function openRelay(parts: Parts, log: Log): Promise<{ relay: Relay; queue: Queue }> {
  const queue = await Queue.open(parts.config.queue.directory)
  const deliverLocally = localDelivery(parts, queue, log)
  const settings = relaySettings(parts.config)
  return { queue, relay: new Relay({ queue, settings, deliverLocally, fileSent: sentFiling(parts), log }) }
}

/** As systemd sees it, who would start us again for what is there (systemd.path(5), DirectoryNotEmpty=). */
async function isEmpty(directory: string): Promise<boolean> {
  try {
    return (await readdir(directory)).every(name => name.startsWith('.'))
  } catch (error) {
    if (isMissing(error)) return true
    throw error
  }
}

/** The service; SIGHUP reads the configuration again, and tries everything at once. */
export const relayService: Service<'relay'> = {
  name: 'relay',
  start: async (parts, log) => {
    const { relay, queue } = await openRelay(parts, log)
    await relay.start()
    return {
      reload: () => relay.replace(relaySettings(parts.config)),
      isIdle: async () => {
        const places = [queue.mailDirectory, queue.dropDirectory]
        return (await Promise.all(places.map(isEmpty))).every(Boolean)
      },
      close: async () => {
        await relay.stop(grace)
        queue.close()
      },
    }
  },
}

const daemon = daemonCommand('mail-relay', 'Send what is in the queue', relayService)

async function runOnce(file: string, all: boolean): Promise<number> {
  const config = await loadConfig(file)
  const log = new Log({ level: config.log.level, write: gatheredStderr() })
  const parts = await Parts.open(config, log, false)
  try {
    const { relay, queue } = await openRelay(parts, log)
    try {
      await relay.once(all)
      return exits.ok
    } finally {
      queue.close()
    }
  } finally {
    await parts.close()
  }
}

export const relay: Command = {
  ...command({
    name: 'mail-relay',
    summary: 'Send what is in the queue',
    options: {
      once: { type: 'boolean', help: 'send what is due, trying each server once, and exit' },
      all: { type: 'boolean', help: 'with --once: send what is not due yet too' },
    },
    run: async ({ values, config }) => {
      if (values.once) return runOnce(config, values.all)
      if (values.all) throw new MailError('--all goes with --once', { exit: exits.usage })
      return daemon.run?.({ values: {}, operands: [], config })
    },
  }),
  commands: [relayLogin],
}
