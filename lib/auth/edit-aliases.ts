/** Changes of the aliases file: lines that are not touched stay as they were written. */
import { exits, MailError } from '../sys/error.js'
import {
  type AliasEntry,
  aliasKey,
  formatTarget,
  parseAliases,
  parseTargets,
  type Target,
} from './aliases-file.js'

/**
 * Adds targets to an alias, which is made when there is none.
 *
 * @throws MailError (65) for a name or an address that cannot stand in the file
 */
export function addAlias(text: string, name: string, addresses: readonly string[]): string {
  const added = addresses.map(checkTarget)
  const entry = find(text, name)
  const before = entry?.targets ?? []
  const known = new Set(before.map(sameness))
  const targets = [...before, ...added.filter(target => !known.has(sameness(target)))]
  const line = `${formatName(entry?.name ?? name)}: ${targets.map(formatTarget).join(', ')}`
  if (entry) return replaceLines(text, entry, [line])
  return `${text}${text === '' || text.endsWith('\n') ? '' : '\n'}${line}\n`
}

/**
 * Removes an alias, or only some of its targets; with the last target goes the alias.
 *
 * @throws MailError (67) when there is no such alias, or it does not send to one of the addresses
 */
export function removeAlias(text: string, name: string, addresses: readonly string[] = []): string {
  const entry = find(text, name)
  if (!entry) throw new MailError(`there is no alias ${name}`, { exit: exits.noUser })
  if (addresses.length === 0) return replaceLines(text, entry, [])
  const gone = new Set(addresses.map(address => sameness(checkTarget(address))))
  for (const target of entry.targets) gone.delete(sameness(target))
  const [missing] = gone
  if (missing !== undefined) throw new MailError(`${name} does not go to ${missing}`, { exit: exits.noUser })
  const removed = new Set(addresses.map(address => sameness(checkTarget(address))))
  const left = entry.targets.filter(target => !removed.has(sameness(target)))
  const line = `${formatName(entry.name)}: ${left.map(formatTarget).join(', ')}`
  return replaceLines(text, entry, left.length > 0 ? [line] : [])
}

/** The first of that name: the one that counts. */
function find(text: string, name: string): AliasEntry | undefined {
  return parseAliases(text).entries.find(entry => aliasKey(entry.name) === aliasKey(name))
}

function replaceLines(text: string, { start, end }: AliasEntry, lines: readonly string[]): string {
  return text
    .split('\n')
    .toSpliced(start, end - start, ...lines)
    .join('\n')
}

function sameness(target: Target): string {
  return target.kind === 'address' ? aliasKey(target.address) : formatTarget(target)
}

function checkTarget(address: string): Target {
  const [target, ...more] = parseTargets(address)
  const isKnown = target && ['address', 'mailbox', 'discard'].includes(target.kind)
  if (isKnown && more.length === 0 && !/[\p{Cc}#]/u.test(address)) return target
  throw new MailError(`"${address}" is no address, name or /dev/null that an alias can go to`, {
    exit: exits.data,
  })
}

function formatName(name: string): string {
  if (name === '' || /\p{Cc}/u.test(name))
    throw new MailError(`"${name}" can be no alias's name`, { exit: exits.data })
  return /[\s:"#\\]/.test(name) ? `"${name.replace(/["\\]/g, '\\$&')}"` : name
}
