/** mail-setup remove: takes back what mail-setup made; never mail. */
import { rm } from 'node:fs/promises'
import { resolve } from 'node:path'
import { type Memory, SetupFiles } from '../setup/setup-files.js'
import { exits, MailError } from '../sys/error.js'
import { command } from './options.js'
import { memoryFile } from './setup-apply.js'
import { disableQuietly } from './setup-start.js'
import { hasSystemd, tool } from './setup-system.js'

export const remove = command({
  name: 'remove',
  summary: 'take back what was made here; mail, users, secrets and certificates stay',
  options: {
    root: { type: 'string', argument: 'DIR', help: 'the system below DIR' },
    units: { type: 'boolean', help: 'the units only; the configuration stays' },
    all: { type: 'boolean', help: 'users, aliases, secrets, certificates and the authority too; never mail' },
  },
  run: async ({ values }) => {
    const base = values.root === undefined ? '' : resolve(values.root)
    if (base === '' && process.getuid?.() !== 0)
      throw new MailError('mail-setup changes the system: run it as root, or with --root', {
        exit: exits.notAllowed,
      })
    const files = new SetupFiles(base, memoryFile)
    const memory = await files.remembered()
    const say = (text: string) => void process.stdout.write(`${text}\n`)
    if (Object.keys(memory.files).length === 0 && !values.all)
      return say('nothing here was made by mail-setup')
    const runs = base === '' && hasSystemd()
    if (runs) stop(memory)
    if (memory.enabled.length > 0) disableQuietly(base === '' ? [] : [`--root=${base}`], memory.enabled)
    const isGoing = (path: string) => !values.units || path.startsWith('/etc/systemd/')
    const [going, staying] = partition(memory.files, isGoing)
    for (const path of await files.takeBack(going)) say(`${path} was changed since it was made; it stays`)
    if (runs) tool('systemctl', 'daemon-reload')
    if (values.units) return files.remember({ ...memory, files: staying, enabled: [] })
    await files.forget()
    if (values.all)
      for (const name of ['users', 'aliases', 'secrets', 'tls'])
        await rm(files.real(`/etc/postern/${name}`), { recursive: true, force: true })
    say('taken back; the mail stays in /var/lib/postern, and so does the user postern, whose it is')
  },
})

function partition<Value>(
  record: Readonly<Record<string, Value>>,
  isFirst: (key: string) => boolean,
): [Record<string, Value>, Record<string, Value>] {
  const entries = Object.entries(record)
  return [
    Object.fromEntries(entries.filter(([key]) => isFirst(key))),
    Object.fromEntries(entries.filter(([key]) => !isFirst(key))),
  ]
}

/** The target takes all with it, but waits for nobody; their files must not go before they do. */
function stop({ enabled, files }: Memory): void {
  const units = Object.keys(files)
    .map(path => /^\/etc\/systemd\/system\/([^/@]+)$/.exec(path)?.[1])
    .filter(name => name !== undefined)
  tool('systemctl', 'stop', ...new Set(['mail.target', ...enabled, ...units]))
}
