/** mail-cert profile: what sets a mail client up, as files. */
import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { UsersEdit } from '../auth/edit.js'
import { parseName } from '../auth/name.js'
import { type Config, loadConfig } from '../config/load.js'
import { accessOf, type Owner } from '../setup/access.js'
import { authorityPlace, readCertificate, readKey } from '../setup/certificate.js'
import { writeAtomic } from '../sys/atomic.js'
import { describe, exits, isMissing, MailError } from '../sys/error.js'
import { type Command, command } from './options.js'
import { readPassword } from './prompt.js'
import { addAppPassword } from './user-app.js'
import { operandsOf, readText } from './user-files.js'

const formats = ['apple', 'thunderbird', 'outlook', 'html'] as const
type Format = (typeof formats)[number]

export const profile: Command = command({
  name: 'profile',
  summary: 'write what sets a mail client of a user up',
  operands: 'USER',
  options: {
    format: {
      type: 'string',
      short: 'f',
      argument: 'FORMAT',
      help: `${formats.join(', ')}; apple unless told`,
    },
    output: {
      type: 'string',
      short: 'o',
      argument: 'DIR',
      help: 'write all formats as files of this directory',
    },
    'app-password': {
      type: 'string',
      argument: 'LABEL',
      help: 'make an app password of this name, and put it into the profile',
    },
    'password-stdin': {
      type: 'boolean',
      help: 'put the first line of stdin into the profile as the password',
    },
    unsigned: { type: 'boolean', help: 'leave the signature of the Apple profile out' },
  },
  run: async ({ values, operands, config: file }) => {
    const config = await loadConfig(file)
    const [user = ''] = operandsOf(operands, 'USER')
    const wanted = values.output === undefined ? [formatOf(values.format)] : formats
    if (values.format !== undefined && values.output !== undefined)
      throw new MailError('--output writes all formats; leave --format out', { exit: exits.usage })
    if (values.output === undefined && wanted[0] === 'apple' && !values.unsigned && process.stdout.isTTY)
      throw new MailError('the profile is not for terminals; write it to a file, with > or --output', {
        exit: exits.usage,
      })
    const known = await ownerOf(config, user)
    const password = await passwordFor(config, known.address, values)
    const owner = password === undefined ? known : { ...known, password }
    const { output } = values
    if (output !== undefined) await mkdir(output, { recursive: true, mode: 0o700 })
    for (const format of wanted) {
      const content = await profileOf(config, owner, format, values.unsigned)
      if (output === undefined) process.stdout.write(content)
      else await save(join(output, fileName(format, owner)), content)
    }
  },
})

/** A profile in one format. */
export async function profileOf(
  config: Config,
  owner: Owner,
  format: Format,
  unsigned = false,
): Promise<Buffer | string> {
  const access = accessOf(config)
  if (!access.imap || !access.smtp)
    throw new MailError(
      'clients have no way in: the configuration has no listener with TLS for IMAP, or none with a login for SMTP',
      { exit: exits.config },
    )
  if (format === 'apple') {
    const { appleProfile } = await import('../setup/apple-profile.js')
    const authority = await authorityOf(config)
    const text = appleProfile(access, owner, authority)
    return unsigned ? text : sign(config, Buffer.from(text), authority)
  }
  if (format === 'html') return (await import('../setup/page.js')).settingsPage(access, owner)
  const { autoconfig, autodiscover } = await import('../setup/autoconfig.js')
  return format === 'thunderbird' ? autoconfig(access) : autodiscover(access, owner.address)
}

/** The private authority in PEM; undefined where there is none, and devices know who signed. */
export async function authorityOf({ tls }: Config): Promise<string | undefined> {
  try {
    return await readFile(authorityPlace(tls).certificate, 'utf8')
  } catch (error) {
    if (isMissing(error)) return undefined
    throw error
  }
}

/** Signed by the server: who trusts its certificate trusts the profile. */
async function sign({ tls }: Config, content: Buffer, authority: string | undefined): Promise<Buffer> {
  const { signed } = await import('../setup/cms.js')
  const certificate = (await readCertificate(tls.certificate)).toString()
  const key = await readKey(tls.key)
  return signed(content, { certificate, key, chain: authority === undefined ? [] : [authority] }, new Date())
}

async function ownerOf({ users, domains }: Config, user: string): Promise<Owner> {
  const domain = domains[0] as string
  const edit = new UsersEdit(await readText(users.file), domain)
  if (!edit.has(user))
    throw new MailError(`there is no user ${user} in ${users.file}`, { exit: exits.noUser })
  const name = parseName(user, domain)
  const fullName = edit.linesOf(user)[0]?.gecos
  return {
    address: name ? `${name.local}@${name.domain}` : user,
    ...(fullName === undefined || fullName === '' ? {} : { fullName }),
  }
}

async function passwordFor(
  { users, domains }: Config,
  user: string,
  wanted: { readonly 'app-password'?: string | undefined; readonly 'password-stdin': boolean },
): Promise<string | undefined> {
  const label = wanted['app-password']
  if (label !== undefined && wanted['password-stdin'])
    throw new MailError('--app-password and --password-stdin exclude each other', { exit: exits.usage })
  if (wanted['password-stdin']) return readPassword(`Password of ${user}`, false)
  if (label === undefined) return undefined
  return addAppPassword({ users: users.file, domain: domains[0] as string }, user, label)
}

function formatOf(text = 'apple'): Format {
  const format = formats.find(each => each === text)
  if (format) return format
  throw new MailError(`there is no format "${text}"; choose from ${formats.join(', ')}`, {
    exit: exits.usage,
  })
}

function fileName(format: Format, { address }: Owner): string {
  const name = address.replaceAll('/', '_')
  return {
    apple: `${name}.mobileconfig`,
    thunderbird: 'config-v1.1.xml',
    outlook: 'autodiscover.xml',
    html: `${name}.html`,
  }[format]
}

/** For its owner alone: a password may be in it. */
async function save(path: string, content: Buffer | string): Promise<void> {
  try {
    await writeAtomic(path, content, 0o600)
  } catch (error) {
    throw new MailError(`cannot write ${path}: ${describe(error)}`, { exit: exits.cannotCreate })
  }
}
