/** mail-user alias: other names for mailboxes, and lists. */
import { Aliases } from '../auth/aliases.js'
import { formatTarget, parseAliases } from '../auth/aliases-file.js'
import { editFile } from '../auth/edit.js'
import { addAlias, removeAlias } from '../auth/edit-aliases.js'
import { Users } from '../auth/users.js'
import { exits } from '../sys/error.js'
import { Log } from '../sys/log.js'
import { type Command, command } from './options.js'
import { fileOption, operandsOf, readText, type UserFiles, userFiles, warn } from './user-files.js'

const add = command({
  name: 'add',
  summary: 'Let an alias go to addresses, besides those it goes to already',
  options: fileOption,
  operands: 'NAME ADDRESS ...',
  run: async ({ values, operands, config }) => {
    const [name = '', ...addresses] = operandsOf(operands, 'NAME ADDRESS ...')
    const files = await userFiles(values.file, config)
    await editFile(files.aliases, text => addAlias(text, name, addresses))
    if (files.domains && !name.startsWith('@')) await warnOf(name, files)
  },
})

const list = command({
  name: 'list',
  summary: 'List the aliases',
  options: { ...fileOption, json: { type: 'boolean', help: 'one JSON object a line' } },
  run: async ({ values, config }) => {
    const files = await userFiles(values.file, config)
    const { entries, problems } = parseAliases(await readText(files.aliases))
    for (const { line, reason } of problems) warn(`${files.aliases}:${line}: ${reason}; the line is skipped`)
    for (const { name, targets } of entries) {
      const texts = targets.map(formatTarget)
      process.stdout.write(
        values.json ? `${JSON.stringify({ name, targets: texts })}\n` : `${name}: ${texts.join(', ')}\n`,
      )
    }
  },
})

const remove = command({
  name: 'remove',
  summary: 'Remove an alias, or only some of the addresses it goes to',
  options: fileOption,
  operands: 'NAME [ADDRESS ...]',
  run: async ({ values, operands, config }) => {
    const [name = '', ...addresses] = operandsOf(operands, 'NAME ...')
    const files = await userFiles(values.file, config)
    await editFile(files.aliases, text => removeAlias(text, name, addresses))
  },
})

const expand = command({
  name: 'expand',
  summary: 'Show where mail for an address goes; exits with 67 when it goes nowhere',
  options: {},
  operands: 'ADDRESS',
  run: async ({ operands, config }) => {
    const [address = ''] = operandsOf(operands, 'ADDRESS')
    const { users, remote, unknown, loop, discard } = await expansion(
      address,
      await userFiles(undefined, config),
    )
    for (const { user, detail } of users)
      process.stdout.write(`${user.name}${detail === undefined ? '' : `\t${detail}`}\n`)
    for (const each of remote) process.stdout.write(`${each}\n`)
    if (discard) process.stdout.write('/dev/null\n')
    for (const each of unknown) warn(`there is no ${each}`)
    if (loop) warn(`the alias goes round in a circle: ${loop.join(' -> ')}`)
    return unknown.length > 0 || loop ? exits.noUser : exits.ok
  },
})

/** The subcommand with its own four. */
export const alias: Command = {
  name: 'alias',
  summary: 'Manage the aliases',
  options: {},
  commands: [add, list, remove, expand],
}

async function expansion(address: string, files: UserFiles) {
  const log = new Log({ level: 'warning' })
  const { users: file, aliases, domain, domains = [], home = '' } = files
  const users = await Users.open({ file, home, domain, log, watch: false })
  return (await Aliases.open({ file: aliases, users, domains, log, watch: false })).expand(address)
}

/** An alias that leads nowhere is written all the same: the user it goes to may be added next. */
async function warnOf(name: string, files: UserFiles): Promise<void> {
  const { unknown, loop } = await expansion(name, files)
  for (const each of unknown) warn(`warning: there is no ${each} yet`)
  if (loop) warn(`warning: it goes round in a circle: ${loop.join(' -> ')}`)
}
