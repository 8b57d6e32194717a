import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { pop3Service } from '../../lib/command/pop3d.js'
import { endOfTop } from '../../lib/pop3/transaction.js'
import { type Running, startService } from '../support/service.js'
import { play, playFolder, type Stage } from '../support/transcript.js'
import { until } from '../support/world.js'

/** Puts fixtures/pop3/NAME.eml into alice's INBOX, as a delivery does; takes it out again, as rm does. */
function stageOf(running: Running): Stage {
  const inbox = running.maildir('alice')
  let stored = 0
  const files = () =>
    ['new', 'cur'].flatMap(folder => readdirSync(join(inbox, folder)).map(name => join(inbox, folder, name)))
  return {
    port: running.port,
    ca: readFileSync('fixtures/tls/ca.pem', 'utf8'),
    close: running.close,
    actions: {
      store: (name = '') => {
        for (const folder of ['cur', 'new', 'tmp']) mkdirSync(join(inbox, folder), { recursive: true })
        const octets = readFileSync(`fixtures/pop3/${name}.eml`)
        writeFileSync(join(inbox, 'new', `170000000${stored++}.M1P1.${name}`), octets)
      },
      expunge: (name = '') => {
        for (const path of files()) if (path.includes(`.${name}`)) rmSync(path)
      },
    },
    checks: {
      messages: (count = '') => assert.equal(files().length, Number(count)),
    },
  }
}

playFolder('fixtures/pop3', async () => stageOf(await startService(pop3Service)))

const login = 'S: +OK *\nC: USER alice\nS: +OK *\nC: PASS wonderland\nS: +OK *\n'

test('with delete = "trash" a removal is a move to Trash', async t => {
  const running = await startService(pop3Service, { configuration: '[pop3d]\ndelete = "trash"' })
  t.after(running.close)
  const dialogue = `@ store dots\n${login}C: DELE 1\nS: +OK *\nC: QUIT\nS: +OK *\n= messages 0\n`
  await play(dialogue, stageOf(running))
  const trash = join(running.maildir('alice'), '.Trash')
  assert.equal(readdirSync(join(trash, 'new')).length + readdirSync(join(trash, 'cur')).length, 1)
})

test('with delete = "ignore" the client is told so and the message stays', async t => {
  const running = await startService(pop3Service, { configuration: '[pop3d]\ndelete = "ignore"' })
  t.after(running.close)
  const dialogue = `@ store dots\n${login}C: DELE 1\nS: +OK *\nC: QUIT\nS: +OK *\n= messages 1\n`
  await play(dialogue, stageOf(running))
})

test('with lock = true a second session is refused until the first has ended', async t => {
  const running = await startService(pop3Service, { configuration: '[pop3d]\nlock = true' })
  t.after(running.close)
  const again = 'C2: USER alice\nS2: +OK *\nC2: PASS wonderland\n'
  const dialogue = `${login}@ connect 2\nS2: +OK *\n${again}S2: -ERR [IN-USE] *\nC: QUIT\nS: +OK *\n@ eof\n${again}S2: +OK *\n`
  await play(dialogue, stageOf(running))
})

test('with login_delay a second login is refused for a while, and the delay is told', async t => {
  const running = await startService(pop3Service, { configuration: '[pop3d]\nlogin_delay = "1h"' })
  t.after(running.close)
  const again = 'C2: USER alice\nS2: +OK *\nC2: PASS wonderland\nS2: -ERR [LOGIN-DELAY] *\n'
  const dialogue = `${login}C: QUIT\nS: +OK *\n@ connect 2\nS2: +OK *\nC2: CAPA\n...2\nS2: LOGIN-DELAY 3600\n...2\nS2: .\n${again}`
  await play(dialogue, stageOf(running))
})

test('a server that ends lets the answer under way be whole', async t => {
  const running = await startService(pop3Service)
  t.after(running.close)
  const inbox = join(running.maildir('alice'), 'new')
  mkdirSync(inbox, { recursive: true })
  const line = `${'x'.repeat(998)}\n`
  writeFileSync(join(inbox, '1700000000.M1P1.large'), `Subject: large\n\n${line.repeat(20_000)}`)
  const socket = connect(running.port, '127.0.0.1')
  t.after(() => socket.destroy())
  let got = ''
  socket.setEncoding('latin1')
  socket.on('data', (text: string) => {
    got += text
  })
  const ended = new Promise(resolve => socket.once('close', resolve))
  socket.write('USER alice\r\nPASS wonderland\r\nRETR 1\r\n')
  await until(() => got.includes('xxx'))
  socket.pause()
  const stopped = running.daemon.stop(10_000)
  setImmediate(() => socket.resume())
  await Promise.all([stopped, ended])
  assert.ok(got.endsWith(`x\r\n.\r\n-ERR [SYS/TEMP] the server is shutting down\r\n`), got.slice(-200))
  assert.equal(got.match(/x{998}\r\n/g)?.length, 20_000)
})

test('messages of all shapes are taken one after the other, and pipelined, as they are', async t => {
  const running = await startService(pop3Service)
  t.after(running.close)
  const inbox = join(running.maildir('alice'), 'new')
  mkdirSync(inbox, { recursive: true })
  const bodies = [
    'short\n',
    '.\n'.repeat(2_000),
    `${'x'.repeat(70)}\n`.repeat(2_600),
    '\n'.repeat(100_000),
    'stored with CRLF\r\n.\r\n',
    `${'y'.repeat(300_000)}\n`,
    'no end of a line',
    'stray\rCR\r',
  ]
  const texts = bodies.map(body => `Subject: a\n\n${body}`)
  // A name may lie about the sizes.
  for (const [i, text] of texts.entries())
    writeFileSync(join(inbox, `170000000${i}.M1P1.host,S=${text.length},W=${20 * i}`), text, 'latin1')
  const socket = connect(running.port, '127.0.0.1')
  t.after(() => socket.destroy())
  let got = ''
  socket.setEncoding('latin1')
  socket.on('data', (chunk: string) => {
    got += chunk
  })
  socket.write('USER alice\r\nPASS wonderland\r\nNOOP\r\n')
  await until(() => got.endsWith('messages\r\n+OK\r\n'))
  const wire = texts.map(text => {
    const lines = text.replace(/\r?\n/g, '\r\n').replace(/^\./gm, '..')
    return lines.endsWith('\n') ? `${lines}.\r\n` : `${lines}\r\n.\r\n`
  })
  const whole = (text: string) => text.replace(/^\+OK \d+ octets\r\n/, '')
  for (const [i, expected] of wire.entries()) {
    got = ''
    socket.write(`RETR ${i + 1}\r\n`)
    await until(() => got.endsWith('\r\n.\r\n') && whole(got).length >= expected.length)
    assert.ok(whole(got) === expected, `message ${i + 1}`)
  }
  got = ''
  socket.write(`${texts.map((_, i) => `RETR ${i + 1}`).join('\r\n')}\r\nNOOP\r\n`)
  await until(() => got.endsWith('.\r\n+OK\r\n'))
  assert.ok(got.replace(/^\+OK \d+ octets\r\n/gm, '') === `${wire.join('')}+OK\r\n`)
})

test('UIDL gives what dovecot-uidlist records for a message (P), and its own for the others', async t => {
  const running = await startService(pop3Service)
  t.after(running.close)
  const stage = stageOf(running)
  await stage.actions?.['store']?.('dots')
  await stage.actions?.['store']?.('crlf')
  const names = readdirSync(join(running.maildir('alice'), 'new')).sort()
  const list = `3 V1700000000 N8 G0123456789abcdef0123456789abcdef\n5 Pold-server-17 :${names[0]}\n7 :${names[1]}\n`
  writeFileSync(join(running.maildir('alice'), 'dovecot-uidlist'), list)
  await play(`${login}C: UIDL\nS: +OK *\nS: 1 old-server-17\nS: 2 000000076553f100\nS: .\n`, stage)
})

const tops: [string, number, string][] = [
  ['A: b\n\none\ntwo\n', 0, 'A: b\n\n'],
  ['A: b\n\none\ntwo\n', 1, 'A: b\n\none\n'],
  ['A: b\n\none\ntwo', 9, 'A: b\n\none\ntwo'],
  ['A: b\r\n\r\none\r\ntwo', 1, 'A: b\r\n\r\none\r\n'],
  ['\nbody\n', 0, '\n'],
  ['A: b', 3, 'A: b'],
  ['', 3, ''],
]
for (const [message, lines, top] of tops)
  test(`endOfTop() ${JSON.stringify(message)} ${lines}`, () => {
    assert.equal(message.slice(0, endOfTop(Buffer.from(message), lines)), top)
  })

test('APOP where the configuration names it proves the secret over the banner (RFC 1939 §7)', async t => {
  const running = await startService(pop3Service, {
    configuration: '',
    login: 'mechanisms = ["PLAIN", "APOP"]',
  })
  t.after(running.close)
  const socket = connect(running.port, '127.0.0.1')
  const lines = createInterface(socket)[Symbol.asyncIterator]()
  const next = async () => (await lines.next()).value as string
  const banner = /<.*>$/.exec(await next())?.[0] ?? ''
  assert.match(banner, /^<[0-9a-f]+@mail\.ilnmors\.internal>$/)
  const say = (user: string, secret: string) => {
    socket.write(
      `APOP ${user} ${createHash('md5')
        .update(banner + secret)
        .digest('hex')}\r\n`,
    )
    return next()
  }
  assert.match(await say('alice', 'wrong'), /^-ERR \[AUTH\] wrong user or password/)
  assert.match(await say('nobody', 'wonderland'), /^-ERR \[AUTH\] wrong user or password/)
  assert.match(await say('alice', 'wonderland'), /^\+OK 0 messages/)
  socket.destroy()
})

test('APOP is not offered unless the configuration names it', async t => {
  const running = await startService(pop3Service)
  t.after(running.close)
  const digest = '0'.repeat(32)
  await play(`S: +OK mail.ilnmors.internal POP3 ready\nC: APOP alice ${digest}\nS: -ERR APOP is not *\n`, {
    ...stageOf(running),
    close: () => {},
  })
})
