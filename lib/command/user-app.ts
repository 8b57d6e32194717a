/** mail-user app-password: one password for each device or program, which can be taken back alone. */
import { randomInt } from 'node:crypto'
import { editFile, UsersEdit } from '../auth/edit.js'
import type { Line } from '../auth/passwd-file.js'
import { exits, MailError } from '../sys/error.js'
import { type Command, command } from './options.js'
import { fileOption, operandsOf, readText, type UserFiles, userFiles } from './user-files.js'

const protocols = ['smtp', 'imap', 'pop3', 'sieve']
/** Without those that look alike. */
const letters = 'abcdefghjkmnpqrstuvwxyz23456789'

const add = command({
  name: 'add',
  summary: 'Make an app password and show it, once',
  options: {
    ...fileOption,
    protocols: {
      type: 'string',
      short: 'p',
      argument: 'LIST',
      help: `where it is good: any of ${protocols.join(',')}; everywhere unless told`,
    },
    scheme: {
      type: 'string',
      short: 's',
      argument: 'SCHEME',
      help: 'how it is kept; SSHA512 unless told, enough for a random one',
    },
  },
  operands: 'USER LABEL',
  run: async ({ values, operands, config }) => {
    const [user = '', label = ''] = operandsOf(operands, 'USER LABEL')
    const files = await userFiles(values.file, config)
    process.stdout.write(`${await addAppPassword(files, user, label, values)}\n`)
  },
})

/**
 * Makes an app password and enters it into the users file.
 *
 * @returns the password, which nobody can read there
 * @throws MailError (67) for a user who is not there, (73) for a label that is, (64) for one that cannot be
 */
export async function addAppPassword(
  files: Pick<UserFiles, 'users' | 'domain'>,
  user: string,
  label: string,
  { protocols, scheme = 'SSHA512' }: { protocols?: string | undefined; scheme?: string | undefined } = {},
): Promise<string> {
  const { makePassword } = await import('../auth/password.js')
  const password = generate()
  const stored = await makePassword(scheme, password)
  const extra = new Map([['postern_label', checkLabel(label)]])
  if (protocols !== undefined) extra.set('postern_protocols', checkProtocols(protocols))
  extra.set('postern_created', new Date().toISOString().slice(0, 10))
  await editFile(files.users, text => {
    const edit = new UsersEdit(text, files.domain)
    edit.addAppPassword(user, stored, extra)
    return edit.toString()
  })
  return password
}

const list = command({
  name: 'list',
  summary: "List a user's app passwords: label, protocols, day made, day last used",
  options: { ...fileOption, json: { type: 'boolean', help: 'one JSON object a line' } },
  operands: 'USER',
  run: async ({ values, operands, config }) => {
    const [user = ''] = operandsOf(operands, 'USER')
    const files = await userFiles(values.file, config)
    const lines = new UsersEdit(await readText(files.users), files.domain).linesOf(user)
    for (const about of describeApps(lines)) {
      const { label, protocols = ['all'], created = '-', used = 'never' } = about
      process.stdout.write(
        `${values.json ? JSON.stringify(about) : [label, protocols.join(','), created, used].join('\t')}\n`,
      )
    }
  },
})

const remove = command({
  name: 'remove',
  summary: 'Remove an app password; what uses it cannot log in any more',
  options: fileOption,
  operands: 'USER LABEL',
  run: async ({ values, operands, config }) => {
    const [user = '', label = ''] = operandsOf(operands, 'USER LABEL')
    const files = await userFiles(values.file, config)
    await editFile(files.users, text => {
      const edit = new UsersEdit(text, files.domain)
      edit.removeAppPassword(user, label)
      return edit.toString()
    })
  },
})

/** The subcommand with its own three. */
export const appPassword: Command = {
  name: 'app-password',
  summary: 'Manage the passwords of single devices and programs',
  options: {},
  commands: [add, list, remove],
}

/** The app passwords among a user's lines, without their hashes. */
export function describeApps(lines: readonly Line[]) {
  return lines
    .filter(({ extra }) => extra.has('postern_label'))
    .map(({ extra }) => ({
      label: extra.get('postern_label'),
      protocols: extra.get('postern_protocols')?.split(','),
      created: extra.get('postern_created'),
      used: extra.get('postern_used'),
    }))
}

/** Twenty letters in groups of five: about 99 bits, which no guessing and no table reaches. */
function generate(): string {
  const group = () => Array.from({ length: 5 }, () => letters[randomInt(letters.length)]).join('')
  return [group(), group(), group(), group()].join('-')
}

function checkLabel(label: string): string {
  if (label !== '' && !/\p{Cc}/u.test(label)) return label
  throw new MailError('the label is empty, or holds a control character', { exit: exits.usage })
}

function checkProtocols(text: string): string {
  const named = text.toLowerCase().split(',')
  const unknown = named.find(protocol => !protocols.includes(protocol))
  if (unknown === undefined) return [...new Set(named)].join(',')
  throw new MailError(`there is no protocol "${unknown}"; choose from ${protocols.join(', ')}`, {
    exit: exits.usage,
  })
}
