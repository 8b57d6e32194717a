/** mail-fetch import-state: takes over from mbsync. */
import { existsSync, readdirSync, readFileSync, realpathSync } from 'node:fs'
import { basename, dirname, join, relative } from 'node:path'
import { withAccount } from '../fetch/fetch.js'
import { type MbsyncState, parseMbsyncState } from '../fetch/mbsync.js'
import { folderOf, separator } from '../maildir/layout.js'
import { errorCode, exits, MailError } from '../sys/error.js'
import { openAccounts } from './fetch-accounts.js'
import { type Command, command } from './options.js'

export const importCommand: Command = command({
  name: 'import-state',
  summary: 'take over from mbsync, by its state of each folder',
  options: {},
  operands: 'ACCOUNT FILE ...',
  run: async ({ operands: [name, ...files], config }) => {
    if (name === undefined || files.length === 0)
      throw new MailError('name an account and the state files of mbsync', { exit: exits.usage })
    const paths = files.map(pathOf)
    const { chosen, log } = await openAccounts(config, [name])
    const [first] = chosen
    if (!first) return exits.config
    const options = { log, signal: new AbortController().signal }
    await withAccount(first.account, options, async session => {
      for (const path of paths) {
        const state = parseMbsyncState(readFileSync(path, 'utf8'))
        if (!state) throw noState(path)
        const folder = folderIn(first.account.maildir, path, state)
        const { here, deleted } = await session.takeOver(folder, state)
        process.stdout.write(`${folder}: ${here} messages taken over, ${deleted} that were deleted here\n`)
      }
    })
    return exits.ok
  },
})

function noState(path: string): MailError {
  const why =
    basename(path) === '.uidvalidity'
      ? 'knows no UIDs of the provider: name the state of the folder, which mbsync keeps in ~/.mbsync, and it is used with it'
      : 'is no state of mbsync'
  return new MailError(`${path} ${why}`, { exit: exits.data })
}

function pathOf(file: string): string {
  try {
    return realpathSync(file)
  } catch (error) {
    throw new MailError(`cannot read ${file} (${errorCode(error)})`, { exit: exits.noInput })
  }
}

/** The mailbox that a state is of: the one it stands in, or the one that has its UIDVALIDITY. @throws MailError (65) */
function folderIn(maildir: string, path: string, { near }: MbsyncState): string {
  if (existsSync(`${path}.journal`))
    throw new MailError(`mbsync was interrupted: run it once more, so that ${path} is whole`, {
      exit: exits.data,
    })
  const directory = relative(realpathSync(maildir), dirname(path))
  const folder = directory === '' ? 'INBOX' : folderOf(directory)
  if (basename(path) === '.mbsyncstate' && folder !== undefined) return folder
  const found = ['', ...readdirSync(maildir).filter(name => name.startsWith('.'))].flatMap(name => {
    const isIt = near !== undefined && uidValidityOf(join(maildir, name)) === near
    return isIt ? [name === '' ? 'INBOX' : (folderOf(name) ?? [])].flat() : []
  })
  if (found.length === 1) return found[0] as string
  // It is a time in seconds: folders that were made together have the same. The file is called after the folder too.
  const named = found.filter(each => path.endsWith(each.replaceAll(separator, '!')))
  const [longest] = named.sort((a, b) => b.length - a.length)
  if (longest !== undefined) return longest
  const many = found.length > 1 ? `${found.join(' and ')} have` : 'no folder has'
  throw new MailError(`which folder of ${maildir} is ${path} of? ${many} its UIDVALIDITY (${near})`, {
    exit: exits.data,
  })
}

/** The first line of `.uidvalidity`, in which mbsync keeps what it counts by. */
function uidValidityOf(directory: string): string | undefined {
  try {
    return readFileSync(join(directory, '.uidvalidity'), 'latin1').split('\n', 1)[0]
  } catch {
    return undefined
  }
}
