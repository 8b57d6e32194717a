/** mail-relay login: gets a refresh token from a provider, by a browser here or anywhere. */
import { createServer } from 'node:http'
import { createInterface } from 'node:readline/promises'
import { type Authorization, authorize, codeOf, redeem, sevenDays } from '../auth/oauth.js'
import type { Config } from '../config/load.js'
import { loadConfig } from '../config/load.js'
import { writeAtomic } from '../sys/atomic.js'
import { exits, MailError } from '../sys/error.js'
import { type Credentials, oauthClient } from './credentials.js'
import { command } from './options.js'

interface Account extends Credentials {
  readonly host: string
}

export const relayLogin = command({
  name: 'login',
  summary: 'Get a token from a provider that wants OAuth 2, and keep it',
  options: {
    paste: { type: 'boolean', help: 'the browser is on another machine: paste the address it ends at' },
  },
  operands: '[NAME]',
  run: async ({ values, operands, config }) => {
    const account = findAccount(await loadConfig(config), operands[0])
    const { oauth2, user = '' } = account
    if (!oauth2)
      throw new MailError(`${account.host} has no oauth2 table in ${config}`, { exit: exits.config })
    const client = await oauthClient(oauth2)
    const say = (text: string) => process.stderr.write(`${text}\n`)
    const [authorization, code] = await askUser(
      redirect => authorize(client, redirect, user),
      values.paste,
      say,
    )
    const tokens = await redeem(client, authorization, code, Date.now())
    if (tokens.refreshToken === undefined)
      throw new MailError('the provider gave no refresh token; remove its grant there, and log in again', {
        exit: exits.unavailable,
      })
    await writeAtomic(oauth2.refresh_token_file, `${tokens.refreshToken}\n`)
    say(`The token for ${user} is in ${oauth2.refresh_token_file}.`)
    if (oauth2.token_url.includes('google')) say(sevenDays)
  },
})

/** By host or by user; the only one with OAuth 2 where no name is given. */
function findAccount({ relay }: Config, name: string | undefined): Account {
  const all = relay ? [relay, ...relay.route] : []
  const accounts = all.flatMap(each => (each.host && each.oauth2 ? [{ ...each, host: each.host.host }] : []))
  const found = accounts.filter(({ host, user }) => name === undefined || name === host || name === user)
  if (found.length === 1 && found[0]) return found[0]
  const names = accounts.map(({ host, user }) => `${user ?? ''} at ${host}`).join(', ')
  throw new MailError(
    accounts.length === 0
      ? 'the configuration has no relay with an oauth2 table'
      : `say which by user or host: ${names}`,
    { exit: exits.usage },
  )
}

async function askUser(
  begin: (redirect: string) => Authorization,
  paste: boolean,
  say: (text: string) => void,
): Promise<[Authorization, string]> {
  const where = (url: string) => say(`Open this address in a browser, and agree:\n\n${url}\n`)
  if (paste) {
    const authorization = begin('http://127.0.0.1:1/')
    where(authorization.url)
    say('The browser will end at an address it cannot open. Paste that address here:')
    const lines = createInterface({ input: process.stdin })
    const line = await lines.question('')
    lines.close()
    return [authorization, codeOf(line, authorization)]
  }
  const server = createServer()
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  const authorization = begin(`http://127.0.0.1:${port}/`)
  where(authorization.url)
  try {
    const code = await new Promise<string>((resolve, reject) => {
      server.on('request', (request, response) => {
        const path = request.url ?? '/'
        if (!/[?&](code|error)=/.test(path)) return void response.writeHead(404).end()
        response.end('Done: you may close this page and go back to the terminal.\n')
        try {
          resolve(codeOf(path, authorization))
        } catch (error) {
          reject(error)
        }
      })
    })
    return [authorization, code]
  } finally {
    server.close()
    server.closeAllConnections()
  }
}
