/** What no well-meaning client sends: large literals, endless lines, nothing but mistakes, any octets at all. */
import assert from 'node:assert/strict'
import { connect, type Socket } from 'node:net'
import { test } from 'node:test'
import fc from 'fast-check'
import { until } from '../support/world.js'
import { type ImapStage, imapStage } from './imap-stage.js'

/** A client that sends what it is told and keeps what it hears. */
class Raw {
  readonly socket: Socket
  heard = ''
  closed = false

  constructor(port: number) {
    this.socket = connect({ port, host: '127.0.0.1' })
    this.socket.on('data', chunk => {
      this.heard += chunk.toString('latin1')
    })
    this.socket.on('close', () => {
      this.closed = true
    })
    this.socket.on('error', () => {})
  }

  async hears(text: string): Promise<void> {
    await until(() => this.heard.includes(text) || this.closed)
    assert.ok(this.heard.includes(text), `heard ${JSON.stringify(this.heard.slice(-200))}, not ${text}`)
  }

  async end(): Promise<void> {
    this.socket.end()
    await until(() => this.closed)
  }
}

async function withStage(work: (stage: ImapStage, raw: Raw) => Promise<void>): Promise<void> {
  const stage = await imapStage({ appendLimit: 3_000_000 })
  const raw = new Raw(stage.port)
  try {
    await work(stage, raw)
  } finally {
    raw.socket.destroy()
    await stage.close()
  }
}

test('commands that were sent before the client closed its half are all answered', () =>
  withStage(async (_, raw) => {
    raw.socket.end('a NOOP\r\nb CAPABILITY\r\nc LIST "" *\r\nd NOOP\r\n')
    await until(() => raw.closed)
    for (const answer of ['a OK', 'b OK', 'c BAD', 'd OK']) assert.ok(raw.heard.includes(answer), raw.heard)
  }))

test('before login a literal is refused before the +, or read past, or ends the session', () =>
  withStage(async (_, raw) => {
    raw.socket.write('a LOGIN {5000}\r\n')
    await raw.hears('a NO [LIMIT]')
    raw.socket.write(`b LOGIN {5000+}\r\n${'x'.repeat(5000)} y\r\nc NOOP\r\n`)
    await raw.hears('b NO [LIMIT]')
    await raw.hears('c OK')
    raw.socket.write('d LOGIN {4000+}\r\n')
    raw.socket.write(`${'x'.repeat(4000)} {4000+}\r\n${'y'.repeat(4000)}\r\ne NOOP\r\n`)
    await raw.hears('d NO [LIMIT]')
    await raw.hears('e OK')
    raw.socket.write('f LOGIN {100000000+}\r\n')
    await raw.hears('* BYE [TOOBIG]')
    await until(() => raw.closed)
  }))

test('a literal whose size is no number that can be', () =>
  withStage(async (_, raw) => {
    raw.socket.write(`a LOGIN {${'9'.repeat(40)}}\r\nb NOOP\r\n`)
    await raw.hears('a NO [LIMIT]')
    await raw.hears('b OK')
    raw.socket.write(`c LOGIN {${'9'.repeat(40)}+}\r\n`)
    await raw.hears('* BYE [TOOBIG]')
  }))

test('a line of a megabyte is answered BAD, and the next command is found', () =>
  withStage(async (_, raw) => {
    raw.socket.write(`a LOGIN ${'x'.repeat(1_000_000)}\r\nb NOOP\r\n`)
    await raw.hears('* BAD')
    await raw.hears('b OK')
  }))

test('who makes nothing but mistakes is told goodbye', () =>
  withStage(async (_, raw) => {
    raw.socket.write('GET / HTTP/1.1\r\n'.repeat(25))
    await raw.hears('* BYE')
    await until(() => raw.closed)
    assert.equal(raw.heard.split('GET BAD').length - 1, 20)
  }))

test('a message over the limit is refused before it is sent, or read past', () =>
  withStage(async (_, raw) => {
    raw.socket.write('a LOGIN alice wonderland\r\nb APPEND Sent {3000001}\r\n')
    await raw.hears('b NO [TOOBIG]')
    raw.socket.write(`c APPEND Sent {3000001+}\r\n${'x'.repeat(3_000_001)}\r\nd NOOP\r\n`)
    await raw.hears('c NO [TOOBIG]')
    await raw.hears('d OK')
  }))

test('a large message comes back as it was sent, whole and in pieces', () =>
  withStage(async (_, raw) => {
    const text =
      `Subject: large\r\n\r\n${'0123456789abcdef'.repeat(60)}\r\n`.padEnd(1_000) + '\r\nline'.repeat(400_000)
    raw.socket.write(
      `a LOGIN alice wonderland\r\nb APPEND Sent {${text.length}+}\r\n${text}\r\nc SELECT Sent\r\n`,
    )
    await raw.hears('c OK')
    raw.heard = ''
    raw.socket.write('d FETCH 1 (BODY.PEEK[] FLAGS)\r\n')
    await raw.hears('d OK')
    assert.ok(raw.heard.startsWith(`* 1 FETCH (BODY[] {${text.length}}\r\n${text} FLAGS (`))
    let pieces = ''
    const size = 700_000
    for (let at = 0; at < text.length; at += size) {
      raw.heard = ''
      raw.socket.write(`e FETCH 1 BODY.PEEK[]<${at}.${size}>\r\n`)
      await raw.hears('e OK')
      const [head = ''] = /^\* 1 FETCH \(BODY\[\]<\d+> \{\d+\}\r\n/.exec(raw.heard) ?? []
      pieces += raw.heard.slice(head.length, head.length + Math.min(size, text.length - at))
    }
    assert.ok(pieces === text)
  }))

test('a client that does not read is waited for', () =>
  withStage(async (_, raw) => {
    const text = `Subject: large\r\n\r\n${'x'.repeat(76)}\r\n`.repeat(20_000)
    raw.socket.write(
      `a LOGIN alice wonderland\r\nb APPEND Sent {${text.length}+}\r\n${text}\r\nc SELECT Sent\r\n`,
    )
    await raw.hears('c OK')
    raw.socket.pause()
    const before = process.memoryUsage().rss
    raw.socket.write('d FETCH 1 BODY.PEEK[]\r\n'.repeat(100))
    await new Promise(resolve => setTimeout(resolve, 300))
    // 100 answers of 2 MB would be 200 MB.
    assert.ok(process.memoryUsage().rss - before < 100_000_000)
    raw.heard = ''
    raw.socket.destroy()
  }))

test('silence is ended by the server (autologout)', async () => {
  const stage = await imapStage({ loginTimeout: 50 })
  const raw = new Raw(stage.port)
  try {
    await raw.hears('* BYE Autologout')
    await until(() => raw.closed)
  } finally {
    await stage.close()
  }
})

const word = fc.constantFrom(
  ...[
    'SELECT',
    'FETCH',
    'UID',
    'STORE',
    'SEARCH',
    'APPEND',
    'LIST',
    'COPY',
    'STATUS',
    'INBOX',
    'Sent',
    '1:*',
    '*',
  ],
  ...[
    'BODY[]',
    'BODY[1.2.HEADER.FIELDS',
    'FLAGS',
    '(',
    ')',
    '"',
    '\\',
    '{3}',
    '{3+}',
    '{0+}',
    '~{2+}',
    '""',
    'NIL',
  ],
  ...[
    'RETURN',
    'CHARSET',
    'UTF-8',
    'OR',
    'NOT',
    '<0.5>',
    '[',
    ']',
    '%',
    'DONE',
    'IDLE',
    '+FLAGS',
    '\\Seen',
    'ID',
  ],
  ...[
    'ENABLE',
    'CREATE',
    'a.b',
    'RENAME',
    'DELETE',
    'EXAMINE',
    'EXPUNGE',
    'NOOP',
    'MOVE',
    'Archive',
    'ENVELOPE',
  ],
)
const sentence = fc
  .array(fc.oneof({ weight: 8, arbitrary: word }, fc.string({ unit: 'binary', maxLength: 4 })), {
    maxLength: 8,
  })
  .map(words => Buffer.from(words.join(' '), 'utf8'))
const octets = fc.oneof(
  sentence,
  fc.uint8Array({ maxLength: 60 }).map(array => Buffer.from(array)),
)

const broken = /session-failed|SERVERBUG|command-failed/

test('any octets are answered, or waited for, or end the session: nothing breaks', () =>
  withStage(async (stage, watcher) => {
    await watcher.hears('* OK')
    await fc.assert(
      fc.asyncProperty(fc.array(octets, { minLength: 1, maxLength: 12 }), async lines => {
        const raw = new Raw(stage.port)
        raw.socket.write('a LOGIN alice wonderland\r\nb SELECT INBOX\r\n')
        for (const line of lines)
          raw.socket.write(Buffer.concat([Buffer.from('c '), line, Buffer.from('\r\n')]))
        await raw.end()
      }),
      { numRuns: 150 },
    )
    assert.ok(
      !stage.lines.some(line => broken.test(line)),
      stage.lines.filter(line => broken.test(line)).join(''),
    )
    watcher.socket.write('z NOOP\r\n')
    await watcher.hears('z OK')
  }))
