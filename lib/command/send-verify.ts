/** sendmail -bv and -bi: where addresses lead, and whether the aliases can be read. */
import { Aliases } from '../auth/aliases.js'
import { Users } from '../auth/users.js'
import { loadConfig } from '../config/load.js'
import { exits } from '../sys/error.js'
import { Log } from '../sys/log.js'

/** Says where addresses lead, a line each. @returns 0, or 67 when one is nobody's here */
export async function verify(file: string, addresses: readonly string[]): Promise<number> {
  const aliases = await openAliases(file)
  let status: number = exits.ok
  for (const address of addresses) {
    const { users, remote, loop, discard } = aliases.expand(address)
    const ends = [...users.map(({ user }) => `mailbox ${user.name}`), ...remote.map(each => `relay ${each}`)]
    if (discard) ends.push('thrown away')
    if (loop || ends.length === 0) status = exits.noUser
    const text = loop ? `in circles: ${loop.join(' → ')}` : ends.join(', ') || 'nobody here'
    process.stdout.write(`${address}... ${text}\n`)
  }
  return status
}

/** newaliases: there is nothing to make, since the file is read as it is; its mistakes go to stderr. */
export async function checkAliases(file: string): Promise<number> {
  await openAliases(file)
  return exits.ok
}

async function openAliases(file: string): Promise<Aliases> {
  const { users: files, domains } = await loadConfig(file)
  const log = new Log({ level: 'warning' })
  const users = await Users.open({
    file: files.file,
    home: files.home,
    domain: domains[0] as string,
    log,
    watch: false,
  })
  return Aliases.open({ file: files.aliases, users, domains, delimiter: files.delimiter, log, watch: false })
}
