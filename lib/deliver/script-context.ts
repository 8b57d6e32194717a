/** What scripts may know of the site and of the user's mailboxes, whatever they are run for. */
import type { Context, ProgramCall, ProgramResult } from '../sieve/context.js'
import type { ListFiles } from '../sieve/list-files.js'
import { readSource } from '../sieve/scripts.js'
import type { FilterOptions } from './filters.js'
import { ScriptMaildir } from './script-maildir.js'

/** Whose scripts are run. */
export interface ScriptOwner {
  readonly name: string
  readonly home: string | undefined
  readonly maildir: string
}

/** All of a context but what the message itself brings. */
export function siteContext(
  { settings, global, programs, environment, clock }: FilterOptions,
  lists: ListFiles | undefined,
  { name, home, maildir }: ScriptOwner,
): Omit<Context, 'envelope'> {
  const folders = new ScriptMaildir(maildir)
  const now = clock()
  return {
    settings,
    now,
    zone: -new Date(now).getTimezoneOffset(),
    user: name,
    environment,
    include: (location, script) => {
      const folder = location === 'global' ? global : `${home}/sieve`
      return folder === undefined ? undefined : readSource(folder, script)
    },
    mailboxExists: mailbox => folders.has(mailbox),
    specialUseExists: (mailbox, use) => folders.hasUse(mailbox, use),
    mailboxIdExists: id => folders.hasId(id),
    metadata: (mailbox, entry) => folders.annotation(mailbox, entry),
    listExists: list => lists?.has(list) ?? false,
    listHolds: (list, value) => lists?.holds(list, value) ?? false,
    listMembers: list => lists?.members(list) ?? [],
    ...(programs !== undefined && { program: call => runLater(programs, call) }),
  }
}

async function runLater(folder: string, call: ProgramCall): Promise<ProgramResult> {
  const { runProgram } = await import('./programs.js')
  return runProgram(folder, call)
}
