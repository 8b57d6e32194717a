/** Where submission meets the way out: who may use it, what goes there, and that both ways are taken or none. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Expansion, Local } from '../../lib/auth/aliases.js'
import type { User } from '../../lib/auth/users.js'
import type { Carrier } from '../../lib/serve/incoming.js'
import { type Outside, type Relay, Submission, type SubmissionOptions } from '../../lib/serve/submission.js'
import { nullPath, type Path, parsePath } from '../../lib/smtp/path.js'
import type { Envelope, Peer, Recipient } from '../../lib/smtp/session.js'
import { TemporaryError } from '../../lib/sys/error.js'
import { Log } from '../../lib/sys/log.js'
import { Networks } from '../../lib/sys/network.js'

const user = (local: string): User => ({
  name: `${local}@here.example`,
  local,
  domain: 'here.example',
  home: `/home/${local}`,
  extra: new Map(),
})

const nothing: Expansion = { users: [], remote: [], unknown: [], loop: undefined, discard: false }

/** alice is here; away@ leads out; both@ leads to alice and out; other domains are other domains. */
const directory = {
  isOurs: (domain: string) => domain === 'here.example',
  expand(address: string): Expansion {
    const users: Local[] = [{ user: user('alice'), detail: undefined }]
    if (address === 'alice@here.example') return { ...nothing, users }
    if (address === 'away@here.example') return { ...nothing, remote: ['ann@x.example'] }
    if (address === 'both@here.example') return { ...nothing, users, remote: ['ann@x.example'] }
    return address.endsWith('@here.example')
      ? { ...nothing, unknown: [address] }
      : { ...nothing, remote: [address] }
  },
}

const peer = (address: string): Peer => ({
  session: 's',
  address,
  helo: 'client.example',
  protocol: 'ESMTP',
  tls: undefined,
  secure: true,
})
const stranger = peer('192.0.2.1')
const neighbour = peer('10.0.0.1')

const recipient = (text: string): Recipient => ({ path: parsePath(text) as Path, parameters: new Map() })

function envelope(...recipients: Recipient[]): Envelope {
  return { sender: nullPath, parameters: new Map(), recipients, declaredSize: undefined, utf8: false }
}

interface World {
  readonly submission: Submission
  /** What happened, in order. */
  readonly events: string[]
}

/** @param failing the step of a carrier that throws, such as `local prepare` */
function makeWorld(options: Partial<SubmissionOptions> = {}, failing = ''): World {
  const events: string[] = []
  const carrier = (name: string): Carrier => {
    let text = ''
    const step = (what: string) => async () => {
      events.push(`${name} ${what}`)
      if (failing === `${name} ${what}`) throw new TemporaryError('not now')
    }
    return {
      write: async octets => {
        text += octets.toString('latin1')
      },
      ...(name === 'local' ? { prepare: step('prepare') } : {}),
      commit: async () => {
        await step('commit')()
        events.push(`${name} has ${text.split('\n').at(-2)}`)
      },
      abort: step('abort'),
    }
  }
  const relay: Relay = {
    begin: async (recipients: readonly Outside[]) => {
      events.push(`relay to ${recipients.map(each => each.address).join(',')}`)
      if (failing === 'relay begin') throw new TemporaryError('not now')
      return carrier('relay')
    },
  }
  const submission = new Submission({
    hostname: 'mail.here.example',
    domain: 'here.example',
    protocol: 'smtp',
    log: new Log({ write: () => {} }),
    logins: undefined as never,
    directory,
    mechanisms: [],
    trusted: new Networks(['10.0.0.0/8']),
    deliver: async (users: readonly Local[]) => {
      events.push(`local to ${users.map(each => each.user.name).join(',')}`)
      return carrier('local')
    },
    relay,
    ...options,
  })
  return { submission, events }
}

const cases = [
  // who      login    to                       code  why
  [stranger, false, 'ann@x.example', 550, 'a stranger does not send out'],
  [neighbour, false, 'ann@x.example', 0, 'a trusted network does'],
  [stranger, true, 'ann@x.example', 0, 'a login does'],
  [stranger, false, 'away@here.example', 0, 'an alias that leads out is the owner’s wish'],
  [stranger, false, 'nobody@here.example', 550, 'nobody is nobody'],
] as const

for (const [who, loggedIn, to, code, why] of cases)
  test(`RCPT: ${why}`, () => {
    const { submission } = makeWorld()
    const work = () =>
      submission.recipient(who, loggedIn ? user('alice') : undefined, envelope(), recipient(to))
    if (code === 0) work()
    else assert.throws(work, { code })
  })

test('RCPT: nobody sends out by LMTP', () => {
  const { submission } = makeWorld({ protocol: 'lmtp' })
  assert.throws(() => submission.recipient(neighbour, undefined, envelope(), recipient('ann@x.example')), {
    code: 550,
  })
})

async function send(world: World, ...addresses: string[]): Promise<void> {
  const recipients = addresses.map(recipient)
  for (const each of recipients) world.submission.recipient(neighbour, undefined, envelope(), each)
  const incoming = await world.submission.begin(neighbour, undefined, envelope(...recipients))
  try {
    await incoming.write(Buffer.from('Subject: x\n\nhello\n'))
    assert.deepEqual(await incoming.commit(), Array(addresses.length).fill('accepted'))
  } catch (error) {
    await incoming.abort()
    throw error
  }
}

test('a message goes both ways: what is here is prepared first and shown last', async () => {
  const world = makeWorld()
  await send(world, 'alice@here.example', 'away@here.example', 'ann@x.example', 'bob@y.example')
  assert.deepEqual(world.events, [
    'local to alice@here.example',
    'relay to ann@x.example,bob@y.example',
    'local prepare',
    'relay commit',
    'relay has hello',
    'local commit',
    'local has hello',
  ])
})

for (const step of ['relay begin', 'local prepare', 'relay commit'])
  test(`when ${step} fails, nothing is delivered anywhere`, async () => {
    const world = makeWorld({}, step)
    await assert.rejects(send(world, 'both@here.example'), { temporary: true })
    assert.ok(world.events.includes('local abort'))
    assert.ok(step === 'relay begin' || world.events.includes('relay abort'))
    assert.ok(!world.events.some(event => event.includes(' has ')))
  })
