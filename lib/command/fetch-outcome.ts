/** Word of how runs of mail-fetch went, for the metrics and for mail-check. */
import type { FetchResult } from '../fetch/fetch.js'
import { noteOutcome } from '../fetch/outcome.js'
import { AccountBusy, LoginRefused } from '../fetch/trouble.js'
import { describe, MailError } from '../sys/error.js'
import type { Log } from '../sys/log.js'
import type { Chosen } from './fetch-accounts.js'

/** Runs an account, and leaves word for the metrics and for mail-check when it fails. */
export async function noted(chosen: Chosen, log: Log, run: () => Promise<number>): Promise<number> {
  try {
    return await run()
  } catch (error) {
    // Who has it notes how that goes.
    if (error instanceof MailError && !(error instanceof AccountBusy))
      await note(chosen, log, 0, { reason: describe(error), refused: error instanceof LoginRefused })
    throw error
  }
}

/** Notes how a run went; that it cannot be noted changes nothing for the mail. */
async function note(
  { account, outcome }: Chosen,
  log: Log,
  fetched: number,
  failure?: { reason: string; refused: boolean },
): Promise<void> {
  try {
    await noteOutcome(outcome, { fetched, now: Date.now(), ...(failure ? { failure } : {}) })
  } catch (error) {
    log.warning('outcome-not-noted', { account: account.name, reason: describe(error) })
  }
}

/** What one pass over the folders brought. */
export function noteResult(chosen: Chosen, log: Log, { folders, failures }: FetchResult): Promise<void> {
  const fetched = folders.reduce((sum, folder) => sum + folder.fetched, 0)
  const [first] = failures
  const failure = first && { reason: `${first.folder}: ${describe(first.error)}`, refused: false }
  return note(chosen, log, fetched, failure)
}
