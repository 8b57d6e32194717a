/** mail-sieved: ManageSieve over the users' scripts. */
import type { User } from '../auth/users.js'
import { serveManageSieve } from '../managesieve/server.js'
import { openScripts } from '../serve/scripts.js'
import { capabilities, settingsOf } from '../sieve/registry.js'
import type { Settings } from '../sieve/settings.js'
import { daemonCommand } from './daemon.js'
import type { Parts } from './parts.js'
import type { Service } from './service.js'
import { version } from './version.js'

/** Always there: naming them in the capabilities says nothing. */
const understood = ['comparator-i;octet', 'comparator-i;ascii-casemap']

export const sieveService: Service<'sieved'> = {
  name: 'sieved',
  start: (parts: Parts) => {
    let settings = settingsOf(parts.config)
    return {
      busy: 'BYE (TRYLATER) "too many connections, try again later"\r\n',
      reload: () => {
        settings = settingsOf(parts.config)
      },
      serve: (connection, log, door) =>
        serveManageSieve<User>(
          connection,
          {
            get tls() {
              return door.listener.tls
            },
            get identity() {
              return door.identity
            },
            implementation: `Postern ${version}`,
            extensions: offeredBy(settings),
            maxRedirects: settings.maxRedirects,
            maxScriptSize: settings.maxScriptSize,
            mechanisms: parts.config.login.mechanisms,
            verifier: origin => parts.logins.verifier({ ...origin, protocol: 'sieve' }),
            open: async user => openScripts(user, limits(parts, settings), settings),
            name: user => user.name,
            timeout: parts.config.sieved.timeout,
          },
          log,
        ),
    }
  },
}

function offeredBy(settings: Settings): readonly string[] {
  return capabilities(settings).filter(name => !understood.includes(name))
}

function limits({ config }: Parts, { maxScriptSize }: Settings) {
  return { maxScriptSize, maxScripts: config.sieve.max_scripts, maxStorage: config.sieve.max_storage }
}

export const sieved = daemonCommand(
  'mail-sieved',
  'Let users manage their filters over ManageSieve',
  sieveService,
)
