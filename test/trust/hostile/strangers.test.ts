/** What somebody may cost who has not said who they are: time, memory, work. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import type { Socket } from 'node:net'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { Log } from '../../../lib/sys/log.js'
import { type Connection, PeerTimeout } from '../../../lib/wire/line.js'
import { Listener } from '../../../lib/wire/listener.js'
import { makePlace } from '../../support/place.js'
import { Program } from '../../support/program.js'
import { dialogue, expect, open } from './talk.js'

test('one octet now and then does not hold a connection for ever', async () => {
  const ended: unknown[] = []
  const listener = new Listener({
    address: { host: '127.0.0.1', port: 0 },
    tls: 'off',
    log: new Log({ write: () => {} }),
    serve: async (connection: Connection) => {
      connection.limitTo(400)
      await connection.readLine(1_000, 60_000).catch(error => ended.push(error))
    },
  } as never)
  await listener.open()
  const socket = await open(listener.port)
  const drip = setInterval(() => socket.write('x'), 20)
  await new Promise(resolve =>
    socket
      .on('close', resolve)
      .on('error', () => {})
      .resume(),
  )
  clearInterval(drip)
  assert.ok(ended[0] instanceof PeerTimeout, String(ended[0]))
  await listener.close(0)
})

const doors = `[[smtpd.listen]]
address = "127.0.0.1:0"
tls = "off"
auth = "offered"
[[imapd.listen]]
address = "127.0.0.1:0"
tls = "off"
[[pop3d.listen]]
address = "127.0.0.1:0"
tls = "off"
[[sieved.listen]]
address = "127.0.0.1:0"
tls = "off"
`
const residentKiB = (pid: number) =>
  Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1])

/** The worst that each protocol lets somebody leave behind unfinished. */
const unfinished: Readonly<Record<string, string>> = {
  smtpd: `EHLO ${'x'.repeat(2_000)}`,
  imapd: `a LOGIN {4000+}\r\n${'x'.repeat(4_000)} ${'y'.repeat(10_000)}`,
  pop3d: `USER ${'x'.repeat(10_000)}`,
  sieved: `AUTHENTICATE "PLAIN" {4000+}\r\n${'x'.repeat(3_900)}`,
}

for (const daemon of Object.keys(unfinished))
  test(`mail-${daemon}: a connection of a stranger costs at most 64 KiB`, async t => {
    const place = makePlace(doors)
    const program = await Program.start(`mail-${daemon}`, place.config)
    const sockets: Socket[] = []
    try {
      const port = program.ports(daemon)[0] as number
      const greet = async (count: number) => {
        for (let i = 0; i < count; i++) {
          const socket = await open(port)
          const greeted = expect(socket, /\r\n/)
          await greeted
          socket.resume()
          socket.on('error', () => {})
          socket.write(unfinished[daemon] as string)
          sockets.push(socket)
        }
        await delay(500)
      }
      // The first ones pay for what is loaded and compiled once.
      await greet(300)
      const before = residentKiB(program.pid)
      await greet(500)
      const each = (residentKiB(program.pid) - before) / 500
      t.diagnostic(`mail-${daemon}: ${each.toFixed(1)} KiB a connection`)
      assert.ok(each <= 64, `${each.toFixed(1)} KiB a connection`)
    } finally {
      for (const socket of sockets) socket.destroy()
      await program.stop()
      place.remove()
    }
  })

/** Commands that must be answered, however they are meant. */
const costly: readonly (readonly [what: string, line: string])[] = [
  ['a SEARCH in 10,000 parentheses', `SEARCH ${'('.repeat(10_000)}ALL${')'.repeat(10_000)}`],
  ['a SEARCH with 10,000 NOT', `SEARCH ${'NOT '.repeat(10_000)}ALL`],
  ['a SEARCH with 5,000 OR', `SEARCH ${'OR ALL '.repeat(5_000)}ALL`],
  ['a LIST of nothing but wildcards', `LIST "" "${'*%'.repeat(400)}x"`],
  [
    'a set of 10,000 ranges',
    `FETCH ${Array.from({ length: 10_000 }, (_, i) => `${i + 1}:*`).join()} (FLAGS)`,
  ],
  ['a FETCH of 5,000 items', `FETCH 1:* (${'FLAGS '.repeat(5_000).trim()})`],
  [
    '10,000 keywords at once',
    `STORE 1 +FLAGS (${Array.from({ length: 10_000 }, (_, i) => `k${i}`).join(' ')})`,
  ],
  ['a HEADER.FIELDS of 5,000 names', `FETCH 1 (BODY.PEEK[HEADER.FIELDS (${'x '.repeat(5_000).trim()})])`],
  ['a part 1.1.1 and so on, 5,000 deep', `FETCH 1 (BODY.PEEK[${'1.'.repeat(5_000)}1])`],
  ['a SORT by 5,000 criteria', `SORT (${'SUBJECT '.repeat(5_000).trim()}) UTF-8 ALL`],
]

test('costly commands are answered, each within its moment, and the server goes on', async () => {
  const place = makePlace(doors)
  const program = await Program.start('mail-imapd', place.config)
  try {
    const port = program.ports('imapd')[0] as number
    for (const [what, line] of costly) {
      const told = await dialogue(port, [
        'l LOGIN alice wonderland\r\ns APPEND INBOX {5+}\r\nx: y\n\r\nt SELECT INBOX\r\n',
        `c ${line}\r\n`,
        'z NOOP\r\ny LOGOUT\r\n',
      ])
      assert.match(told, /^(?:c (?:OK|NO|BAD)|\* BAD)/m, what)
      assert.match(told, /^z OK/m, what)
    }
  } finally {
    await program.stop()
    assert.doesNotMatch(program.log, /session-failed|RangeError|TypeError/)
    place.remove()
  }
})

test('a thousand recipients are refused beyond the limit, one by one, and the first hundred stand', async () => {
  const place = makePlace(doors)
  const program = await Program.start('mail-smtpd', place.config)
  try {
    const recipients = Array.from({ length: 1_000 }, (_, i) => `RCPT TO:<alice+${i}@ilnmors.internal>\r\n`)
    const told = await dialogue(program.ports('smtpd')[0] as number, [
      'EHLO x\r\nMAIL FROM:<>\r\n',
      ...recipients,
      'QUIT\r\n',
    ])
    assert.ok((told.match(/^250 2\.1\.5/gm) ?? []).length <= 100)
    assert.match(told, /^4\d\d /m)
  } finally {
    await program.stop()
    place.remove()
  }
})
