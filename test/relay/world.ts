/** A queue, a relay over it, and somebody who takes local mail, for tests. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import type { Submission } from '../../lib/queue/entry.js'
import { Queue } from '../../lib/queue/queue.js'
import { defaultSchedule } from '../../lib/queue/schedule.js'
import type { LocalFate, LocalMessage } from '../../lib/relay/local.js'
import { Relay, type RelayOptions } from '../../lib/relay/relay.js'
import type { RelaySettings, Smarthost } from '../../lib/relay/settings.js'
import { Log } from '../../lib/sys/log.js'
import { temporaryDirectory } from '../support/world.js'

export interface World {
  readonly queue: Queue
  /** What was delivered here: the text by recipient, in order. */
  readonly local: { readonly to: string; readonly sender: string; readonly text: string }[]
  readonly lines: string[]
  /** A clock that tests may move. */
  now: number
  /** Says what becomes of local mail instead. */
  fate: ((message: LocalMessage) => LocalFate | undefined) | undefined
  relay(settings?: Partial<RelaySettings>, options?: Partial<RelayOptions>): Relay
  /** Enqueues a message. @returns its identifier */
  send(submission: Partial<Submission> & { to?: readonly string[] }, text?: string): Promise<string>
}

export function smarthost(port: number, more: Partial<Smarthost> = {}): Smarthost {
  return { host: '127.0.0.1', port, tls: 'off', recipientsPerMessage: 100, concurrency: 2, ...more }
}

export const baseSettings: RelaySettings = {
  hostname: 'mail.x.internal',
  domains: ['x.internal'],
  postmaster: 'postmaster@x.internal',
  routes: [],
  direct: false,
  directConcurrency: 2,
  directPort: 25,
  saveSent: false,
  senders: new Map(),
  schedule: defaultSchedule,
  maxHops: 100,
  timeouts: { connect: 2_000, greeting: 2_000, silence: 5_000 },
}

const delivered: LocalFate = { state: 'delivered', code: 250, status: '2.0.0', text: 'delivered' }

export async function world(t: TestContext): Promise<World> {
  const directory = temporaryDirectory(t)
  const relays: Relay[] = []
  t.after(() => Promise.all(relays.map(relay => relay.stop(0))))
  const lines: string[] = []
  const log = new Log({ journal: true, write: line => lines.push(line) })
  const self: World = {
    queue: await Queue.open(join(directory, 'queue'), { clock: () => self.now }),
    local: [],
    lines,
    now: Date.now(),
    fate: undefined,
    relay: (settings = {}, options = {}) => {
      const relay = new Relay({
        queue: self.queue,
        settings: { ...baseSettings, ...settings },
        log,
        clock: () => self.now,
        random: () => 0.5,
        deliverLocally: async message => {
          const fate = self.fate?.(message) ?? delivered
          const text = readFileSync(message.path, 'utf8')
          if (fate.state === 'delivered')
            for (const to of message.recipients) self.local.push({ to, sender: message.sender, text })
          return new Map(message.recipients.map(to => [to, fate]))
        },
        ...options,
      })
      relays.push(relay)
      return relay
    },
    send: async (
      { to = ['b@example.org'], ...submission },
      text = 'From: <a@x.internal>\nSubject: x\n\nbody\n',
    ) => {
      const recipients = to.map(address => ({ address }))
      const draft = self.queue.begin({ sender: 'a@x.internal', recipients, ...submission })
      await draft.write(Buffer.from(text))
      return (await draft.commit()).id
    },
  }
  t.after(() => self.queue.close())
  return self
}
