import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { createServer } from 'node:http'
import { type TestContext, test } from 'node:test'
import { AccessTokens, authorize, codeOf, type OAuthClient, redeem } from '../../lib/auth/oauth.js'
import { MailError } from '../../lib/sys/error.js'

interface Provider {
  readonly client: OAuthClient
  /** Forms that were posted, in order. */
  readonly asked: Record<string, string>[]
  answer: { status: number; body: unknown }
}

async function provider(t: TestContext): Promise<Provider> {
  const asked: Record<string, string>[] = []
  const server = createServer((request, response) => {
    let text = ''
    request.on('data', chunk => {
      text += chunk
    })
    request.on('end', () => {
      asked.push(Object.fromEntries(new URLSearchParams(text)))
      response.statusCode = self.answer.status
      response.end(JSON.stringify(self.answer.body))
    })
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.after(() => server.close())
  const { port } = server.address() as { port: number }
  const tokenUrl = `http://127.0.0.1:${port}/token`
  const self: Provider = {
    client: { clientId: 'id', clientSecret: 'hush', tokenUrl, scope: 'mail' },
    asked,
    answer: { status: 200, body: { access_token: 'A1', expires_in: 3600 } },
  }
  return self
}

test('an access token is asked for once, kept while it is good, and renewed when it was refused', async t => {
  const p = await provider(t)
  let now = 0
  const tokens = new AccessTokens(
    p.client,
    async () => 'R',
    async () => assert.fail(),
    () => now,
  )
  assert.deepEqual(await Promise.all([tokens.get(false), tokens.get(false)]), ['A1', 'A1'])
  assert.deepEqual(p.asked, [
    { grant_type: 'refresh_token', refresh_token: 'R', client_id: 'id', client_secret: 'hush' },
  ])
  await tokens.get(false)
  assert.equal(p.asked.length, 1)
  p.answer.body = { access_token: 'A2', expires_in: 3600 }
  assert.equal(await tokens.get(true), 'A2')
  now = 3_550_000
  await tokens.get(false)
  assert.equal(p.asked.length, 3)
})

test('another refresh token is kept', async t => {
  const p = await provider(t)
  p.answer.body = { access_token: 'A1', refresh_token: 'R2' }
  const kept: string[] = []
  await new AccessTokens(
    p.client,
    async () => 'R',
    async token => void kept.push(token),
  ).get(false)
  assert.deepEqual(kept, ['R2'])
})

const refusals: [number, unknown, boolean, RegExp][] = [
  [
    400,
    { error: 'invalid_grant', error_description: 'Token has been expired or revoked.' },
    false,
    /no longer good .*log in again/,
  ],
  [401, { error: 'invalid_client' }, false, /invalid_client/],
  [500, {}, true, /status 500/],
  [429, {}, true, /status 429/],
  [200, { nonsense: 1 }, false, /status 200/],
  [200, 'no object', false, /status 200/],
]
for (const [status, body, temporary, message] of refusals)
  test(`a refusal ${status} ${JSON.stringify(body)}`, async t => {
    const p = await provider(t)
    p.answer = { status, body }
    const tokens = new AccessTokens(
      p.client,
      async () => 'R',
      async () => {},
    )
    await assert.rejects(tokens.get(false), error => {
      assert.ok(error instanceof MailError)
      assert.equal(error.temporary, temporary)
      assert.match(error.message, message)
      return true
    })
    p.answer = { status: 200, body: { access_token: 'A' } }
    assert.equal(await tokens.get(false), 'A', 'asked anew')
  })

test('nobody answers: not now', async () => {
  const client = { clientId: 'id', tokenUrl: 'http://127.0.0.1:1/token', scope: '' }
  const tokens = new AccessTokens(
    client,
    async () => 'R',
    async () => {},
  )
  await assert.rejects(tokens.get(false), error => error instanceof MailError && error.temporary)
})

test('the dance: an address for the browser, and the code for a token', async t => {
  const p = await provider(t)
  const authorization = authorize(p.client, 'http://127.0.0.1:9/', 'me@gmail.com')
  const url = new URL(authorization.url)
  assert.equal(url.pathname, '/authorize')
  const { searchParams } = url
  assert.equal(
    searchParams.get('code_challenge'),
    createHash('sha256').update(authorization.verifier).digest('base64url'),
  )
  assert.equal(searchParams.get('login_hint'), 'me@gmail.com')
  const back = `http://127.0.0.1:9/?state=${authorization.state}&code=C`
  assert.equal(codeOf(back, authorization), 'C')
  assert.equal(codeOf(' C \n', authorization), 'C')
  assert.throws(() => codeOf('http://127.0.0.1:9/?state=other&code=C', authorization), /another request/)
  assert.throws(
    () => codeOf(`/?state=${authorization.state}&error=access_denied`, authorization),
    /access_denied/,
  )
  p.answer.body = { access_token: 'A', refresh_token: 'R' }
  assert.equal((await redeem(p.client, authorization, 'C', 0)).refreshToken, 'R')
  assert.equal(p.asked[0]?.['code_verifier'], authorization.verifier)
})

test("Google's authorization endpoint is elsewhere", () => {
  const client = { clientId: 'id', tokenUrl: 'https://oauth2.googleapis.com/token', scope: 'x' }
  assert.match(
    authorize(client, 'http://127.0.0.1:9/').url,
    /^https:\/\/accounts\.google\.com\/o\/oauth2\/v2\/auth\?/,
  )
})
