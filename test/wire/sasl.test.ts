import assert from 'node:assert/strict'
import { createHash, createHmac, pbkdf2Sync } from 'node:crypto'
import { test } from 'node:test'
import { exits, MailError } from '../../lib/sys/error.js'
import { authenticate, maxResponse, mechanisms, SaslError, type Verifier } from '../../lib/wire/sasl.js'

class Refused extends MailError {
  override readonly name = 'Refused'
}

const refuse = async (): Promise<never> => {
  throw new Refused('no', { exit: exits.notAllowed })
}

const salt = Buffer.alloc(16, 7)
const salted = pbkdf2Sync('pencil', salt, 4_096, 32, 'sha256')
const clientKey = createHmac('sha256', salted).update('Client Key').digest()
const serverKey = createHmac('sha256', salted).update('Server Key').digest()
const storedKey = createHash('sha256').update(clientKey).digest()

/** Knows one user, `alice` with `pencil`. */
const verifier: Verifier<string> = {
  password: async (user, password) => (user === 'alice' && password === 'pencil' ? user : refuse()),
  scram: async user => ({
    keys: { salt, iterations: 4_096, storedKey, serverKey },
    accept: async () => user,
    refuse,
  }),
  cram: async user => ({
    keys:
      user === 'alice'
        ? ['old', 'pencil'].map(key => (text: Buffer) => createHmac('md5', key).update(text).digest())
        : [],
    accept: async () => user,
    refuse,
  }),
}

type Reply = string | ((challenge: string) => string) | undefined

/** Plays the client: gives these answers in turn. @returns what came of it, and the challenges seen */
async function play(mechanism: string, initial: string | undefined, replies: readonly Reply[]) {
  const challenges: string[] = []
  const result = await authenticate(
    mechanism,
    initial === undefined ? undefined : Buffer.from(initial),
    async challenge => {
      const reply = replies[challenges.length]
      challenges.push(challenge.toString())
      const text = typeof reply === 'function' ? reply(challenge.toString()) : reply
      return text === undefined ? undefined : Buffer.from(text)
    },
    verifier,
  ).catch((error: unknown) => error)
  const outcome =
    result instanceof SaslError ? result.reason : result instanceof MailError ? result.name : result
  return { outcome, challenges }
}

const cram = (user: string, password: string) => (challenge: string) =>
  `${user} ${createHmac('md5', password).update(challenge).digest('hex')}`

const dialogs: [string, string | undefined, Reply[], unknown, string[] | undefined][] = [
  // mechanism, initial response, answers, outcome, challenges
  ['PLAIN', '\0alice\0pencil', [], 'alice', []],
  ['plain', '\0alice\0pencil', [], 'alice', []],
  ['PLAIN', undefined, ['\0alice\0pencil'], 'alice', ['']],
  ['PLAIN', 'alice\0alice\0pencil', [], 'alice', []],
  ['PLAIN', 'ALICE\0alice\0pencil', [], 'alice', []],
  ['PLAIN', 'bob\0alice\0pencil', [], 'MailError', []],
  ['PLAIN', '\0alice\0wrong', [], 'Refused', []],
  ['PLAIN', '\0alice', [], 'malformed', []],
  ['PLAIN', '\0\0pencil', [], 'malformed', []],
  ['PLAIN', '\0alice\0pencil\0', [], 'malformed', []],
  ['PLAIN', '', [], 'malformed', []],
  ['PLAIN', undefined, [undefined], 'cancelled', ['']],
  ['PLAIN', 'x'.repeat(maxResponse + 1), [], 'malformed', []],
  ['PLAIN', undefined, ['x'.repeat(maxResponse + 1)], 'malformed', ['']],
  ['LOGIN', undefined, ['alice', 'pencil'], 'alice', ['Username:', 'Password:']],
  ['LOGIN', 'alice', ['pencil'], 'alice', ['Password:']],
  ['LOGIN', undefined, ['alice', 'wrong'], 'Refused', ['Username:', 'Password:']],
  ['LOGIN', undefined, ['alice', ''], 'Refused', ['Username:', 'Password:']],
  ['LOGIN', undefined, ['', ''], 'malformed', ['Username:', 'Password:']],
  ['LOGIN', undefined, ['alice', undefined], 'cancelled', ['Username:', 'Password:']],
  ['LOGIN', undefined, ['al\0ice', 'pencil'], 'malformed', ['Username:', 'Password:']],
  ['CRAM-MD5', undefined, [cram('alice', 'pencil')], 'alice', undefined],
  ['CRAM-MD5', undefined, [cram('alice', 'old')], 'alice', undefined],
  ['CRAM-MD5', undefined, [cram('alice', 'wrong')], 'Refused', undefined],
  ['CRAM-MD5', undefined, [cram('nobody', 'pencil')], 'Refused', undefined],
  ['CRAM-MD5', undefined, ['alice'], 'malformed', undefined],
  ['CRAM-MD5', 'alice', [], 'malformed', []],
  ['SCRAM-SHA-256', 'p=tls-unique,,n=alice,r=abc', [], 'malformed', []],
  ['SCRAM-SHA-256', 'n,a=bob,n=alice,r=abc', [], 'MailError', []],
  ['SCRAM-SHA-256', 'n,,n=alice,r=abc', [undefined], 'cancelled', undefined],
  ['SCRAM-SHA-256', 'n,,n=alice,r=abc', ['nonsense'], 'malformed', undefined],
  ['ANONYMOUS', '', [], 'unknown', []],
  ['toString', '', [], 'unknown', []],
]
for (const [mechanism, initial, replies, outcome, challenges] of dialogs) {
  const shown = JSON.stringify([initial?.slice(0, 30), ...replies.map(reply => String(reply).slice(0, 30))])
  test(`${mechanism} ${shown}: ${outcome}`, async () => {
    const played = await play(mechanism, initial, replies)
    assert.equal(played.outcome, outcome)
    if (challenges) assert.deepEqual(played.challenges, challenges)
  })
}

/** The client's last message for a server's first one. */
function proof(bare: string, challenge: string): string {
  const unsigned = `c=biws,${challenge.split(',')[0]}`
  const signature = createHmac('sha256', storedKey).update(`${bare},${challenge},${unsigned}`).digest()
  const proof = Buffer.from(clientKey.map((octet, i) => octet ^ (signature[i] as number)))
  return `${unsigned},p=${proof.toString('base64')}`
}

for (const initial of [true, false])
  test(`SCRAM-SHA-256 ${initial ? 'with' : 'without'} an initial response`, async () => {
    const bare = 'n=alice,r=abc'
    const answers: Reply[] = [challenge => proof(bare, challenge), '']
    const { outcome, challenges } = initial
      ? await play('SCRAM-SHA-256', `n,,${bare}`, answers)
      : await play('SCRAM-SHA-256', undefined, [`n,,${bare}`, ...answers])
    assert.equal(outcome, 'alice')
    assert.match(challenges.at(-1) as string, /^v=[\w+/]{43}=$/)
    assert.match(challenges.at(-2) as string, /^r=abc.{24},s=BwcHBwcHBwcHBwcHBwcHBw==,i=4096$/)
  })

test('SCRAM-SHA-256 refuses a wrong proof without proving itself', async () => {
  const { outcome, challenges } = await play('SCRAM-SHA-256', 'n,,n=alice,r=abc', [
    challenge => proof('n=alice,r=abd', challenge),
    '',
  ])
  assert.equal(outcome, 'Refused')
  assert.equal(challenges.length, 1)
})

test('no two challenges of CRAM-MD5 are the same, and each looks like a Message-ID', async () => {
  const seen = await Promise.all([1, 2].map(() => play('CRAM-MD5', undefined, [undefined])))
  const [a = '', b = ''] = seen.map(({ challenges }) => challenges[0])
  assert.notEqual(a, b)
  assert.match(a, /^<[\da-f]+\.\d+@[^>]+>$/)
})

test('mechanisms() offers what exists and what the verifier has keys for', () => {
  assert.deepEqual(mechanisms(['plain', 'XNONE', 'SCRAM-SHA-256', 'constructor'], verifier), [
    'PLAIN',
    'SCRAM-SHA-256',
  ])
  const { password } = verifier
  assert.deepEqual(mechanisms(['PLAIN', 'CRAM-MD5', 'SCRAM-SHA-256', 'LOGIN'], { password }), [
    'PLAIN',
    'LOGIN',
  ])
})

test('octets that are not UTF-8 are malformed', async () => {
  const octets = Buffer.from([0, 97, 0, 0xff])
  await assert.rejects(
    authenticate('PLAIN', octets, async () => undefined, verifier),
    (error: SaslError) => error.reason === 'malformed',
  )
})
