/** mail-user who, kick, last: who is connected, and who was. */
import { UsersEdit } from '../auth/edit.js'
import { expandHome } from '../auth/home.js'
import { formatName, parseName } from '../auth/name.js'
import { loadConfig } from '../config/load.js'
import { askAll } from '../sys/control.js'
import { errorCode, exits, MailError } from '../sys/error.js'
import { readLastLogins } from './last-logins.js'
import { command } from './options.js'
import type { SessionInfo } from './sessions.js'
import { operandsOf, readText, userFiles, warn } from './user-files.js'

const json = { type: 'boolean', help: 'one JSON object a line' } as const

export const who = command({
  name: 'who',
  summary: 'List who is connected: user, daemon, address, since when, session, what is special',
  options: { json, all: { type: 'boolean', help: 'those who have not logged in, too' } },
  operands: '[USER ...]',
  run: async ({ values, operands, config }) => {
    const { sessions, names } = await connected(config, operands)
    for (const session of sessions) {
      const { user, daemon, address, since, app, idle } = session
      if (names.length > 0 ? !names.includes(user ?? '') : user === undefined && !values.all) continue
      const special = [app === undefined ? '' : `app=${app}`, idle ? 'idle' : ''].filter(Boolean).join(' ')
      const fields = [user ?? '-', daemon, address || 'local', timeOf(since), session.session, special || '-']
      process.stdout.write(`${values.json ? JSON.stringify(session) : fields.join('\t')}\n`)
    }
  },
})

export const kick = command({
  name: 'kick',
  summary: 'End the sessions of users, or single sessions as who lists them',
  options: {},
  operands: 'USER|SESSION ...',
  run: async ({ operands, config }) => {
    operandsOf(operands, 'USER|SESSION ...')
    const { sessions, names, directory } = await connected(config, operands)
    const wanted = new Set([...operands, ...names])
    const chosen = sessions.filter(({ session, user }) => wanted.has(session) || wanted.has(user ?? ''))
    const answers = chosen.map(({ session }) => askAll<boolean>(directory, { verb: 'kick', session }))
    const ended = (await Promise.all(answers)).filter(all => all.some(({ answer }) => answer)).length
    if (ended === 0) {
      warn('none of these is connected')
      return exits.noUser
    }
    warn(`${ended} session${ended === 1 ? '' : 's'} ended; who still has the password may come back`)
    return exits.ok
  },
})

export const last = command({
  name: 'last',
  summary: 'List the last logins of users: user, protocol, address, when, app password',
  options: { json },
  operands: '[USER ...]',
  run: async ({ values, operands, config }) => {
    const files = await userFiles(undefined, config)
    const { domain } = files
    const known = new UsersEdit(await readText(files.users), domain).users()
    const names = operands.map(name => fullName(name, domain))
    const stranger = names.find(name => !known.has(name))
    if (stranger !== undefined) throw new MailError(`there is no user ${stranger}`, { exit: exits.noUser })
    for (const [user, lines] of known) {
      if (names.length > 0 && !names.includes(user)) continue
      const parts = parseName(user, domain)
      const home = lines[0]?.home || (parts && files.home ? expandHome(files.home, parts) : undefined)
      if (home === undefined) continue
      for (const login of await readable(home, () => readLastLogins(home))) {
        const { protocol, address, time, app } = login
        const fields = [user, protocol, address || 'local', timeOf(time), app ?? '-']
        process.stdout.write(`${values.json ? JSON.stringify({ user, ...login }) : fields.join('\t')}\n`)
      }
    }
  },
})

/** All sessions of a configuration's processes. @param operands users, by whatever name */
async function connected(file: string, operands: readonly string[]) {
  const { runtime, domains } = await loadConfig(file)
  const { directory } = runtime
  const answers = await readable(directory, () => askAll<SessionInfo[]>(directory, { verb: 'who' }))
  if (answers.length === 0) warn(`no server answers in ${directory}, so nobody is connected`)
  const sessions = answers.flatMap(({ answer }) => answer ?? []).sort((a, b) => a.since - b.since)
  return { sessions, directory, names: operands.map(name => fullName(name, domains[0] as string)) }
}

async function readable<T>(place: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    const code = errorCode(error)
    if (code !== 'EACCES' && code !== 'EPERM') throw error
    throw new MailError(`this user may not look into ${place}: ask as root, or as the servers' user`, {
      exit: exits.notAllowed,
    })
  }
}

function fullName(name: string, domain: string): string {
  const parts = parseName(name, domain)
  return parts ? formatName(parts) : name
}

/** In local time, to the second. @param ms since 1970 */
function timeOf(ms: number): string {
  const local = new Date(ms - new Date(ms).getTimezoneOffset() * 60_000)
  return local.toISOString().slice(0, 19).replace('T', ' ')
}
