import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { Readable } from 'node:stream'
import { type TestContext, test } from 'node:test'
import { createSecureContext } from 'node:tls'
import { type ClientOptions, SmtpClient } from '../../lib/smtp/client.js'
import { NoConnection } from '../../lib/smtp/no-connection.js'
import { Sink, type SinkOptions } from '../relay/sink.js'
import { startMemoryServer } from './stage.js'

const envelope = { sender: 'a@x.internal', recipients: [{ address: 'b@example.org' }] }
const message = Buffer.from('Subject: x\n\n.dot\nlast')
const trust = createSecureContext({ ca: readFileSync('fixtures/tls/ca.pem') })

async function open(t: TestContext, options: SinkOptions): Promise<Sink> {
  const sink = await Sink.start(options)
  t.after(() => sink.close())
  return sink
}

async function connect(t: TestContext, sink: Sink, options: Partial<ClientOptions> = {}) {
  const { port } = sink
  const client = await SmtpClient.connect({
    host: '127.0.0.1',
    port,
    tls: 'off',
    name: 'me.internal',
    ...options,
  })
  t.after(() => client.close())
  return client
}

test('two messages go over one connection, with CRLF and stuffed dots', async t => {
  const sink = await open(t, {})
  const client = await connect(t, sink)
  const sent = await client.send(envelope, message)
  assert.deepEqual(sent.answers, [{ code: 250, status: '2.0.0', text: 'taken' }])
  await client.send(envelope, Readable.from([message]))
  client.quit()
  assert.equal(sink.connections, 1)
  assert.deepEqual(
    sink.received.map(({ text }) => text),
    ['Subject: x\r\n\r\n.dot\r\nlast\r\n', 'Subject: x\r\n\r\n.dot\r\nlast\r\n'],
  )
  assert.equal(sink.received[0]?.mail, 'MAIL FROM:<a@x.internal> BODY=8BITMIME')
})

test('the null reverse-path, and parameters of RFC 3461 for each recipient', async t => {
  const sink = await open(t, { extensions: ['PIPELINING', 'DSN'] })
  const client = await connect(t, sink)
  const sent = await client.send(
    {
      sender: '',
      recipients: [
        { address: 'b@example.org', notify: 'SUCCESS,DELAY', original: 'rfc822;B+c@example.org' },
        { address: 'c@example.org', notify: 'NEVER' },
        { address: 'd@example.org' },
      ],
      envid: 'QQ=1',
      ret: 'headers',
    },
    message,
  )
  assert.ok(sent.reports)
  assert.equal(sink.received[0]?.mail, 'MAIL FROM:<> RET=HDRS ENVID=QQ+3D1')
  assert.deepEqual(sink.received[0]?.recipients, [
    'RCPT TO:<b@example.org> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;B+2Bc@example.org',
    'RCPT TO:<c@example.org> NOTIFY=NEVER',
    'RCPT TO:<d@example.org>',
  ])
})

for (const pipelining of [true, false])
  test(`each recipient has its own answer (pipelining ${pipelining})`, async t => {
    const sink = await open(t, {
      extensions: pipelining ? ['PIPELINING'] : [],
      answer: line =>
        /full@/.test(line)
          ? '452 4.2.2 full'
          : /none@/.test(line)
            ? '550-5.1.1 no\r\n550 5.1.1 such user'
            : undefined,
    })
    const client = await connect(t, sink)
    const recipients = ['none@x.org', 'b@x.org', 'full@x.org'].map(address => ({ address }))
    const sent = await client.send({ ...envelope, recipients }, message)
    assert.deepEqual(sent.answers, [
      { code: 550, status: '5.1.1', text: 'no such user' },
      { code: 250, status: '2.0.0', text: 'taken' },
      { code: 452, status: '4.2.2', text: 'full' },
    ])
    const refused = await client.send({ ...envelope, recipients: recipients.slice(0, 1) }, message)
    assert.equal(refused.answers[0]?.code, 550)
    assert.ok(client.usable, 'a refusal does not cost the connection')
    assert.equal((await client.send(envelope, message)).answers[0]?.code, 250)
  })

test('a refused message keeps the words on recipients refused before', async t => {
  const sink = await open(t, {
    answer: line => (/none@/.test(line) ? '550 5.1.1 no' : line === '.' ? '451 4.3.0 later' : undefined),
  })
  const client = await connect(t, sink)
  const sent = await client.send(
    { ...envelope, recipients: [{ address: 'none@x.org' }, { address: 'b@x.org' }] },
    message,
  )
  assert.deepEqual(
    sent.answers.map(answer => answer?.code),
    [550, 451],
  )
  assert.ok(client.usable)
})

const broken: [string, SinkOptions, boolean][] = [
  ['at MAIL', { answer: line => (/^MAIL/.test(line) ? 'cut' : undefined) }, true],
  ['at the end of the message', { answer: line => (line === '.' ? 'cut' : undefined) }, false],
  ['in the middle of the message', { cutAfter: 100_000 }, false],
]
for (const [where, options, unheard] of broken)
  test(`a connection cut ${where} has no answer`, async t => {
    const client = await connect(t, await open(t, options))
    const sent = await client.send(envelope, Readable.from(Array(100).fill(Buffer.alloc(10_000, 'x\n'))))
    assert.deepEqual(sent.answers, [undefined])
    assert.equal(sent.unheard, unheard)
    assert.ok(sent.trouble)
    assert.equal(client.usable, false)
  })

test('421 at MAIL is an answer, and the end of the connection', async t => {
  const client = await connect(
    t,
    await open(t, { answer: l => (/^MAIL/.test(l) ? '421 4.3.2 going down' : undefined) }),
  )
  const sent = await client.send(envelope, message)
  assert.deepEqual(sent.answers, [{ code: 421, status: '4.3.2', text: 'going down' }])
  assert.equal(client.usable, false)
})

test('a message whose source fails is not ended, so not accepted', async t => {
  const sink = await open(t, {})
  const client = await connect(t, sink)
  const source = new Readable({
    read() {
      this.push('half\n')
      this.destroy(new Error('disk trouble'))
    },
  })
  const sent = await client.send(envelope, source)
  assert.deepEqual(sent.answers, [undefined])
  assert.match(sent.trouble ?? '', /disk trouble/)
  assert.equal(client.usable, false)
  assert.equal(sink.received.length, 0)
})

test('what the server cannot take is refused without a word to it', async t => {
  const client = await connect(t, await open(t, { extensions: ['SIZE 1000'] }))
  const cases = [
    [{ ...envelope, size: 1001 }, '5.3.4'],
    [{ ...envelope, requireTls: true }, '5.7.30'],
    [{ ...envelope, sender: '가@x.internal' }, '5.6.7'],
    [{ ...envelope, recipients: [{ address: 'b@x.org>\r\nRSET' }] }, '5.1.3'],
  ] as const
  for (const [each, status] of cases)
    assert.equal((await client.send(each, message)).answers[0]?.status, status)
  assert.deepEqual(
    (await client.send({ ...envelope, recipients: [{ address: 'b@한국.kr' }] }, message)).answers[0]?.code,
    250,
  )
})

const times: [string[], { seconds: number; mode: 'N' | 'R'; trace: boolean }, string | undefined, string][] =
  [
    [['DELIVERBY'], { seconds: 600, mode: 'R', trace: false }, ' BY=600;R', 'a time, or back'],
    [
      ['DELIVERBY 240'],
      { seconds: 240, mode: 'R', trace: true },
      ' BY=240;RT',
      'the shortest there is, traced',
    ],
    [['DELIVERBY 240'], { seconds: 239, mode: 'R', trace: false }, undefined, 'too short for the server'],
    [
      ['DELIVERBY 240'],
      { seconds: -5, mode: 'N', trace: false },
      ' BY=-5;N',
      'a time that has passed, and was told of',
    ],
    [['DELIVERBY'], { seconds: 0, mode: 'R', trace: false }, undefined, 'no time left'],
    [
      [],
      { seconds: 600, mode: 'N', trace: true },
      '',
      'only a wish to be told, which the server does not know',
    ],
    [[], { seconds: 600, mode: 'R', trace: false }, undefined, 'a server that promises nothing'],
  ]
for (const [extensions, by, sent, why] of times)
  test(`BY - ${why}`, async t => {
    const sink = await open(t, { extensions })
    const outcome = await (await connect(t, sink)).send({ ...envelope, by }, message)
    assert.equal(outcome.answers[0]?.code, sent === undefined ? 554 : 250)
    if (sent === undefined) assert.equal(outcome.answers[0]?.status, '5.4.7')
    assert.equal(/ BY=.*/.exec(sink.received[0]?.mail ?? '')?.[0], sent || undefined)
    assert.equal(outcome.promisesTime, sent !== undefined && sent !== '')
  })

for (const tls of ['implicit', 'required'] as const) {
  const options: SinkOptions = {
    tls: tls === 'implicit' ? 'implicit' : 'offered',
    extensions: ['AUTH PLAIN'],
  }
  test(`TLS ${tls}: a certificate of a known authority`, async t => {
    const sink = await open(t, options)
    const client = await connect(t, sink, {
      tls,
      trust,
      host: 'localhost',
      login: { user: 'me', password: 'secret' },
    })
    assert.equal((await client.send(envelope, message)).answers[0]?.code, 250)
    assert.ok(sink.commands.includes(`AUTH PLAIN ${Buffer.from('\0me\0secret').toString('base64')}`))
    assert.ok(
      !client.dialogue.join('\n').includes(Buffer.from('\0me\0secret').toString('base64')),
      'no secret is kept',
    )
  })
  test(`TLS ${tls}: a certificate of an unknown authority is refused, with advice`, async t => {
    const sink = await open(t, options)
    await assert.rejects(
      connect(t, sink, { tls, host: 'localhost' }),
      error =>
        error instanceof NoConnection && error.stage === 'tls' && /name it with ca/.test(error.message),
    )
    assert.equal(sink.commands.filter(line => /^AUTH/.test(line)).length, 0)
  })
}

test('TLS required: a server without STARTTLS gets neither password nor mail', async t => {
  const sink = await open(t, { answer: line => (/^STARTTLS/.test(line) ? '502 5.5.1 what?' : undefined) })
  await assert.rejects(
    connect(t, sink, { tls: 'required' }),
    error => error instanceof NoConnection && error.stage === 'tls',
  )
})

test('TLS off: a password goes in the clear to this machine itself', async t => {
  const sink = await open(t, { extensions: ['AUTH PLAIN'] })
  await connect(t, sink, { login: { user: 'me', password: 'x' } })
})

const digest = (challenge: string) => createHmac('md5', 'secret').update(challenge).digest('hex')

const mechanisms: [string, string[]][] = [
  ['LOGIN', ['AUTH LOGIN', 'bWU=', 'c2VjcmV0']],
  // RFC 2195 §2, computed here by the same means a server has.
  ['CRAM-MD5', ['AUTH CRAM-MD5', Buffer.from(`me ${digest('<challenge>')}`).toString('base64')]],
]
for (const [mechanism, expected] of mechanisms)
  test(`AUTH ${mechanism}`, async t => {
    let step = 0
    const sink = await open(t, {
      extensions: [`AUTH ${mechanism}`],
      answer: line => {
        if (/^(EHLO|QUIT)/.test(line)) return undefined
        step++
        if (step === 1) return `334 ${Buffer.from('<challenge>').toString('base64')}`
        return mechanism === 'LOGIN' && step === 2 ? '334 UGFzc3dvcmQ6' : '235 2.7.0 welcome'
      },
    })
    await connect(t, sink, { login: { user: 'me', password: 'secret' } })
    const said = sink.commands.slice(1)
    assert.deepEqual(said, expected)
  })

test('AUTH XOAUTH2 asks for a new token once when the first is refused', async t => {
  const asked: boolean[] = []
  const sink = await open(t, {
    extensions: ['AUTH XOAUTH2'],
    answer: line => {
      if (/^AUTH XOAUTH2/.test(line))
        return Buffer.from(line.slice(13), 'base64').includes('fresh') ? '235 2.7.0 welcome' : '334 e30='
      return line === '' ? '535 5.7.8 expired' : undefined
    },
  })
  await connect(t, sink, {
    login: {
      user: 'me@gmail.com',
      token: async renew => {
        asked.push(renew)
        return renew ? 'fresh' : 'stale'
      },
    },
  })
  assert.deepEqual(asked, [false, true])
})

test('AUTH OAUTHBEARER, where XOAUTH2 is not offered, asks for a new token once too', async t => {
  const asked: boolean[] = []
  const sink = await open(t, {
    extensions: ['AUTH OAUTHBEARER PLAIN'],
    answer: line => {
      const [, octets] = /^AUTH OAUTHBEARER (.*)$/.exec(line) ?? []
      if (octets === undefined) return line === 'AQ==' ? '535 5.7.8 expired' : undefined
      const text = Buffer.from(octets, 'base64').toString()
      return text === 'n,a=me=3D1@gmail.com,\x01auth=Bearer fresh\x01\x01' ? '235 2.7.0 welcome' : '334 e30='
    },
  })
  const token = async (renew: boolean) => {
    asked.push(renew)
    return renew ? 'fresh' : 'stale'
  }
  const client = await connect(t, sink, { login: { user: 'me=1@gmail.com', token } })
  assert.deepEqual(asked, [false, true])
  assert.doesNotMatch(
    client.dialogue.join('\n'),
    new RegExp(Buffer.from('n,a=me').toString('base64').slice(0, 6)),
  )
})

test('LMTP: each recipient has its own answer at the end of the message', async t => {
  const server = await startMemoryServer({ protocol: 'lmtp', tls: 'off' })
  t.after(() => server.close())
  const client = await SmtpClient.connect({
    host: '127.0.0.1',
    port: server.port,
    tls: 'off',
    name: 'client.example',
    lmtp: true,
  })
  t.after(() => client.close())
  const recipients = ['alice', 'full', 'bob', 'nobody', 'refuses'].map(local => ({
    address: `${local}@here.example`,
  }))
  for (let i = 0; i < 2; i++) {
    const sent = await client.send(
      { sender: 'a@x.example', recipients },
      Buffer.from('Subject: x\n\n.dots\n'),
    )
    assert.deepEqual(
      sent.answers.map(answer => answer?.code),
      [250, 452, 250, 550, 550],
    )
  }
  assert.equal(server.backend.kept[1]?.text, 'Subject: x\n\n.dots\n')
  assert.equal(server.backend.kept[1]?.peer.protocol, 'LMTP')
})

const unfriendly: [string, SinkOptions, Partial<ClientOptions>, string, number | undefined][] = [
  ['a greeting that says no', { greeting: '554 5.7.1 go away' }, {}, 'greeting', 554],
  ['421 for a greeting', { greeting: '421 4.7.0 too many of you' }, {}, 'greeting', 421],
  ['a greeting that is something else', { greeting: 'HTTP/1.1 400 Bad Request' }, {}, 'greeting', 0],
  ['silence', { greeting: 'silence' }, { timeouts: { greeting: 50 } }, 'greeting', undefined],
  ['a server that hangs up', { greeting: 'cut' }, {}, 'greeting', undefined],
  [
    'a refused password',
    { extensions: ['AUTH PLAIN'], answer: line => (/^AUTH/.test(line) ? '535 5.7.8 wrong' : undefined) },
    { login: { user: 'me', password: 'x' } },
    'login',
    535,
  ],
  ['no login offered', { extensions: [] }, { login: { user: 'me', password: 'x' } }, 'login', undefined],
]
for (const [what, options, settings, stage, code] of unfriendly)
  test(`no connection: ${what}`, async t => {
    const sink = await open(t, options)
    await assert.rejects(connect(t, sink, settings), error => {
      assert.ok(error instanceof NoConnection)
      assert.equal(error.stage, stage)
      assert.equal(error.answer?.code, code)
      assert.ok(error.dialogue.length > 0)
      return true
    })
  })

test('no connection: nobody listens', async t => {
  const sink = await Sink.start()
  await sink.close()
  await assert.rejects(
    connect(t, sink),
    error => error instanceof NoConnection && error.stage === 'connect' && /ECONNREFUSED/.test(error.message),
  )
})

test('HELO where EHLO is not known', async t => {
  const sink = await open(t, { answer: line => (/^EHLO/.test(line) ? '502 5.5.1 what?' : undefined) })
  const client = await connect(t, sink)
  assert.equal((await client.send(envelope, message)).answers[0]?.code, 250)
  assert.equal(sink.received[0]?.mail, 'MAIL FROM:<a@x.internal>')
})
