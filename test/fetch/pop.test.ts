/** POP3 accounts: what goes out, what comes in, which message is which. */
import assert from 'node:assert/strict'
import { readFileSync, rmSync } from 'node:fs'
import { createServer, type Socket } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import fc from 'fast-check'
import { withAccount } from '../../lib/fetch/fetch.js'
import { GateError } from '../../lib/fetch/gate.js'
import { judgePop, PopGate, PopLines } from '../../lib/fetch/pop-gate.js'
import { numberMessages } from '../../lib/fetch/pop-numbers.js'
import { PopText } from '../../lib/fetch/pop-text.js'
import { audit, Proof } from '../../lib/fetch/proof.js'
import { LoginRefused } from '../../lib/fetch/trouble.js'
import { watchAccount } from '../../lib/fetch/watch.js'
import { TemporaryError } from '../../lib/sys/error.js'
import { Log } from '../../lib/sys/log.js'
import { temporaryDirectory, until } from '../support/world.js'
import { messageOctets } from './fake.js'
import { accountAt, fetched, fetchOnce, numbers } from './world.js'

const reading = [
  'CAPA',
  'STLS',
  'USER a b',
  'PASS x  y',
  'AUTH PLAIN',
  'STAT',
  'LIST',
  'LIST 1',
  'UIDL',
  'RETR 1',
  'TOP 1 0',
  'NOOP',
  'QUIT',
  'quit',
]

test('the gate lets only out what reads', () => {
  for (const line of reading) assert.equal(judgePop(line), line.split(' ')[0]?.toUpperCase())
  for (const line of [
    'DELE 1',
    'dele 1',
    'RSET',
    'XDEL 1',
    'APOP a b',
    '',
    ' DELE 1',
    'RETR\tDELE',
    'LANG *',
    'UTF8',
    'DELE',
  ])
    assert.throws(() => judgePop(line), GateError, line)
})

test('the gate: whatever is sent, in whatever pieces, no line of it that comes out changes anything', () => {
  const line = fc.oneof(
    fc.constantFrom(...reading, 'DELE 1', 'AUTH PLAIN', '*', 'AGFsaWNlAHB3', 'RSET', '+OK'),
    fc.string({ maxLength: 30 }),
  )
  const end = fc.constantFrom('\r\n', '\r\n', '\r\n', '\n', '\r', '')
  fc.assert(
    fc.property(
      fc.array(fc.tuple(line, end)),
      fc.array(fc.nat(40)),
      fc.array(fc.nat(30)),
      (lines, cuts, answers) => {
        const gate = new PopGate()
        const octets = Buffer.from(lines.flat().join(''), 'latin1')
        let out = ''
        try {
          for (let at = 0, i = 0; at < octets.length; i++) {
            const size = (cuts[i % Math.max(1, cuts.length)] ?? 7) + 1
            out += gate.push(octets.subarray(at, at + size)).toString('latin1')
            at += size
            if ((answers[i] ?? 9) < 5)
              gate.answered(['+OK', '-ERR no', '+ '][(answers[i] as number) % 3] as string)
          }
        } catch (error) {
          assert.ok(error instanceof GateError)
          assert.throws(() => gate.push(Buffer.from('NOOP\r\n')), GateError)
        }
        assert.ok(out === '' || out.endsWith('\r\n'))
        // As an answer in a login, RSET is four letters of base64.
        for (const sent of out.split('\r\n').slice(0, -1))
          assert.doesNotMatch(sent, /^\s*(?:DELE\s|XDEL|APOP\s)/i)
      },
    ),
  )
})

test('a text comes out as it was, in whatever pieces; what is behind it stays', () => {
  const text = fc
    .array(fc.constantFrom('\r\n', '.', '..', 'a', 'b.\r\n', '\n', '\r', '\r\n.'))
    .map(parts => parts.join(''))
  fc.assert(
    fc.property(text, fc.integer({ min: 1, max: 9 }), (text, size) => {
      const whole = text === '' || text.endsWith('\r\n') ? text : `${text}\r\n`
      const wire = `${`\r\n${whole}`.replaceAll('\r\n.', '\r\n..').slice(2)}.\r\n+OK next`
      const reader = new PopText()
      let out = ''
      let at = 0
      for (; !reader.ended && at < wire.length; at += size)
        out += reader.push(Buffer.from(wire.slice(at, at + size), 'latin1')).toString('latin1')
      assert.ok(reader.ended)
      assert.equal(out, whole)
      assert.equal(reader.rest.toString() + wire.slice(at), '+OK next')
    }),
  )
})

test('answers are found between texts, in whatever pieces', () => {
  const wire =
    '+OK hello\r\n+OK\r\nUIDL\r\nUSER\r\n.\r\n-ERR no\r\n+OK\r\n+OK fake\r\n..\r\n.\r\n+OK 1 2\r\n+OK\r\n.\r\n+OK bye\r\n'
  for (let size = 1; size <= wire.length; size++) {
    const gate = new PopGate()
    gate.push(Buffer.from('CAPA\r\nRETR 9\r\nRETR 1\r\nLIST 1\r\nUIDL\r\nQUIT\r\n'))
    const heard: string[] = []
    const lines = new PopLines(gate, line => {
      heard.push(line)
      gate.answered(line)
    })
    for (let at = 0; at < wire.length; at += size) lines.push(Buffer.from(wire.slice(at, at + size)))
    assert.deepEqual(heard, ['+OK hello', '+OK', '-ERR no', '+OK', '+OK 1 2', '+OK', '+OK bye'], `by ${size}`)
  }
})

test('unique ids get numbers, keep them, and begin a new life when all are others', () => {
  const listed = (...ids: string[]) => ids.map((id, i) => ({ place: i + 1, id, size: 9 }))
  const memory = (known: Record<string, number>, floor: number) => ({
    validity: '1',
    floor,
    highest: Math.max(0, ...Object.values(known)),
    has: (uid: number) => Object.values(known).includes(uid),
    numberOf: (id: string) => known[id] ?? ({ back: 2, pending: 8 } as Record<string, number>)[id],
  })
  const numbered = (...args: Parameters<typeof numberMessages>) => {
    const { validity, messages } = numberMessages(...args)
    return [validity, messages.map(({ id, uid }) => `${id}=${uid}`).join(' ')]
  }
  assert.deepEqual(numbered(listed('a', 'b', 'b'), undefined), ['1', 'a=1 b=2'])
  assert.deepEqual(numbered(listed('b', 'new', 'a'), memory({ a: 1, b: 2 }, 2)), ['1', 'a=1 b=2 new=3'])
  assert.deepEqual(numbered(listed('back', 'a'), memory({ a: 1 }, 5)), ['1', 'a=1 back=6'])
  assert.deepEqual(numbered(listed('a', 'pending'), memory({ a: 1 }, 5)), ['1', 'a=1 pending=8'])
  assert.deepEqual(numbered(listed('x', 'y'), memory({ a: 1, b: 2 }, 2)), ['2', 'x=3 y=4'])
  assert.deepEqual(numbered([], memory({ a: 1 }, 1)), ['1', ''])
})

/** A POP3 server with messages that can be changed between sessions. */
async function popServer(
  t: { after(work: () => void): void },
  options: { wrong?: string; noTop?: boolean } = {},
) {
  const mailbox: { id: string; number: number }[] = []
  const heard: string[] = []
  const sockets = new Set<Socket>()
  const server = createServer(socket => {
    sockets.add(socket)
    socket.on('error', () => {})
    let pending = ''
    const say = (text: string) => void socket.write(text)
    const text = (octets: string) => say(`+OK\r\n${octets.replace(/^\./gm, '..')}.\r\n`)
    say('+OK ready \r\n')
    socket.on('data', chunk => {
      pending += chunk.toString('latin1')
      for (let end = pending.indexOf('\r\n'); end >= 0; end = pending.indexOf('\r\n')) {
        const line = pending.slice(0, end)
        pending = pending.slice(end + 2)
        heard.push(line)
        const [verb = '', n] = line.split(' ')
        const message = mailbox[Number(n) - 1]
        if (verb === 'CAPA') text('USER\r\nPIPELINING\r\nUIDL\r\n')
        else if (verb === 'PASS' && options.wrong) say(`-ERR ${options.wrong}\r\n`)
        else if (verb === 'UIDL') text(mailbox.map(({ id }, i) => `${i + 1}  ${id} \r\n`).join(''))
        else if (verb === 'LIST')
          text(mailbox.map(({ number }, i) => `${i + 1} ${messageOctets(number).length} octets\r\n`).join(''))
        else if (verb === 'TOP' && options.noTop) say('-ERR unknown\r\n')
        else if (verb === 'TOP' && message)
          text(messageOctets(message.number).replace(/\r\n\r\n.*/s, '\r\n\r\n'))
        else if (verb === 'RETR') message ? text(messageOctets(message.number)) : say('-ERR no such\r\n')
        else say('+OK\r\n')
        if (verb === 'QUIT') socket.end()
      }
    })
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  const { port } = server.address() as { port: number }
  const put = (...numbers: number[]) => void mailbox.push(...numbers.map(n => ({ id: `id-${n}`, number: n })))
  return { port, mailbox, heard, put }
}

test('what is new is fetched, whatever the numbers of a session; nothing is ever marked', async t => {
  const { port, mailbox, heard, put } = await popServer(t)
  const home = temporaryDirectory(t)
  const account = accountAt(port, home, { protocol: 'pop3' })
  put(1, 2, 3)
  assert.equal(fetched(await fetchOnce(account)), 3)
  mailbox.shift()
  put(4)
  assert.equal(fetched(await fetchOnce(account)), 1)
  assert.equal(fetched(await fetchOnce(account)), 0)
  assert.deepEqual(await numbers(home), [1, 2, 3, 4])
  assert.deepEqual(
    heard.filter(line => /^(?:DELE|RSET)/.test(line)),
    [],
  )
})

for (const noTop of [false, true])
  test(`other unique ids, or a lost memory: nothing comes twice${noTop ? ', without TOP' : ''}`, async t => {
    const { port, mailbox, put } = await popServer(t, { noTop })
    const home = temporaryDirectory(t)
    const account = accountAt(port, home, { protocol: 'pop3' })
    put(1, 2, 3)
    await fetchOnce(account)
    for (const each of mailbox) Object.assign(each, { id: `other-${each.number}` })
    put(4)
    const { folders } = await fetchOnce(account)
    assert.deepEqual([folders[0]?.healed, folders[0]?.fetched], [3, 1])
    assert.equal(fetched(await fetchOnce(account)), 0)
    rmSync(account.state)
    assert.equal(fetched(await fetchOnce(account)), 0)
    put(5)
    assert.equal(fetched(await fetchOnce(account)), 1)
    assert.deepEqual(await numbers(home), [1, 2, 3, 4, 5])
  })

test('a refused password is 77, a mailbox in use is 75', async t => {
  const wrong = await popServer(t, { wrong: '[AUTH] Invalid login' })
  const account = accountAt(wrong.port, temporaryDirectory(t), { protocol: 'pop3' })
  await assert.rejects(fetchOnce(account), LoginRefused)
  const before = wrong.heard.length
  await assert.rejects(fetchOnce(account), /not asked again until/)
  assert.equal(wrong.heard.length, before)
  const busy = await popServer(t, { wrong: '[IN-USE] Do you have another POP session running?' })
  await assert.rejects(
    fetchOnce(accountAt(busy.port, temporaryDirectory(t), { protocol: 'pop3' })),
    TemporaryError,
  )
})

test('a proof of a POP3 account is read by audit, and tells a DELE', async t => {
  const { port, put } = await popServer(t)
  const directory = temporaryDirectory(t)
  put(1, 2)
  const path = join(directory, 'proof')
  const proof = new Proof(path)
  const options = { log: new Log({ write: () => {} }), signal: new AbortController().signal, proof }
  await withAccount(accountAt(port, directory, { protocol: 'pop3' }), options, session => session.once())
  proof.end()
  const text = readFileSync(path, 'utf8')
  assert.doesNotMatch(text, /PASS pw/)
  const found = audit(text)
  assert.deepEqual([found.wrong, found.changed, found.complete], [[], [], true])
  assert.deepEqual(
    found.same.map(({ folder, messages }) => [folder, messages]),
    [['INBOX', 2]],
  )
  assert.deepEqual([found.commands.get('RETR'), found.commands.get('UIDL')], [2, 2])
  assert.deepEqual(audit(text.replace('> RETR 1', '> DELE 1')).wrong, ['DELE 1'])
})

test('an account that is watched is asked every so often, and left in between', async t => {
  const { port, heard, put } = await popServer(t)
  const home = temporaryDirectory(t)
  put(1)
  const stop = new AbortController()
  const log = new Log({ write: () => {} })
  const ended = withAccount(
    accountAt(port, home, { protocol: 'pop3' }),
    { log, signal: stop.signal },
    session =>
      watchAccount(session, {
        watch: ['INBOX'],
        every: 100,
        maxConnections: 3,
        signal: stop.signal,
        log,
        passed: () => {},
      }),
  )
  const count = (verb: string) => heard.filter(line => line === verb).length
  await until(() => count('QUIT') >= 2, 20_000)
  put(2)
  await until(async () => (await numbers(home)).length === 2, 20_000)
  stop.abort()
  await ended
  assert.ok(count('USER alice') - count('QUIT') <= 1, 'each session ends before the next begins')
  assert.equal(heard.filter(line => line.startsWith('RETR')).length, 2)
})
