/** What the configuration makes of local delivery: scripts, details, quotas, the memory of Message-IDs. */
import type { Config } from '../config/load.js'
import type { Filters } from '../deliver/filters.js'
import { Rules } from '../deliver/rules.js'
import type { Log } from '../sys/log.js'
import { version } from './version.js'

/** The engine of scripts, and the queue for what they send, are loaded when the first script is met. */
export function deliveryRules(config: Config, log: Log): Rules {
  const { deliver, mailbox, sieve } = config
  let filters: Promise<Filters> | undefined
  return new Rules({
    detail: deliver.detail,
    duplicates: deliver.duplicates,
    overQuota: deliver.over_quota,
    quota: { octets: mailbox.quota, messages: mailbox.quota_messages },
    scripts: sieve.before.length > 0 || sieve.after.length > 0 || sieve.default !== undefined,
    filters: () => {
      filters ??= openFilters(config, log)
      return filters
    },
    log,
    clock: Date.now,
  })
}

/** @throws MailError (78) for a setting of scripts that is none */
async function openFilters(config: Config, log: Log): Promise<Filters> {
  const { Filters } = await import('../deliver/filters.js')
  const { settingsOf } = await import('../sieve/registry.js')
  const { outboxOf } = await import('./outbox.js')
  const { before, after, default: usual, global, lists, programs } = config.sieve
  return new Filters({
    places: { before, after, default: usual },
    settings: settingsOf(config),
    global,
    lists,
    programs,
    outbox: outboxOf(config),
    environment: new Map([
      ['name', 'Postern'],
      ['version', version],
    ]),
    log,
    clock: Date.now,
  })
}
