/** Local delivery as the configuration wants it, scripts and all. */
import type { Config } from '../config/load.js'
import type { FilterOptions, Filters } from '../deliver/filters.js'
import type { Rules } from '../deliver/rules.js'
import type { Log } from '../sys/log.js'
import { rulesWith } from './delivery-rules.js'
import { version } from './version.js'

/** The engine of scripts, and the queue for what they send, are loaded when the first script is met. */
export function deliveryRules(config: Config, log: Log): Rules {
  return rulesWith(config, log, () => openFilters(config, log))
}

/** @throws MailError (78) for a setting of scripts that is none */
export async function openFilters(config: Config, log: Log): Promise<Filters> {
  const { Filters } = await import('../deliver/filters.js')
  return new Filters(await filterOptions(config, log))
}

/** What scripts run with, wherever they run. @throws MailError (78) for a setting of scripts that is none */
export async function filterOptions(config: Config, log: Log): Promise<FilterOptions> {
  const { settingsOf } = await import('../sieve/registry.js')
  const { outboxOf } = await import('./outbox.js')
  const { before, after, default: usual, global, lists, programs } = config.sieve
  return {
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
  }
}
