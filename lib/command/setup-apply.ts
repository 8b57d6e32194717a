/** The work of mail-setup, in order: the user postern, the configuration, certificates, users, units. */
import { randomInt } from 'node:crypto'
import { readFileSync, statSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { editFile, UsersEdit } from '../auth/edit.js'
import { makePassword } from '../auth/password.js'
import { type Config, parseConfig } from '../config/load.js'
import {
  authorityPlace,
  makeAuthority,
  makeServer,
  namesOf,
  readCertificate,
  readKey,
} from '../setup/certificate.js'
import { type Answers, addressOf, configurationOf } from '../setup/setup.js'
import { hashOf, type Memory, type SetupFiles, type Step, type Wanted } from '../setup/setup-files.js'
import { planUnits, type Units } from '../setup/units.js'
import { exits, isMissing, MailError } from '../sys/error.js'
import { privateAddresses, programOf, tool, unitSource } from './setup-system.js'

export const configFile = '/etc/postern/mail.toml'
export const memoryFile = '/etc/postern/setup.json'

/** What is to be written, and what follows from it. */
export interface Plan {
  readonly steps: readonly Step[]
  readonly config: Config
  readonly units: Units
  readonly memory: Memory
  /** The file that users are in changes with each, so it is no step. */
  readonly newUsers: readonly string[]
}

/** @param answers undefined: the configuration stays what it is, the units follow it @throws ConfigError */
export async function makePlan(files: SetupFiles, answers: Answers | undefined): Promise<Plan> {
  const memory = await files.remembered()
  const steps: Step[] = []
  const add = async (path: string, text: string, belongs: Wanted['belongs'] = 'root', mode = 0o644) => {
    const step = await files.compare({ path, text, mode, belongs }, memory)
    steps.push(step)
    return step.state === 'kept' ? step.before : text
  }
  const text = answers
    ? await add(configFile, configurationOf(answers), 'shared')
    : await files.read(configFile)
  if (text === undefined)
    throw new MailError(`${files.real(configFile)} is not there; run mail-setup --domain`, {
      exit: exits.noInput,
    })
  const config = parseConfig(text, configFile)
  const units = planUnits({ config, file: configFile, source: unitSource(), program: programOf })
  for (const [path, content] of systemFiles(config)) await add(path, content)
  for (const { name, text } of units.units) await add(`/etc/systemd/system/${name}`, text)
  if (answers && (await files.read(config.users.aliases)) === undefined) {
    const [first = ''] = answers.users
    await add(config.users.aliases, `postmaster: ${first}\nroot: ${first}\n`, 'shared', 0o640)
  }
  const edit = new UsersEdit((await files.read(config.users.file)) ?? '', config.domains[0] as string)
  const newUsers = (answers?.users ?? []).filter(user => !edit.has(user))
  return { steps, config, units, memory, newUsers }
}

/** sysusers.d and tmpfiles.d, for the places of this configuration. */
function* systemFiles({ queue, users }: Config): Generator<[string, string]> {
  const source = unitSource()
  for (const folder of ['sysusers.d', 'tmpfiles.d']) {
    const text = readFileSync(join(source, folder, 'postern.conf'), 'utf8')
      .replaceAll('/var/lib/postern/queue', queue.directory)
      .replaceAll('/var/lib/postern/home', users.home.split('/%')[0] || '/var/lib/postern/home')
    yield [`/etc/${folder}/postern.conf`, text]
  }
}

/** Writes all that is new or changed. @param root empty for this machine @param say told what was done */
export async function applyPlan(
  files: SetupFiles,
  { steps, config, units, memory }: Plan,
  root: string,
  answers: Answers | undefined,
): Promise<void> {
  const inRoot = root === '' ? [] : [`--root=${root}`]
  const [first, ...rest] = order(steps)
  if (first) await files.apply(first)
  const isRoot = process.geteuid?.() === 0
  if (isRoot && !(await files.findIds()))
    tool('systemd-sysusers', ...inRoot, files.real('/etc/sysusers.d/postern.conf'))
  if (!(await files.findIds()) && root === '')
    throw new MailError(
      'there is no user postern, and no systemd-sysusers to make it; run: useradd --system --user-group postern',
      { exit: exits.osError },
    )
  await files.directory('/etc/postern', 0o755, 'shared')
  await files.directory(dirname(config.tls.certificate), 0o755, 'postern')
  await files.directory('/etc/postern/secrets', 0o700, 'postern')
  for (const step of rest) await files.apply(step)
  // Somebody else may have written these: an editor, an import.
  for (const path of [configFile, config.users.file, config.users.aliases]) await files.give(path, 'shared')
  for (const name of await readdir(files.real('/etc/postern/secrets')).catch(() => []))
    await files.give(`/etc/postern/secrets/${name}`, 'postern')
  if (isRoot) tool('systemd-tmpfiles', ...inRoot, '--create', files.real('/etc/tmpfiles.d/postern.conf'))
  await makeCertificate(files, config)
  const written = steps.filter(({ state }) => state !== 'kept').map(({ wanted }) => wanted)
  const hashes = Object.fromEntries(written.map(({ path, text }) => [path, hashOf(text)]))
  const dropped = Object.entries(memory.files).filter(
    ([path]) => path.startsWith('/etc/systemd/') && !steps.some(({ wanted }) => wanted.path === path),
  )
  await files.takeBack(Object.fromEntries(dropped))
  const kept = Object.entries(memory.files).filter(([path]) => !dropped.some(([other]) => other === path))
  await files.remember({
    answers: answers ?? memory.answers,
    files: { ...Object.fromEntries(kept), ...hashes },
    enabled: units.enabled,
  })
}

/** The user comes first: the others' files are given to it. */
function order(steps: readonly Step[]): Step[] {
  const isFirst = ({ wanted }: Step) => wanted.path.startsWith('/etc/sysusers.d/')
  return [...steps.filter(isFirst), ...steps.filter(step => !isFirst(step))]
}

/** Makes the authority and the certificate where they are missing, or the certificate is for another name. */
async function makeCertificate(files: SetupFiles, { tls, hostname, domains }: Config): Promise<void> {
  const place = { certificate: files.real(tls.certificate), key: files.real(tls.key) }
  const authority = authorityPlace(place)
  const now = new Date()
  const old = await readCertificate(place.certificate).catch(() => undefined)
  if (old && (namesOf(old).includes(hostname) || !isThere(authority.key))) return
  if (!isThere(authority.certificate)) {
    const all = [...domains, hostname]
    const apart = all.filter(name => !domains.some(other => name.endsWith(`.${other}`)))
    await makeAuthority({ place: authority, domains: apart, keyType: 'ecdsa', now })
  }
  const names = [hostname, 'localhost', '127.0.0.1', '::1', ...privateAddresses()]
  const key = old ? await readKey(place.key).catch(() => undefined) : undefined
  await makeServer({ authority, place, names, keyType: 'ecdsa', key, now })
}

/** Adds users. @returns their addresses with the passwords that were made */
export async function addUsers(
  files: SetupFiles,
  { config, newUsers }: Plan,
  passwordOf: (address: string) => Promise<string>,
): Promise<[address: string, password: string][]> {
  const domain = config.domains[0] as string
  const made: [string, string][] = []
  for (const user of newUsers) {
    const address = addressOf(user, domain)
    const password = await passwordOf(address)
    const stored = await makePassword('ARGON2ID', password)
    await editFile(files.real(config.users.file), text => {
      const edit = new UsersEdit(text, domain)
      edit.add(address, stored)
      return edit.toString()
    })
    made.push([address, password])
  }
  return made
}

/** Easy to type and to tell apart: twenty letters and digits in groups of five. */
export function randomPassword(): string {
  const letters = 'abcdefghjkmnpqrstuvwxyz23456789'
  const group = () => Array.from({ length: 5 }, () => letters[randomInt(letters.length)]).join('')
  return [group(), group(), group(), group()].join('-')
}

function isThere(path: string): boolean {
  try {
    return statSync(path).isFile()
  } catch (error) {
    if (isMissing(error)) return false
    throw error
  }
}
