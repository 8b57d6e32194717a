/** Logs in at a provider, but for one that refused us before, or asked to be left alone. */
import { scryptSync } from 'node:crypto'
import type { FetchAccount, FetchOptions, Secret } from './fetch.js'
import { openPopSource } from './pop.js'
import { openRemote } from './remote.js'
import type { Source } from './source.js'
import type { Memory } from './state.js'
import { LoginRefused, Throttled } from './trouble.js'

const minute = 60_000
/** The first pause after a provider asked for one, and the longest; when it is about octets, and when about haste. */
const pauses = {
  octets: { first: 60 * minute, longest: 24 * 60 * minute },
  haste: { first: 5 * minute, longest: 6 * 60 * minute },
}

type Options = Pick<FetchOptions, 'retryLogin' | 'proof' | 'clock'>

/**
 * Connects and logs in.
 *
 * @throws LoginRefused also where these credentials were refused before, without asking
 * @throws Throttled also where the provider asked to be left alone for longer, without asking
 */
export async function logIn(account: FetchAccount, options: Options, memory: Memory): Promise<Source> {
  heedLater(account, options, memory)
  const secret = await account.secret(false)
  const { refused } = memory
  const fingerprint = () => fingerprintOf(account, secret)
  if (refused && !options.retryLogin && refused.fingerprint === fingerprint())
    throw new LoginRefused(
      account.host,
      account.user,
      `${refused.said} (asked before; not asked again until the configuration changes, or with --retry-login)`,
    )
  try {
    const source = await openSource(account, secret, options, memory)
    await memory.login('', '')
    return source
  } catch (error) {
    if (!(error instanceof LoginRefused)) throw error
    if ('token' in secret && !refused) {
      const renewed = await account.secret(true)
      const source = await openSource(account, renewed, options, memory).catch(again => again as Error)
      if (!(source instanceof Error)) return source
    }
    await memory.login(fingerprint(), error.said)
    throw error
  }
}

/** Connects and logs in with these credentials. */
export function openSource(
  account: FetchAccount,
  secret: Secret,
  { proof }: Options,
  memory: Memory,
): Promise<Source> {
  const { protocol = 'imap' } = account
  const { flags, gone } = account.policy
  const asks = { asksGone: gone === 'trash', asksFlags: flags === 'follow' }
  const options = { ...account, ...asks, secret, witness: proof?.connection(protocol) }
  return protocol === 'imap' ? openRemote(options) : openPopSource(options, memory.numbering('INBOX'))
}

function heedLater(
  account: FetchAccount,
  { retryLogin, clock = Date.now }: Options,
  { later }: Memory,
): void {
  const wait = (later?.until ?? 0) - clock()
  if (!later || wait <= 0 || retryLogin) return
  const until = new Date(later.until).toISOString().slice(0, 16).replace('T', ' ')
  throw new Throttled(account.host, `${later.said} (not asked again before ${until} UTC)`, wait)
}

/** Notes that a provider asked to come back later. @returns the same with the time that it is to be left alone */
export async function noteThrottled(
  error: Throttled,
  memory: Memory,
  clock: () => number = Date.now,
): Promise<Throttled> {
  const { said, wait } = error
  const now = clock()
  // What was noted already is not noted again.
  if (memory.later && memory.later.until > now) return error
  const { first, longest } = /quota|bandwidth|exceeded/i.test(said) ? pauses.octets : pauses.haste
  const times = memory.later?.times ?? 0
  const pause = Math.max(wait, Math.min(longest, first * 2 ** times))
  await memory.postpone({ until: now + pause, times: times + 1, said })
  return new Throttled(error.host, said, pause)
}

/** Tells whether credentials are those that were refused, and does not tell which they are. */
function fingerprintOf({ host, port, user }: FetchAccount, secret: Secret): string {
  // Access tokens change by themselves, and a new one was refused too.
  const text = 'token' in secret ? '' : secret.password
  return scryptSync(text, `${host}:${port} ${user}`, 12).toString('base64url')
}
