/** One octet now and then, in every state that a stranger can bring a session into: each ends, whatever comes. */
import assert from 'node:assert/strict'
import type { Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import { imapService } from '../../../lib/command/imapd.js'
import { pop3Service } from '../../../lib/command/pop3d.js'
import type { Service } from '../../../lib/command/service.js'
import { sieveService } from '../../../lib/command/sieved.js'
import { smtpdService } from '../../../lib/command/smtpd.js'
import { Log } from '../../../lib/sys/log.js'
import { Networks } from '../../../lib/sys/network.js'
import { Connection, PeerTimeout } from '../../../lib/wire/line.js'
import { Listener, type ListenerOptions } from '../../../lib/wire/listener.js'
import { startTls } from '../../../lib/wire/tls.js'
import { identity } from '../../smtp/stage.js'
import { startService } from '../../support/service.js'
import { until } from '../../support/world.js'
import { expect, open, shake } from './talk.js'

/** The bounds that sessions set for strangers, in milliseconds, and a way to let them be over soon. */
class Bounds {
  readonly #set = new Map<Connection, number>()
  readonly #limitTo = Connection.prototype.limitTo

  constructor(t: TestContext) {
    const set = this.#set
    const limitTo = this.#limitTo
    Connection.prototype.limitTo = function (this: Connection, time) {
      if (time === undefined) set.delete(this)
      else set.set(this, time)
      limitTo.call(this, time)
    }
    t.after(() => {
      Connection.prototype.limitTo = limitTo
    })
  }

  /** What is bounded at all ends soon; what is not never does. */
  hurry(): void {
    for (const connection of this.#set.keys()) this.#limitTo.call(connection, 200)
  }

  get all(): readonly Connection[] {
    return [...this.#set.keys()]
  }

  /** @returns when that many sessions are over */
  async over(count: number): Promise<void> {
    await until(() => this.all.filter(({ socket }) => socket.destroyed).length >= count, 60_000)
  }
}

type State = readonly [
  name: string,
  script: readonly (readonly [say: string, answer: RegExp])[],
  last?: string,
]

interface Protocol {
  readonly service: Service
  readonly greeting: RegExp
  readonly starttls: readonly (readonly [say: string, answer: RegExp])[]
  /** What is said and answered before the drip begins, and what is said last, to which there is no answer. */
  readonly states: readonly State[]
  /** A command that anybody may give, with an answer. */
  readonly flood: string
}

const protocols: Readonly<Record<string, Protocol>> = {
  smtp: {
    service: smtpdService() as Service,
    greeting: /^220 .*\r\n/,
    starttls: [
      ['EHLO x\r\n', /^250 .*\r\n/m],
      ['STARTTLS\r\n', /^220 .*\r\n/m],
    ],
    states: [
      ['a command', []],
      ['AUTH', [['EHLO x\r\n', /^250 .*\r\n/m]], 'AUTH PLAIN\r\n'],
      ['AUTH LOGIN, the password', [['EHLO x\r\n', /^250 .*\r\n/m]], 'AUTH LOGIN\r\nYWxpY2U=\r\n'],
      ['a recipient', [['EHLO x\r\nMAIL FROM:<>\r\n', /^250 2\.1\.0.*\r\n/m]], 'RCPT TO:<'],
      [
        'DATA',
        [['EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<alice@ilnmors.internal>\r\nDATA\r\n', /^354 .*\r\n/m]],
        'Subject: ',
      ],
      [
        'BDAT',
        [['EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<alice@ilnmors.internal>\r\n', /^250 2\.1\.5.*\r\n/m]],
        'BDAT 100000\r\n',
      ],
    ],
    flood: 'NOOP\r\n',
  },
  imap: {
    service: imapService as Service,
    greeting: /^\* OK .*\r\n/,
    starttls: [['a STARTTLS\r\n', /^a OK .*\r\n/m]],
    states: [
      ['a command', [], 'a '],
      ['a literal', [['a LOGIN {4000}\r\n', /^\+/m]]],
      ['a literal that does not wait', [], 'a LOGIN {4000+}\r\n'],
      ['AUTHENTICATE', [['a AUTHENTICATE PLAIN\r\n', /^\+/m]]],
    ],
    flood: 'a CAPABILITY\r\n',
  },
  pop3: {
    service: pop3Service as Service,
    greeting: /^\+OK .*\r\n/,
    starttls: [['STLS\r\n', /^\+OK.*\r\n/m]],
    states: [
      ['a command', []],
      ['PASS', [['USER alice\r\n', /^\+OK.*\r\n/m]], 'PASS '],
      ['AUTH', [['AUTH PLAIN\r\n', /^\+ /m]]],
    ],
    flood: 'CAPA\r\n',
  },
  managesieve: {
    service: sieveService as Service,
    greeting: /^OK .*\r\n/m,
    starttls: [['STARTTLS\r\n', /^OK.*\r\n/m]],
    states: [
      ['a command', []],
      ['a literal', [], 'AUTHENTICATE "PLAIN" {4000+}\r\n'],
      ['a string', [], 'AUTHENTICATE "'],
      ['AUTHENTICATE', [['AUTHENTICATE "PLAIN"\r\n', /^""\r\n|^\{0\}/m]]],
    ],
    flood: 'CAPABILITY\r\n',
  },
}

function drip(t: TestContext, socket: Socket): void {
  const timer = setInterval(() => socket.write('x'), 20)
  t.after(() => clearInterval(timer))
  socket.on('error', () => {}).resume()
}

async function say(socket: Socket, script: State[1]): Promise<void> {
  for (const [words, answer] of script) {
    const answered = expect(socket, answer)
    socket.write(words)
    await answered
  }
}

for (const [name, { service, greeting, starttls, states, flood }] of Object.entries(protocols)) {
  const start = (t: TestContext) =>
    startService(service, {
      listener: `tls = "offered"${name === 'smtp' ? '\nauth = "offered"' : ''}`,
    }).then(running => {
      t.after(running.close)
      return running.port
    })
  const enter = async (port: number) => {
    const socket = await open(port)
    await expect(socket, greeting)
    return socket
  }

  test(`${name}: no octet now and then holds a connection for ever`, async t => {
    const bounds = new Bounds(t)
    const port = await start(t)
    const begin = async ([, script, last = '']: State, isSecure: boolean) => {
      let socket = await enter(port)
      if (isSecure) {
        await say(socket, starttls)
        socket = await shake(socket)
      }
      await say(socket, script)
      socket.write(last)
      drip(t, socket)
    }
    for (const state of states) for (const isSecure of [false, true]) await begin(state, isSecure)
    assert.equal(bounds.all.length, 2 * states.length)
    bounds.hurry()
    await bounds.over(2 * states.length)
  })

  test(`${name}: a stranger who asks and never reads the answers is not waited for for ever`, async t => {
    const bounds = new Bounds(t)
    const port = await start(t)
    const socket = await enter(port)
    bounds.hurry()
    socket.on('error', () => {}).pause()
    socket.write(flood.repeat(200_000))
    await bounds.over(1)
    socket.destroy()
  })
}

const bare = (options: Partial<ListenerOptions> & Pick<ListenerOptions, 'serve'>) =>
  new Listener({
    address: { host: '127.0.0.1', port: 0 },
    tls: 'off',
    identity: undefined,
    log: new Log({ write: () => {} }),
    ...options,
  })

test('a TLS handshake of one octet now and then ends', async t => {
  let ended: unknown
  const listener = bare({
    serve: connection =>
      startTls(connection, identity(), 'drop', 300).catch(error => {
        ended = error
      }),
  })
  await listener.open()
  t.after(() => listener.close(0))
  const socket = await open(listener.port)
  // A record of 16 KiB begins.
  socket.write(Buffer.from([22, 3, 1, 0x40, 0]))
  drip(t, socket)
  await until(() => ended instanceof PeerTimeout, 60_000)
})

test('a PROXY header of one octet now and then ends', async t => {
  const bounds = new Bounds(t)
  const listener = bare({ proxies: new Networks(['127.0.0.1']), serve: async () => {} })
  await listener.open()
  t.after(() => listener.close(0))
  const socket = await open(listener.port)
  socket.write(Buffer.from('0d0a0d0a000d0a515549540a21110ff0', 'hex'))
  await until(() => bounds.all.length === 1, 60_000)
  drip(t, socket)
  bounds.hurry()
  await bounds.over(1)
})
