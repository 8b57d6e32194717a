/**
 * What was told already, so that it is told once: two files beside the queue, `mail-check.json` of what the check
 * found, `mail-failure.json` of units that failed.
 */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Config } from '../config/load.js'
import { type Finding, formatFinding } from '../setup/check.js'
import { writeAtomic } from '../sys/atomic.js'
import { describe, exits } from '../sys/error.js'
import { sendAlert } from './check-alert.js'

/** A unit that fails again within this time, in milliseconds, is failing still. */
const quiet = 6 * 3_600_000

/** Sends what was not sent before; what is well again is forgotten, and what got worse is sent again. */
export async function notify(config: Config, findings: readonly Finding[]): Promise<void> {
  const file = join(config.queue.directory, 'mail-check.json')
  const before = await remembered(file)
  const known = new Set<unknown>(Array.isArray(before) ? before : [])
  const keyOf = ({ level, check, where }: Finding) => `${level} ${check} ${where}`
  const fresh = findings.filter(finding => !known.has(keyOf(finding)))
  if (fresh.length > 0) await tell(config, fresh.map(finding => formatFinding(finding)).join('\n'))
  await writeAtomic(file, `${JSON.stringify([...new Set(findings.map(keyOf))])}\n`)
}

/** Tells that a unit has failed: once, as long as it goes on failing. */
export async function alertFor(config: Config, unit: string, now = Date.now()): Promise<number> {
  const file = join(config.queue.directory, 'mail-failure.json')
  const before = (await remembered(file)) as Record<string, number> | undefined
  const isNew = !(now - (before?.[unit] ?? 0) < quiet)
  try {
    await writeAtomic(file, `${JSON.stringify({ ...before, [unit]: now })}\n`)
  } catch (error) {
    process.stderr.write(`mail-check: cannot remember what was told: ${describe(error)}\n`)
  }
  if (isNew) await tell(config, `${unit} on ${config.hostname} has failed; journalctl -e -u ${unit} says why`)
  return exits.ok
}

/** Where nobody is to be told, the journal is. */
async function tell(config: Config, text: string): Promise<void> {
  if (!(await sendAlert(config, text))) process.stderr.write(`${text}\n`)
}

async function remembered(file: string): Promise<unknown> {
  try {
    return JSON.parse(await readFile(file, 'utf8'))
  } catch {
    return undefined
  }
}
