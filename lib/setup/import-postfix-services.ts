/** Postfix's master.cf(5): the ports that take mail in, with the options that stand behind them. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Imported, quoted } from './import.js'
import type { Note } from './import-note.js'
import { parseMasterCf } from './import-postfix-files.js'

const ports: Readonly<Record<string, number>> = { smtp: 25, submission: 587, submissions: 465, smtps: 465 }

/** @param setting a value of main.cf, for what the services leave to it; empty when it is not there */
export function importServices(
  directory: string,
  imported: Imported,
  setting: (name: string) => string,
): void {
  const file = join(directory, 'master.cf')
  if (!existsSync(file)) return
  const listeners: string[] = []
  for (const { name, type, command } of parseMasterCf(readFileSync(file, 'utf8'))) {
    if (type !== 'inet') continue
    const listener = listenerOf(name, command, setting)
    const note: Omit<Note, 'fate' | 'detail'> = { where: file, setting: `${name} ${type} … ${command}` }
    if (!listener)
      imported.notes.push({
        ...note,
        fate: 'unsupported',
        detail: 'only smtpd takes mail in by the network',
      })
    else {
      const detail = `smtpd.listen ${listener}; what is not said follows from the port`
      imported.notes.push({ ...note, fate: 'changed', detail })
      listeners.push(listener)
    }
  }
  if (listeners.length > 0) imported.settings.push(['smtpd', `listen = [${listeners.join(', ')}]`])
}

function listenerOf(name: string, command: string, setting: (name: string) => string): string | undefined {
  const [, host = '0.0.0.0', service = name] = /^(?:(.+):)?(\w+)$/.exec(name) ?? []
  const port = ports[service] ?? Number(service)
  if (!Number.isInteger(port) || !/^smtpd\b/.test(command)) return undefined
  const address = /^[\d.]+$|:/.test(host) ? host.replace(/[[\]]/g, '') : '127.0.0.1'
  const own = optionsOf(command)
  const value = (key: string) => own.get(key) ?? setting(key)
  const fields = [`address = ${quoted(`${address.includes(':') ? `[${address}]` : address}:${port}`)}`]
  const tls = value('smtpd_tls_wrappermode') === 'yes' ? 'implicit' : tlsOf(value('smtpd_tls_security_level'))
  if (tls !== undefined && tls !== usualTls(port)) fields.push(`tls = ${quoted(tls)}`)
  const auth = authOf(own)
  if (auth !== undefined && auth !== (port === 25 ? 'offered' : 'required'))
    fields.push(`auth = ${quoted(auth)}`)
  return `{ ${fields.join(', ')} }`
}

/** `-o name=value`, and `-o { name = value }`. */
function optionsOf(command: string): Map<string, string> {
  const options = command.matchAll(/-o\s+(?:\{\s*(\w+)\s*=\s*([^}]*?)\s*\}|(\w+)=(\S*))/g)
  return new Map([...options].map(([, a, b, c, d]) => [a ?? c ?? '', b ?? d ?? '']))
}

function tlsOf(level: string): string | undefined {
  if (level === '') return undefined
  return level === 'none' ? 'off' : level === 'may' ? 'offered' : 'required'
}

function usualTls(port: number): string {
  return port === 465 ? 'implicit' : port === 25 ? 'offered' : 'required'
}

/** A port that has logins and does not end its rules with a refusal takes mail from trusted networks too. */
function authOf(own: ReadonlyMap<string, string>): string | undefined {
  const enabled = own.get('smtpd_sasl_auth_enable')
  if (enabled === undefined) return undefined
  if (enabled !== 'yes') return 'off'
  const strict = [...own].some(([name, value]) => name.endsWith('_restrictions') && /\breject$/.test(value))
  return strict ? 'required' : 'offered'
}
