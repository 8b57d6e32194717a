/** What the configuration makes of local delivery, but for scripts: details, quotas, the memory of Message-IDs. */
import type { Config } from '../config/load.js'
import { type Filtering, Rules } from '../deliver/rules.js'
import type { Log } from '../sys/log.js'

/** @param open makes what runs scripts, when the first one is met */
export function rulesWith(config: Config, log: Log, open: () => Promise<Filtering>): Rules {
  const { deliver, mailbox, sieve } = config
  let filters: Promise<Filtering> | undefined
  return new Rules({
    detail: deliver.detail,
    duplicates: deliver.duplicates,
    overQuota: deliver.over_quota,
    quota: { octets: mailbox.quota, messages: mailbox.quota_messages },
    scripts: sieve.before.length > 0 || sieve.after.length > 0 || sieve.default !== undefined,
    filters: () => {
      filters ??= open()
      return filters
    },
    log,
    clock: Date.now,
  })
}
