/** Scripts that run for what IMAP clients do (RFC 6785): the server's events joined to the runner of scripts. */
import type { User } from '../auth/users.js'
import type { Config } from '../config/load.js'
import { ImapScripts } from '../deliver/imap-scripts.js'
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

/** Who runs the scripts of a user. */
export function listenerFor(scripts: ImapScripts, { name, home }: User): EventListener {
  return {
    watches: (_account, mailbox, cause) => scripts.watches(mailbox, cause),
    happened: event => scripts.run({ name, home }, event),
  }
}
