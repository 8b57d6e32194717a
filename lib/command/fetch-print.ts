/** What mail-fetch tells: a line an account for people, an object a line for scripts. */
import type { FetchResult } from '../fetch/fetch.js'
import type { Audit } from '../fetch/proof.js'
import type { FolderResult, Progress } from '../fetch/run.js'

/** `1.2 GB`: as people count octets. */
export function octets(count: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB']
  let unit = 0
  let value = count
  for (; value >= 1000 && unit < units.length - 1; unit++) value /= 1000
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${units[unit]}`
}

function total(folders: readonly FolderResult[], key: keyof FolderResult): number {
  return folders.reduce((sum, folder) => sum + Number(folder[key]), 0)
}

/** What stands still to be said of an account, in words. */
function remarks({ folders, failures, days }: FetchResult): string[] {
  const said = (key: keyof FolderResult, words: string) => {
    const count = total(folders, key)
    return count > 0 ? [`${count} ${words}`] : []
  }
  const later = total(folders, 'postponedOctets')
  return [
    ...said('linked', 'linked to what is here'),
    ...said('healed', 'found again'),
    ...said('flagged', 'with other flags'),
    ...said('moved', 'moved to where they are now'),
    ...said('trashed', 'moved to Trash'),
    ...said('unread', 'that the server does not send'),
    ...(days ? [`day ${days.day} of ${days.of}`] : []),
    ...(later > 0 ? [`${octets(later)} left for another day by the budget`] : []),
    ...failures.map(({ folder, error }) => `${folder}: ${error.message}`),
  ]
}

/** One line for people. */
export function summary(result: FetchResult, dry: boolean): string {
  const { account, folders } = result
  const fetched = total(folders, 'fetched')
  const size = octets(total(folders, 'octets'))
  const what = fetched === 0 ? 'nothing new' : `${fetched} ${dry ? 'to fetch' : 'fetched'} (${size})`
  return [`${account}: ${what} in ${folders.length} folders`, ...remarks(result)].join(', ')
}

/** Objects for scripts: one for each folder. */
export function* objects(result: FetchResult): Generator<object> {
  const days = result.days && { day: result.days.day, ofDays: result.days.of }
  for (const folder of result.folders) yield { account: result.account, ...folder, ...days }
  for (const { folder, error } of result.failures)
    yield { account: result.account, folder, error: error.message }
}

/** What the progress line says: folder, messages, octets, rate, time left. */
export function progressLine(account: string, progress: Progress, elapsed: number): string {
  const { folder, messages, ofMessages, octets: done, ofOctets } = progress
  const rate = done / Math.max(elapsed, 1)
  const left = rate > 0 ? Math.round((ofOctets - done) / rate / 1000) : 0
  const time = left > 90 ? `${Math.round(left / 60)} min` : `${left} s`
  return `${account} ${folder}: ${messages} of ${ofMessages}, ${octets(done)} of ${octets(ofOctets)}, ${octets(rate * 1000)}/s, ${time} left`
}

/** What an audit found, for people. */
export function* auditLines(found: Audit): Generator<string> {
  yield `accounts: ${found.accounts.join(', ')}`
  for (const [command, count] of [...found.commands].sort()) yield `sent ${count} × ${command}`
  yield found.wrong.length === 0
    ? 'nothing else was sent: no command that could change anything'
    : `${found.wrong.length} lines are no command that only reads:`
  for (const line of found.wrong) yield `  ${line}`
  yield `${found.same.length} folders stood the same before and after: UIDVALIDITY, UIDs and flags`
  for (const { before, after } of found.changed)
    yield after
      ? `${before.folder} changed meanwhile (${before.messages} messages before, ${after.messages} after): by somebody else, as the commands show`
      : `${before.folder} was not looked at after the run`
  if (!found.complete) yield 'the run did not come to its end'
}
