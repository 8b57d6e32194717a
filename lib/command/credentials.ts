/** Passwords and tokens for other servers, from where the configuration says they are. */
import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { promisify } from 'node:util'
import { AccessTokens, type OAuthClient } from '../auth/oauth.js'
import { writeAtomic } from '../sys/atomic.js'
import { errorCode, exits, MailError } from '../sys/error.js'

/** The keys of a smarthost or a fetch account that tell how to log in. */
export interface Credentials {
  readonly user?: string | undefined
  readonly password_file?: string | undefined
  readonly password_command?: string | undefined
  readonly oauth2?:
    | {
        readonly client_id: string
        readonly client_secret_file?: string | undefined
        readonly refresh_token_file: string
        readonly token_url: string
        readonly scope: string
      }
    | undefined
}

/** How long a password command may take, in milliseconds. */
const patience = 30_000

/** Reads the password. @throws MailError (78) naming the file or the command */
export async function readPassword({
  password_file: file,
  password_command: line,
}: Credentials): Promise<string> {
  if (file !== undefined) return readSecret(file)
  if (line === undefined) throw new MailError('there is no password_file', { exit: exits.config })
  try {
    const { stdout } = await promisify(execFile)('/bin/sh', ['-c', line], { timeout: patience })
    const [password = ''] = stdout.split(/\r?\n/)
    if (password !== '') return password
  } catch (error) {
    throw new MailError(`the password command ${JSON.stringify(line)} failed`, {
      exit: exits.config,
      cause: error,
    })
  }
  throw new MailError(`the password command ${JSON.stringify(line)} said nothing`, { exit: exits.config })
}

/** The first line of a file that holds a secret. @throws MailError (78) */
export async function readSecret(file: string): Promise<string> {
  const text = await readConfigured(file)
  const [secret = ''] = text.split(/\r?\n/, 1)
  if (secret === '') throw new MailError(`${file} is empty`, { exit: exits.config })
  return secret
}

/** A file that the configuration names. @throws MailError (78) */
export async function readConfigured(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (error) {
    throw new MailError(`cannot read ${file} (${errorCode(error)})`, { exit: exits.config })
  }
}

type OAuthSettings = NonNullable<Credentials['oauth2']>

/** @throws MailError (78) when the client's secret cannot be read */
export async function oauthClient(settings: OAuthSettings): Promise<OAuthClient> {
  const { client_id: clientId, client_secret_file: file, token_url: tokenUrl, scope } = settings
  const clientSecret = file === undefined ? undefined : await readSecret(file)
  return { clientId, tokenUrl, scope, ...(clientSecret !== undefined && { clientSecret }) }
}

/** A source of access tokens that keeps them while they are good. */
export function tokenSource(settings: OAuthSettings): (renew: boolean) => Promise<string> {
  const file = settings.refresh_token_file
  let tokens: AccessTokens | undefined
  return async renew => {
    tokens ??= new AccessTokens(
      await oauthClient(settings),
      () => readSecret(file),
      refreshToken => writeAtomic(file, `${refreshToken}\n`),
    )
    return tokens.get(renew)
  }
}
