/** mail-pop3d: POP3 over the users' INBOXes. */
import type { Origin } from '../auth/gate.js'
import type { User } from '../auth/users.js'
import { servePop3 } from '../pop3/server.js'
import type { Pop3Verifier } from '../pop3/session.js'
import { openMaildrop } from '../serve/pop3.js'
import type { Log } from '../sys/log.js'
import { daemonCommand } from './daemon.js'
import type { Parts } from './parts.js'
import type { Service } from './service.js'

export const pop3Service: Service<'pop3d'> = {
  name: 'pop3d',
  start: (parts: Parts) => ({
    busy: '-ERR [SYS/TEMP] too many connections, try again later\r\n',
    serve: (connection, log, door) =>
      servePop3<User>(
        connection,
        {
          hostname: parts.config.hostname,
          get tls() {
            return door.listener.tls
          },
          get identity() {
            return door.identity
          },
          mechanisms: parts.config.login.mechanisms,
          verifier: origin => verifierOf(parts, origin),
          open: user => openMaildrop(user, maildropOptions(parts, log)),
          get loginDelay() {
            return parts.config.pop3d.login_delay
          },
          name: user => user.name,
          timeout: parts.config.pop3d.timeout,
        },
        log,
      ),
  }),
}

/** APOP is no SASL mechanism, but is asked for in the same place. */
function verifierOf(parts: Parts, origin: Omit<Origin, 'protocol'>): Pop3Verifier<User> {
  const { apop, ...verifier } = parts.logins.verifier({ ...origin, protocol: 'pop3' })
  return parts.config.login.mechanisms.includes('APOP') ? { ...verifier, apop } : verifier
}

function maildropOptions(parts: Parts, log: Log) {
  const { delete: removal, lock, login_delay: loginDelay } = parts.config.pop3d
  return { delete: removal, lock, loginDelay, quota: parts.quota, log }
}

export const pop3d = daemonCommand('mail-pop3d', 'Serve mail over POP3', pop3Service)
