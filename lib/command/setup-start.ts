/** Brings systemd to what mail-setup wrote, and tries it. */
import { existsSync, readFileSync } from 'node:fs'
import { editFile, UsersEdit } from '../auth/edit.js'
import { makePassword } from '../auth/password.js'
import type { Config } from '../config/load.js'
import { authorityPlace } from '../setup/certificate.js'
import { selfTest } from '../setup/selftest.js'
import { describe, MailError } from '../sys/error.js'
import { type Plan, randomPassword } from './setup-apply.js'
import { tool } from './setup-system.js'

/** Enables the units. @param root empty for this machine @returns false without systemctl */
export function enableUnits({ units, memory }: Plan, root: string): boolean {
  const where = root === '' ? [] : [`--root=${root}`]
  const gone = memory.enabled.filter(name => !units.enabled.includes(name))
  if (root === '' && gone.length > 0) stopQuietly(gone)
  if (gone.length > 0) disableQuietly(where, gone)
  if (root === '') tool('systemctl', 'daemon-reload')
  return tool('systemctl', ...where, '--quiet', 'enable', ...units.enabled)
}

/** Their files may be gone already. */
export function disableQuietly(where: readonly string[], names: readonly string[]): void {
  try {
    tool('systemctl', ...where, '--quiet', 'disable', ...names)
  } catch {
    // A unit without a file cannot be disabled; what names it is gone with daemon-reload.
  }
}

function stopQuietly(names: readonly string[]): void {
  try {
    tool('systemctl', 'stop', ...names)
  } catch {
    // Not loaded: nothing runs.
  }
}

/** Starts mail.target; what is there already takes over what changed. */
export function startUnits({ steps, units }: Plan): void {
  const changed = new Set(
    steps
      .filter(({ state, wanted }) => state === 'changed' && wanted.path.startsWith('/etc/systemd/system/'))
      .map(({ wanted }) => wanted.path.split('/')[4] as string),
  )
  for (const name of changed)
    if (name.endsWith('.socket')) {
      // systemd opens no socket while its service runs.
      tool('systemctl', 'stop', name.replace('.socket', '.service'), name)
    } else if (name.endsWith('.service') && !name.includes('@')) tool('systemctl', 'try-restart', name)
    else if (/\.(timer|path)$/.test(name) && !name.includes('@')) tool('systemctl', 'try-restart', name)
  tool('systemctl', 'start', 'mail.target')
  tool('systemctl', 'start', ...units.enabled)
}

/** Sends a message through the servers to a user, with a password that lives as long as the test. */
export async function tryOut(config: Config, user: string, step: (text: string) => void): Promise<void> {
  const domain = config.domains[0] as string
  const label = `setup-test-${process.pid}`
  const password = randomPassword()
  const stored = await makePassword('SSHA512', password)
  const change = (work: (edit: UsersEdit) => void) =>
    editFile(config.users.file, text => {
      const edit = new UsersEdit(text, domain)
      work(edit)
      return edit.toString()
    })
  await change(edit => edit.addAppPassword(user, stored, new Map([['postern_label', label]])))
  try {
    const { certificate } = authorityPlace(config.tls)
    const authority = existsSync(certificate) ? readFileSync(certificate, 'utf8') : undefined
    await retrying(() => selfTest({ config, user, password, authority, now: new Date(), step }))
  } finally {
    await change(edit => edit.removeAppPassword(user, label))
  }
}

/** Servers that run read the users file again in a moment; those that start need one. */
async function retrying(work: () => Promise<void>): Promise<void> {
  for (let left = 3; ; left--)
    try {
      return await work()
    } catch (error) {
      if (left === 0) throw error instanceof MailError ? error : new MailError(describe(error))
      await new Promise(resolve => setTimeout(resolve, 1_500))
    }
}
