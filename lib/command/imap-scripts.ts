/** Scripts that run for what IMAP clients do (RFC 6785): the server's events joined to the runner of scripts. */
import type { User } from '../auth/users.js'
import type { Config } from '../config/load.js'
import { ImapScripts } from '../deliver/imap-scripts.js'
import type { Account } from '../mailbox/account.js'
import { Noted } from '../mailbox/noted.js'
import type { EventListener } from '../serve/imap-events.js'
import type { Log } from '../sys/log.js'
import { filterOptions } from './filtered-rules.js'

const made = new WeakMap<Config, Promise<ImapScripts>>()

/** One for each configuration. @throws MailError (78) for a setting of scripts that is none */
export function imapScripts(config: Config, log: Log): Promise<ImapScripts> {
  const scripts = made.get(config) ?? make(config, log)
  made.set(config, scripts)
  return scripts
}

async function make(config: Config, log: Log): Promise<ImapScripts> {
  return new ImapScripts(await filterOptions(config, log), config.sieve.imap)
}

/** Who runs the scripts of a user: the site's by its rules, and the user's own that an annotation names. */
export function listenerFor(scripts: ImapScripts, { name, home }: User): EventListener {
  return {
    watches: (account, mailbox, cause) =>
      scripts.watches(mailbox, cause) || scriptNamed(account, mailbox) !== undefined,
    happened: event =>
      scripts.run({ name, home }, { ...event, script: scriptNamed(event.account, event.mailbox.name) }),
  }
}

const entry = '/shared/imapsieve/script'

/** RFC 6785 §2.3.1: the mailbox's entry, though it be empty, comes before the server's. */
function scriptNamed({ root, attributes }: Account, mailbox: string): string | undefined {
  // Mostly nothing is noted of anything.
  if (attributes.all().size === 0) return undefined
  const noted = new Noted(root)
  return noted.value(mailbox, entry) ?? noted.value(undefined, entry)
}

/** Where the scripts are managed, for the capability IMAPSIEVE (RFC 6785 §2.1, RFC 5804 §3); undefined without mail-sieved. */
export function sieveUrl({ hostname, sieved }: Config): string | undefined {
  const ports = sieved.listen.flatMap(({ address }) => ('port' in address ? [address.port] : []))
  if (ports.length === 0) return undefined
  return ports.includes(4190) ? `sieve://${hostname}` : `sieve://${hostname}:${ports[0]}`
}
