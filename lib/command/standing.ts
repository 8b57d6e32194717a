/** How things stand, whichever process is asked: the queue, the accounts that are fetched, the certificate. */
import { X509Certificate } from 'node:crypto'
import { existsSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { outcomePath, readOutcome } from '../fetch/outcome.js'
import { Queue } from '../queue/queue.js'
import { type Family, Metrics } from '../sys/metrics.js'
import type { Parts } from './parts.js'

/** Measures all of it. What cannot be read is left out. */
export async function standing(parts: Parts, now = Date.now()): Promise<Family[]> {
  const metrics = new Metrics()
  for (const measure of [queueOf, certificateOf, fetchesOf])
    try {
      await measure(parts, metrics, now)
    } catch {
      // An absent number raises an alarm, as it should; the others must not be missing too.
    }
  return metrics.families()
}

async function queueOf({ config }: Parts, metrics: Metrics, now: number): Promise<void> {
  const { directory } = config.queue
  const depth = metrics.gauge('postern_queue_messages', 'Messages that wait in the queue.')
  const age = metrics.gauge(
    'postern_queue_oldest_seconds',
    'How long the oldest message of the queue has waited.',
  )
  const unusable = metrics.gauge('postern_queue_broken', 'Files of the queue that no program can use.')
  if (!existsSync(join(directory, 'mail'))) {
    for (const gauge of [depth, age, unusable]) gauge.set(0)
    return
  }
  const queue = await Queue.open(directory)
  try {
    const ids = await queue.list()
    depth.set(ids.length)
    // Identifiers begin with the time: the first one is the oldest.
    const oldest = ids[0] === undefined ? undefined : queue.read(ids[0])?.arrived
    age.set(oldest === undefined ? 0 : Math.max(0, Math.round((now - oldest) / 1_000)))
    unusable.set((await readdir(join(directory, 'broken')).catch(() => [])).length)
  } finally {
    queue.close()
  }
}

async function certificateOf({ config }: Parts, metrics: Metrics, now: number): Promise<void> {
  const { validTo } = new X509Certificate(await readFile(config.tls.certificate))
  metrics
    .gauge('postern_certificate_days_left', "Days until the servers' certificate ends.")
    .set(Math.round(((new Date(validTo).getTime() - now) / 86_400_000) * 100) / 100)
}

async function fetchesOf({ config, users }: Parts, metrics: Metrics): Promise<void> {
  const success = metrics.gauge(
    'postern_fetch_last_success_timestamp_seconds',
    'When an account was last fetched without trouble.',
  )
  const failing = metrics.gauge('postern_fetch_failing', 'Whether the last run of an account failed.')
  const refused = metrics.gauge('postern_fetch_login_refused', "Whether an account's login is refused.")
  const messages = metrics.labelledCounter('postern_fetched_messages_total', 'Messages fetched.')
  for (const [account, { into }] of Object.entries(config.fetch)) {
    const home = users.find(into)?.home
    if (home === undefined) continue
    const outcome = readOutcome(outcomePath(home, account))
    success.set(Math.round((outcome.succeeded ?? 0) / 1_000), { account })
    failing.set(outcome.failed === undefined ? 0 : 1, { account })
    refused.set(outcome.refused ? 1 : 0, { account })
    messages.add({ account }, outcome.messages)
  }
}
