/** mail-imapd: IMAP over the users' Maildirs. */
import { serveImap } from '../imap/server.js'
import { keepMailboxes } from '../mailbox/memory.js'
import { imapBackend } from '../serve/imap.js'
import { daemonCommand } from './daemon.js'
import { imapScripts, listenerFor, sieveUrl } from './imap-scripts.js'
import type { Service } from './service.js'
import { version } from './version.js'

export const imapService: Service<'imapd'> = {
  name: 'imapd',
  start: parts => ({
    busy: '* BYE [LIMIT] There are too many connections; try again later.\r\n',
    serve: async (connection, log, door) => {
      const { config, logins } = parts
      const scripts = await imapScripts(config, parts.log)
      return serveImap(
        connection,
        {
          backend: imapBackend({
            logins,
            mechanisms: config.login.mechanisms,
            quota: parts.quota,
            neighbours: config.imapd.sharing ? parts.users : undefined,
            events: user => listenerFor(scripts, user),
            log: parts.log,
          }),
          hostname: config.hostname,
          sieveUrl: sieveUrl(config),
          tls: door.listener.tls,
          identity: door.identity,
          id: { name: 'Postern', version },
          appendLimit: config.smtpd.max_message_size,
          idleTimeout: Math.max(config.imapd.timeout, 30 * 60_000),
        },
        log,
      )
    },
    close: keepMailboxes,
  }),
}

export const imapd = daemonCommand('mail-imapd', 'serve mail over IMAP', imapService)
