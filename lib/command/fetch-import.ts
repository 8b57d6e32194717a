/** mail-fetch import-state: takes over from mbsync. */
import { readFileSync, realpathSync } from 'node:fs'
import { basename, dirname, relative } from 'node:path'
import { withAccount } from '../fetch/fetch.js'
import { parseMbsyncState } from '../fetch/mbsync.js'
import { folderOf } from '../maildir/layout.js'
import { errorCode, exits, MailError } from '../sys/error.js'
import { openAccounts } from './fetch-accounts.js'
import { type Command, command } from './options.js'

export const importCommand: Command = command({
  name: 'import-state',
  summary: "take over from mbsync, by the .mbsyncstate in each of the Maildir's folders",
  options: {},
  operands: 'ACCOUNT FILE ...',
  run: async ({ operands: [name, ...files], config }) => {
    if (name === undefined || files.length === 0)
      throw new MailError('name an account and the .mbsyncstate files', { exit: exits.usage })
    const paths = files.map(pathOf)
    const { chosen, log } = await openAccounts(config, [name])
    const [first] = chosen
    if (!first) return exits.config
    const options = { log, signal: new AbortController().signal }
    await withAccount(first.account, options, async session => {
      for (const path of paths) {
        const state = parseMbsyncState(readFileSync(path, 'utf8'))
        if (!state) throw new MailError(`${path} is no state of mbsync`, { exit: exits.data })
        const folder = folderIn(first.account.maildir, path)
        const { here, deleted } = await session.takeOver(folder, state)
        process.stdout.write(`${folder}: ${here} messages taken over, ${deleted} that were deleted here\n`)
      }
    })
    return exits.ok
  },
})

function pathOf(file: string): string {
  try {
    return realpathSync(file)
  } catch (error) {
    throw new MailError(`cannot read ${file} (${errorCode(error)})`, { exit: exits.noInput })
  }
}

/** The mailbox whose directory a file stands in. @throws MailError (65) */
function folderIn(maildir: string, path: string): string {
  const directory = relative(realpathSync(maildir), dirname(path))
  const folder = directory === '' ? 'INBOX' : folderOf(directory)
  if (basename(path) === '.mbsyncstate' && folder !== undefined) return folder
  throw new MailError(`${path} is not the .mbsyncstate of a folder of ${maildir}`, { exit: exits.data })
}
