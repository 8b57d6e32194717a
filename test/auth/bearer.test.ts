import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { createServer, type IncomingMessage } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { type TestContext, test } from 'node:test'
import { BearerTokens } from '../../lib/auth/bearer.js'
import { imapService } from '../../lib/command/imapd.js'
import { pop3Service } from '../../lib/command/pop3d.js'
import { TemporaryError } from '../../lib/sys/error.js'
import { startService } from '../support/service.js'
import { play } from '../support/transcript.js'

interface Asked {
  readonly method: string | undefined
  readonly authorization: string | undefined
  readonly body: string
}

const pem = (name: string) => readFileSync(`fixtures/tls/${name}.pem`)

/** Somebody who issues tokens, on loopback; answers with what the test says. */
async function issuer(
  t: TestContext,
  answer: (asked: Asked) => [status: number, body: unknown],
  secure = false,
) {
  const asked: Asked[] = []
  const serve = async (request: IncomingMessage, response: import('node:http').ServerResponse) => {
    let body = ''
    for await (const chunk of request) body += chunk
    const one = { method: request.method, authorization: request.headers.authorization, body }
    asked.push(one)
    const [status, text] = answer(one)
    response.writeHead(status).end(typeof text === 'string' ? text : JSON.stringify(text))
  }
  const pair = { cert: pem('localhost'), key: pem('localhost-key') }
  const server = secure ? createSecureServer(pair, serve) : createServer(serve)
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  return { url: `${secure ? 'https' : 'http'}://localhost:${port}/token`, asked }
}

const soon = () => Date.now() / 1_000 + 600

test('introspection: who we are is said, the answer is read, and remembered for a minute', async t => {
  const active = { active: true, username: 'alice@ilnmors.internal', exp: soon(), scope: 'openid mail' }
  const { url, asked } = await issuer(t, ({ body }) => [
    200,
    body.includes('good') ? active : { active: false },
  ])
  let now = Date.now()
  const tokens = new BearerTokens({
    introspectionUrl: url,
    clientId: 'post:ern',
    clientSecret: 's',
    claim: 'username',
    scope: 'mail',
    clock: () => now,
  })
  assert.equal(await tokens.check('good'), 'alice@ilnmors.internal')
  assert.equal(await tokens.check('good'), 'alice@ilnmors.internal')
  assert.equal(asked.length, 1)
  assert.deepEqual(asked[0], {
    method: 'POST',
    authorization: `Basic ${Buffer.from('post%3Aern:s').toString('base64')}`,
    body: 'token=good&token_type_hint=access_token',
  })
  now += 61_000
  await tokens.check('good')
  assert.equal(asked.length, 2)
  assert.equal(await tokens.check('bad'), undefined)
})

test('what an active token must have besides', async t => {
  const rows: [answer: object, user: string | undefined][] = [
    [{ active: true, email: 'a@b' }, 'a@b'],
    [{ active: true, email: 'a@b', exp: 1 }, undefined],
    [{ active: true, email: '' }, undefined],
    [{ active: true, email: 5 }, undefined],
    [{ active: 'true', email: 'a@b' }, undefined],
    [{ email: 'a@b' }, undefined],
  ]
  for (const [answer, user] of rows) {
    const { url } = await issuer(t, () => [200, answer])
    const tokens = new BearerTokens({ introspectionUrl: url, claim: 'email' })
    assert.equal(await tokens.check('x'), user, JSON.stringify(answer))
  }
  const { url } = await issuer(t, () => [200, { active: true, email: 'a@b', scope: 'mailbox other' }])
  assert.equal(
    await new BearerTokens({ introspectionUrl: url, claim: 'email', scope: 'mail' }).check('x'),
    undefined,
  )
})

test("the user's own data, over TLS with an authority of one's own", async t => {
  const { url, asked } = await issuer(
    t,
    ({ authorization }) => (authorization === 'Bearer good' ? [200, { email: 'me@x' }] : [401, 'no']),
    true,
  )
  const tokens = new BearerTokens({ userinfoUrl: url, claim: 'email', ca: pem('ca').toString() })
  assert.equal(await tokens.check('good'), 'me@x')
  assert.equal(await tokens.check('bad'), undefined)
  assert.equal(asked[0]?.method, 'GET')
  await assert.rejects(new BearerTokens({ userinfoUrl: url, claim: 'email' }).check('good'), TemporaryError)
})

test('an issuer that cannot say is no refusal', async t => {
  for (const answer of [
    [500, {}],
    [200, 'no JSON'],
    [401, {}],
    [200, 'x'.repeat(70_000)],
  ] as [number, unknown][]) {
    const { url } = await issuer(t, () => answer)
    await assert.rejects(
      new BearerTokens({ introspectionUrl: url, claim: 'email' }).check('x'),
      TemporaryError,
    )
  }
  await assert.rejects(
    new BearerTokens({ introspectionUrl: 'http://127.0.0.1:1/', claim: 'email' }).check('x'),
    TemporaryError,
  )
})

const base64 = (text: string) => Buffer.from(text.replaceAll('^', '\x01')).toString('base64')

test('IMAP and POP3 log in by token, and tell what is wrong in one more challenge', async t => {
  const { url } = await issuer(t, ({ body }) => [
    200,
    body.includes('good') ? { active: true, username: 'alice@ilnmors.internal' } : { active: false },
  ])
  const login = `mechanisms = ["PLAIN", "XOAUTH2", "OAUTHBEARER"]\n[login.oauth2]\nintrospection_url = "${url}"`
  const imap = await startService(imapService, { login })
  t.after(imap.close)
  const good = base64('user=alice^auth=Bearer good^^')
  const refused = 'S: + eyJzdGF0dXMiOiI0MDAiLCJzY2hlbWVzIjoiQmVhcmVyIn0=\nC:\n'
  await play(
    `S: * OK [CAPABILITY *AUTH=XOAUTH2 AUTH=OAUTHBEARER*\n` +
      `C: a AUTHENTICATE XOAUTH2 ${base64('user=alice^auth=Bearer bad^^')}\n${refused}S: a NO [AUTHENTICATIONFAILED] *\n` +
      `C: b AUTHENTICATE XOAUTH2 ${base64('user=bob^auth=Bearer good^^')}\n${refused}S: b NO [AUTHENTICATIONFAILED] *\n` +
      `C: c AUTHENTICATE XOAUTH2 ${base64('user=alice')}\nS: c BAD *\n` +
      `C: d AUTHENTICATE XOAUTH2\nS: + *\nC: ${good}\nS: d OK *\n`,
    { port: imap.port, ca: '', close: async () => {} },
  )
  assert.equal(imap.lines.join('').includes('good'), false, 'a token is in no log')

  const pop3 = await startService(pop3Service, { login })
  t.after(pop3.close)
  await play(
    `S: +OK *\nC: AUTH OAUTHBEARER ${base64('n,a=bob,^host=x^port=1^auth=Bearer bad^^')}\n` +
      `S: + eyJzdGF0dXMiOiJpbnZhbGlkX3Rva2VuIn0=\nC: AQ==\nS: -ERR [AUTH] *\n` +
      `C: AUTH OAUTHBEARER ${base64('n,,^auth=Bearer good^^')}\nS: +OK *\n`,
    { port: pop3.port, ca: '', close: async () => {} },
  )
})
