/** mail-user: users, passwords, app passwords and aliases, as two files hold them. */
import { editFile, UsersEdit } from '../auth/edit.js'
import { expandHome } from '../auth/home.js'
import { parseName } from '../auth/name.js'
import type { Line } from '../auth/passwd-file.js'
import { exits, MailError } from '../sys/error.js'
import { type Command, command } from './options.js'
import { readPassword } from './prompt.js'
import { alias } from './user-alias.js'
import { appPassword, describeApps } from './user-app.js'
import { fileOption, operandsOf, readText, type UserFiles, userFiles, warn } from './user-files.js'
import { kick, last, who } from './user-sessions.js'

const schemeOptions = {
  scheme: {
    type: 'string',
    short: 's',
    argument: 'SCHEME',
    help: 'how the password is kept; ARGON2ID unless told',
  },
  rounds: { type: 'string', short: 'r', argument: 'N', help: "the scheme's cost" },
} as const

const add = command({
  name: 'add',
  summary: 'Add a user; the password comes from the terminal, or is the first line of stdin',
  options: {
    ...fileOption,
    ...schemeOptions,
    home: { type: 'string', argument: 'DIRECTORY', help: 'the home directory, in place of the usual one' },
    name: { type: 'string', argument: 'NAME', help: "the user's full name" },
    uid: { type: 'string', argument: 'N', help: 'the numeric user that owns the mail' },
    gid: { type: 'string', argument: 'N', help: 'the numeric group that owns the mail' },
  },
  operands: 'USER',
  run: async ({ values, operands, config }) => {
    const [user = ''] = operandsOf(operands, 'USER')
    const files = await userFiles(values.file, config)
    checkDomain(user, files)
    await check(files.users, files.domain, edit => {
      if (edit.has(user)) throw new MailError(`${user} is there already`, { exit: exits.cannotCreate })
    })
    const password = await newPassword(user, values, files)
    const { uid = '', gid = '', name: gecos = '', home = '' } = values
    if (!/^\d*$/.test(uid + gid)) throw new MailError('--uid and --gid take numbers', { exit: exits.usage })
    await change(files, edit => edit.add(user, password, { uid, gid, gecos, home }))
  },
})

const passwd = command({
  name: 'passwd',
  summary: "Change a user's own password; app passwords stay",
  options: { ...fileOption, ...schemeOptions },
  operands: 'USER',
  run: async ({ values, operands, config }) => {
    const [user = ''] = operandsOf(operands, 'USER')
    const files = await userFiles(values.file, config)
    await check(files.users, files.domain, edit => edit.linesOf(user))
    const password = await newPassword(user, values, files)
    await change(files, edit => edit.setPassword(user, password))
  },
})

const remove = command({
  name: 'remove',
  summary: 'Remove users; their mail stays where it is',
  options: fileOption,
  operands: 'USER ...',
  run: async ({ values, operands, config }) => {
    const users = operandsOf(operands, 'USER ...')
    const files = await userFiles(values.file, config)
    await change(files, edit => {
      for (const user of users) edit.remove(user)
    })
  },
})

const list = command({
  name: 'list',
  summary: 'List the users: name, scheme, number of app passwords, home',
  options: { ...fileOption, json: { type: 'boolean', help: 'one JSON object a line' } },
  run: async ({ values, config }) => {
    const files = await userFiles(values.file, config)
    const edit = new UsersEdit(await readText(files.users), files.domain)
    for (const { line, reason } of edit.problems())
      warn(`${files.users}:${line}: ${reason}; the line is skipped`)
    for (const [name, lines] of edit.users()) {
      const about = describeUser(name, lines, files)
      const { scheme, appPasswords, home } = about
      process.stdout.write(
        values.json
          ? `${JSON.stringify(about)}\n`
          : `${[name, scheme ?? '-', appPasswords.length, home ?? '-'].join('\t')}\n`,
      )
    }
  },
})

const verify = command({
  name: 'verify',
  summary: 'Say whether a password is right, and which one it is; exits with 77 when it is wrong',
  options: fileOption,
  operands: 'USER',
  run: async ({ values, operands, config }) => {
    const [user = ''] = operandsOf(operands, 'USER')
    const files = await userFiles(values.file, config)
    const lines = new UsersEdit(await readText(files.users), files.domain).linesOf(user)
    const { UnusablePassword, verifyPassword } = await import('../auth/password.js')
    const password = await readPassword(`Password of ${user}`, false)
    for (const { password: stored, extra } of lines.filter(line => line.password !== ''))
      try {
        if (!(await verifyPassword(stored, password))) continue
        const label = extra.get('postern_label')
        process.stdout.write(`${label === undefined ? 'own password' : `app password ${label}`}\n`)
        return exits.ok
      } catch (error) {
        if (!(error instanceof UnusablePassword)) throw error
        warn(`${error.message}`)
      }
    warn('the password is wrong')
    return exits.notAllowed
  },
})

/** The whole command. */
export const user: Command = {
  name: 'mail-user',
  summary: 'Manage users, their passwords and the aliases',
  options: {},
  commands: [add, passwd, list, remove, verify, appPassword, alias, who, kick, last],
}

/** What a script may want to know of a user; no hash. */
function describeUser(name: string, lines: readonly Line[], { home: template, domain }: UserFiles) {
  const own = lines.find(line => !line.extra.has('postern_label'))
  const parts = parseName(name, domain)
  const home = lines[0]?.home || (template !== undefined && parts ? expandHome(template, parts) : undefined)
  return {
    name,
    home,
    fullName: lines[0]?.gecos || undefined,
    scheme: /^\{([^}]*)\}/.exec(own?.password ?? '')?.[1],
    appPasswords: describeApps(lines),
  }
}

/** Asks for a password and makes what the file keeps of it. */
async function newPassword(
  user: string,
  {
    scheme = 'ARGON2ID',
    rounds,
  }: { readonly scheme?: string | undefined; readonly rounds?: string | undefined },
  { mechanisms }: UserFiles,
): Promise<string> {
  const { madeSchemes, makePassword } = await import('../auth/password.js')
  if (!madeSchemes.includes(scheme.toUpperCase()))
    throw new MailError(`cannot make {${scheme}} passwords; choose from ${madeSchemes.join(', ')}`, {
      exit: exits.usage,
    })
  if (rounds !== undefined && !/^[1-9]\d{0,8}$/.test(rounds))
    throw new MailError('--rounds takes a number', { exit: exits.usage })
  const password = await readPassword(`New password of ${user}`, true)
  const made = await makePassword(scheme, password, rounds === undefined ? undefined : Number(rounds))
  for (const [mechanism, useful] of proofs)
    if (mechanisms.includes(mechanism) && !useful.includes(scheme.toUpperCase()))
      warn(
        `login.mechanisms offers ${mechanism}, which this password has no keys for; ` +
          `clients that choose it cannot log in. --scheme ${useful[0]} makes them.`,
      )
  return made
}

/** The mechanisms that need more than any hash, with the schemes that have it. */
const proofs: readonly (readonly [string, readonly string[]])[] = [
  ['SCRAM-SHA-256', ['SCRAM-SHA-256', 'PLAIN', 'CLEARTEXT', 'CLEAR']],
  ['CRAM-MD5', ['CRAM-MD5', 'HMAC-MD5', 'PLAIN', 'CLEARTEXT', 'CLEAR']],
]

/** A user of a domain that is not delivered here would get no mail. */
function checkDomain(user: string, { domain, domains }: UserFiles): void {
  const name = parseName(user, domain)
  if (!name || !domains || domains.some(each => parseName('x', each)?.domain === name.domain)) return
  throw new MailError(`${name.domain} is not one of domains, ${domains.join(', ')}; add it there first`, {
    exit: exits.data,
  })
}

/** A look before anybody is asked for a password. */
async function check(file: string, domain: string, look: (edit: UsersEdit) => void): Promise<void> {
  look(new UsersEdit(await readText(file), domain))
}

/** Changes the users file under its lock. */
function change({ users, domain }: UserFiles, work: (edit: UsersEdit) => void): Promise<void> {
  return editFile(users, text => {
    const edit = new UsersEdit(text, domain)
    work(edit)
    return edit.toString()
  })
}
