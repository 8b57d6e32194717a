/** ManageSieve over the folders that hold users' scripts. */
import type { User } from '../auth/users.js'
import { type Code, ManageSieveError } from '../managesieve/reply.js'
import type { ScriptStore } from '../managesieve/session.js'
import { compileScript } from '../sieve/compile.js'
import type { Problem } from '../sieve/problem.js'
import { decode, ScriptFolder, type ScriptLimits, ScriptRefused } from '../sieve/scripts.js'
import type { Settings } from '../sieve/settings.js'

/** Opens a user's scripts for one session. */
export function openScripts(user: Pick<User, 'home'>, limits: ScriptLimits, settings: Settings): ScriptStore {
  const folder = new ScriptFolder(user.home, limits)
  const check = (name: string, octets: Buffer) => checked(name, octets, settings)
  return {
    list: () => folder.list(),
    read: name => told(folder.read(name)),
    checkSpace: (name, size) => told(folder.checkSpace(name, size)),
    check: async octets => check('script', octets),
    write: async (name, octets) => {
      await told(folder.checkSpace(name, octets.length))
      const warnings = check(name, octets)
      await told(folder.write(name, octets))
      return warnings
    },
    activate: name => told(folder.activate(name)),
    deactivate: () => told(folder.deactivate()),
    remove: name => told(folder.remove(name)),
    rename: (from, to) => told(folder.rename(from, to)),
  }
}

/** @returns the warnings @throws ManageSieveError with every error, a line each */
function checked(name: string, octets: Buffer, settings: Settings): readonly string[] {
  const { errors, warnings } = compileScript({ name, text: decode(octets) }, settings)
  if (errors.length > 0) throw new ManageSieveError(undefined, errors.map(line).join('\r\n'))
  return warnings.map(line)
}

function line({ line, column, message }: Problem): string {
  return line > 0 ? `line ${line}, column ${column}: ${message}` : message
}

/** RFC 5804 §1.3. */
const codes: Readonly<Record<ScriptRefused['reason'], Code | undefined>> = {
  nonexistent: 'NONEXISTENT',
  'already-exists': 'ALREADYEXISTS',
  active: 'ACTIVE',
  name: undefined,
  'max-size': 'QUOTA/MAXSIZE',
  'max-scripts': 'QUOTA/MAXSCRIPTS',
  quota: 'QUOTA',
}

async function told<T>(work: Promise<T>): Promise<T> {
  try {
    return await work
  } catch (error) {
    if (!(error instanceof ScriptRefused)) throw error
    throw new ManageSieveError(codes[error.reason], error.message, { cause: error })
  }
}
