/** A place for deliveries through scripts: users with homes, an outbox that remembers, the rules of a site. */
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import {
  LocalDelivery,
  type LocalEnvelope,
  type LocalRecipient,
  type Outcome,
  recipientOf,
} from '../../lib/deliver/deliver.js'
import { type FilterOptions, Filters, type OutgoingMessage } from '../../lib/deliver/filters.js'
import { type RuleOptions, Rules } from '../../lib/deliver/rules.js'
import { Head } from '../../lib/message/head.js'
import { defaultSettings } from '../../lib/sieve/settings.js'
import { Log } from '../../lib/sys/log.js'
import { temporaryDirectory } from '../support/world.js'

export interface WorldOptions {
  readonly rules?: Partial<RuleOptions>
  readonly filters?: Partial<FilterOptions>
  /** Whether there is a way out; true unless told. */
  readonly outbox?: boolean
}

export class World {
  readonly root: string
  readonly sent: OutgoingMessage[] = []
  /** Written and not sent. */
  readonly aborted: OutgoingMessage[] = []
  readonly logged: string[] = []
  readonly rules: Rules
  /** Milliseconds since 1970. */
  now = Date.UTC(2026, 10, 23)

  constructor(t: TestContext, { rules, filters, outbox = true }: WorldOptions = {}) {
    this.root = temporaryDirectory(t)
    const log = new Log({ level: 'warning', write: line => this.logged.push(line) })
    const clock = () => this.now
    const begin = async (message: OutgoingMessage) => ({
      commit: async () => this.sent.push(message),
      abort: async () => void this.aborted.push(message),
    })
    const made = new Filters({
      places: { before: [], after: [] },
      settings: { ...defaultSettings, hostname: 'mail.here.example' },
      environment: new Map([['name', 'Postern']]),
      outbox: outbox ? { begin } : undefined,
      log,
      clock,
      ...filters,
    })
    this.rules = new Rules({
      detail: 'ignore',
      duplicates: 0,
      overQuota: 'reject',
      quota: {},
      scripts: false,
      filters: async () => made,
      log,
      clock,
      ...rules,
    })
  }

  home(name: string): string {
    return join(this.root, name)
  }

  maildir(name: string): string {
    return join(this.root, name, 'Maildir')
  }

  script(name: string, text: string): void {
    mkdirSync(this.home(name), { recursive: true })
    writeFileSync(join(this.home(name), '.dovecot.sieve'), text)
  }

  folder(name: string, folder: string): string {
    const path = join(this.maildir(name), `.${folder}`)
    for (const part of ['cur', 'new', 'tmp']) mkdirSync(join(path, part), { recursive: true })
    return path
  }

  to(name: string, more: Partial<LocalRecipient> = {}): LocalRecipient {
    return { ...recipientOf({ name: `${name}@here.example`, home: this.home(name) }, more.detail), ...more }
  }

  async deliver(
    text: string,
    recipients: readonly LocalRecipient[],
    envelope: Partial<LocalEnvelope> = {},
  ): Promise<Outcome> {
    const whole: LocalEnvelope = {
      sender: 'ann@x.example',
      recipients,
      alone: recipients.length === 1,
      ...envelope,
    }
    const delivery = await LocalDelivery.begin(whole, new Head(Buffer.from(text)), this.rules.place)
    try {
      await delivery.write(Buffer.from(text))
      return await delivery.commit()
    } catch (error) {
      await delivery.abort()
      throw error
    }
  }

  /** All messages of a user by folder: `INBOX new`, `Lists cur`, with the letters of their flags. */
  mail(name: string): Record<string, string[]> {
    const found: Record<string, string[]> = {}
    const root = this.maildir(name)
    const folders = existsSync(root) ? readdirSync(root).filter(entry => entry.startsWith('.')) : []
    for (const folder of ['', ...folders])
      for (const part of ['new', 'cur', 'tmp'])
        for (const file of filesIn(join(root, folder, part))) {
          const place = `${folder === '' ? 'INBOX' : folder.slice(1)} ${part}${file.replace(/^[^:]*/, '')}`
          found[place] = [...(found[place] ?? []), readFileSync(join(root, folder, part, file), 'utf8')]
        }
    return found
  }

  /** Where a user's messages are. */
  places(name: string): string[] {
    return Object.entries(this.mail(name))
      .flatMap(([place, texts]) => texts.map(() => place))
      .sort()
  }

  note(name: string): string {
    const path = join(this.home(name), '.dovecot.sieve.log')
    return existsSync(path) ? readFileSync(path, 'utf8') : ''
  }
}

function filesIn(directory: string): string[] {
  return existsSync(directory) ? readdirSync(directory) : []
}
