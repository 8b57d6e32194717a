/** mail-setup import: from the settings of Postfix, Dovecot, mbsync, getmail and fetchmail to ours. */
import { chmod, mkdir, stat } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { ConfigError, parseConfig } from '../config/load.js'
import { emptyImport, filesOf, type Imported, type ImportedFile } from '../setup/import.js'
import { importDovecot } from '../setup/import-dovecot.js'
import { importFetchmail, importGetmail, importMbsync } from '../setup/import-fetch.js'
import { formatNote } from '../setup/import-note.js'
import { importPostfix } from '../setup/import-postfix.js'
import { writeAtomic } from '../sys/atomic.js'
import { exits, isMissing, MailError } from '../sys/error.js'
import { command } from './options.js'

const file = (help: string) => ({ type: 'string', multiple: true, argument: 'FILE', help }) as const

export const importing = command({
  name: 'import',
  summary: 'take over the settings of other mail programs; says of each what became of it',
  options: {
    postfix: { type: 'string', argument: 'DIR', help: 'the directory of main.cf and master.cf' },
    dovecot: { type: 'string', argument: 'DIR', help: 'the directory of dovecot.conf' },
    mbsync: file('an .mbsyncrc; may be repeated'),
    getmail: file('a getmailrc; may be repeated'),
    fetchmail: file('a .fetchmailrc; may be repeated'),
    output: {
      type: 'string',
      argument: 'DIR',
      help: 'where mail.toml and its files go; /etc/postern unless told',
    },
    'dry-run': { type: 'boolean', help: 'write nothing' },
    json: { type: 'boolean', help: 'one JSON object for each setting' },
  },
  run: async ({ values }) => {
    const imported = emptyImport()
    // Postfix first: it knows the names of the machine and of its domains.
    if (values.postfix !== undefined) importPostfix(resolve(values.postfix), imported)
    if (values.dovecot !== undefined) importDovecot(resolve(values.dovecot), imported)
    for (const each of values.mbsync) importMbsync(resolve(each), imported)
    for (const each of values.getmail) importGetmail(resolve(each), imported)
    for (const each of values.fetchmail) importFetchmail(resolve(each), imported)
    if (imported.notes.length === 0)
      throw new MailError('say what to import: --postfix, --dovecot, --mbsync, --getmail or --fetchmail', {
        exit: exits.usage,
      })
    const files = filesOf(imported)
    const directory = resolve(values.output ?? '/etc/postern')
    if (!values['dry-run']) await write(directory, files)
    tell(imported, values.json)
    return checked(directory, files)
  },
})

/** Writes over nothing: what is there may be in use. */
async function write(directory: string, files: readonly ImportedFile[]): Promise<void> {
  for (const { path } of files)
    if (await isThere(join(directory, path)))
      throw new MailError(
        `${join(directory, path)} is there already: move it away, or name another --output`,
        {
          exit: exits.cannotCreate,
        },
      )
  for (const { path, text, mode } of files) {
    const place = join(directory, path)
    try {
      await mkdir(dirname(place), { recursive: true, mode: path.includes('/') ? 0o700 : 0o755 })
      await writeAtomic(place, text, mode)
      // Whatever the umask says.
      await chmod(place, mode)
    } catch (error) {
      throw new MailError(`cannot write ${place}`, { exit: exits.cannotCreate, cause: error })
    }
  }
}

function tell({ notes, todo }: Imported, json: boolean): void {
  for (const note of notes) process.stdout.write(`${json ? JSON.stringify(note) : formatNote(note)}\n`)
  if (json) return
  const steps = [...new Set(todo), 'run mail-setup units, then mail-check']
  process.stdout.write(`\nTo do:\n${steps.map(step => `  - ${step}\n`).join('')}`)
}

/** What the old settings did not say, or said against our rules, is told with the line to mend. */
function checked(directory: string, files: readonly ImportedFile[]): number {
  const path = join(directory, 'mail.toml')
  try {
    parseConfig(files.find(each => each.path === 'mail.toml')?.text ?? '', path)
    return exits.ok
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    process.stderr.write(error.problems.map(line => `mail-setup: ${line}\n`).join(''))
    return exits.config
  }
}

async function isThere(path: string): Promise<boolean> {
  try {
    await stat(path)
    return true
  } catch (error) {
    if (isMissing(error)) return false
    throw error
  }
}
