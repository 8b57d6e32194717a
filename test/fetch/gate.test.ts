import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { Gate, GateError } from '../../lib/fetch/gate.js'

const pass = (gate: Gate, text: string) => gate.push(Buffer.from(text, 'latin1')).toString('latin1')

const passing = [
  'a CAPABILITY',
  'A1 login user "pass word"',
  'a ID NIL',
  'a LIST "" "*" RETURN (SPECIAL-USE STATUS (MESSAGES))',
  'a EXAMINE "[Gmail]/All Mail" (CONDSTORE)',
  'a EXAMINE INBOX (QRESYNC (1 2 3))',
  'a UID SEARCH SINCE 1-Jan-2024 NOT DELETED',
  'a UID FETCH 1:* (UID FLAGS MODSEQ) (CHANGEDSINCE 12345)',
  'a UID FETCH 1:* (FLAGS) (CHANGEDSINCE 12345 VANISHED)',
  'a uid fetch 1,5:9 (UID INTERNALDATE RFC822.SIZE BODY.PEEK[])',
  'a FETCH 1:* (BODY.PEEK[HEADER.FIELDS (MESSAGE-ID DATE)] X-GM-MSGID)',
  'a FETCH 1 BODY.PEEK[1.2.MIME]<0.100>',
  'a FETCH 1 BODYSTRUCTURE',
  'a FETCH 1 BODY',
  'a STATUS "x" (UIDNEXT)',
  'a UNSELECT',
  'a LOGOUT',
]
for (const line of passing)
  test(`passes: ${line}`, () => assert.equal(pass(new Gate(), `${line}\r\n`), `${line}\r\n`))

const refused = [
  'a SELECT INBOX',
  'a STORE 1 +FLAGS (\\Deleted)',
  'a UID STORE 1 FLAGS ()',
  'a EXPUNGE',
  'a UID EXPUNGE 1:*',
  'a CLOSE',
  'a CHECK',
  'a COPY 1 Trash',
  'a UID MOVE 1 Trash',
  'a APPEND INBOX {3+}',
  'a CREATE x',
  'a DELETE x',
  'a RENAME x y',
  'a SUBSCRIBE x',
  'a SETMETADATA "" (/private/x NIL)',
  'a SETACL x y lr',
  'a COMPRESS DEFLATE',
  'a SEARCH ALL',
  'a FETCH 1 BODY[]',
  'a UID FETCH 1 (UID BODY[TEXT])',
  'a UID FETCH 1 (UID BODY.PEEK[] BODY[])',
  'a FETCH 1 RFC822',
  'a FETCH 1 RFC822.TEXT',
  'a FETCH 1 BINARY[1]',
  'a FETCH 1 (FLAGS) (CHANGEDSINCE 1) x',
  'a FETCH 1 (BODY.PEEK[HEADER.FIELDS ({4}',
  'a  NOOP',
  'NOOP',
  'DONE',
  '',
  'a NOOPSTORE',
  'a LOGIN-STORE x',
  'a NOOP\0STORE',
  '* STORE 1 FLAGS ()',
]
for (const line of refused)
  test(`refuses: ${JSON.stringify(line)}`, () => {
    const gate = new Gate()
    assert.throws(() => pass(gate, `${line}\r\n`), GateError)
    assert.throws(() => pass(gate, 'a NOOP\r\n'), GateError, 'a gate that was tried stays shut')
  })

test('nothing of a chunk goes out when one command in it is refused', () => {
  assert.throws(() => pass(new Gate(), 'a NOOP\r\nb EXPUNGE\r\n'), GateError)
})

test('a command is kept back until its line is whole', () => {
  const gate = new Gate()
  assert.equal(pass(gate, 'a NO'), '')
  assert.equal(pass(gate, 'OP'), '')
  assert.equal(pass(gate, '\r\nb '), 'a NOOP\r\n')
})

test('a literal waits for the server to ask, is counted, and the command goes on after it', () => {
  const gate = new Gate()
  assert.equal(pass(gate, 'a LOGIN {5}\r\nx EXP {2}\r\nAB'), 'a LOGIN {5}\r\n')
  assert.equal(gate.answered('* OK still here').toString(), '')
  assert.equal(gate.answered('+ go').toString(), 'x EXP {2}\r\n')
  assert.equal(gate.answered('+ go').toString(), 'AB')
  assert.equal(pass(gate, '\r\nb NOOP\r\n'), '\r\nb NOOP\r\n')
  assert.throws(() => pass(gate, 'c EXPUNGE\r\n'), GateError)
})

test('what a server that wants no literal would read as a command is judged as one', () => {
  const gate = new Gate()
  assert.equal(pass(gate, 'a LOGIN "x {11}\r\n'), 'a LOGIN "x {11}\r\n')
  assert.equal(pass(gate, 'b EXPUNGE\r\n'), '')
  assert.throws(() => gate.answered('a BAD no such literal'), GateError)
})

test('a literal that nobody asked for is refused', () => {
  assert.throws(() => pass(new Gate(), 'a LOGIN {5+}\r\n'), GateError)
})

test('a SASL exchange takes base64 and the asterisk, until the server answered', () => {
  const gate = new Gate()
  pass(gate, 'a1 AUTHENTICATE PLAIN\r\n')
  assert.equal(pass(gate, 'AGFsaWNlAHB3\r\n'), 'AGFsaWNlAHB3\r\n')
  gate.answered('* OK still here')
  assert.throws(() => pass(gate, 'a2 NOOP\r\n'), GateError)
  const other = new Gate()
  pass(other, 'a1 AUTHENTICATE PLAIN\r\n*\r\n')
  other.answered('a1 BAD cancelled')
  assert.equal(pass(other, 'a2 NOOP\r\n'), 'a2 NOOP\r\n')
})

test('in IDLE there is only DONE', () => {
  const gate = new Gate()
  assert.equal(pass(gate, 'a IDLE\r\nDONE\r\nb NOOP\r\n'), 'a IDLE\r\nDONE\r\nb NOOP\r\n')
  pass(gate, 'c IDLE\r\n')
  assert.throws(() => pass(gate, 'd NOOP\r\n'), GateError)
})

/** What a server does with lines: the first word is the tag, the second the verb. */
const verbs =
  'STORE EXPUNGE APPEND COPY MOVE CREATE DELETE RENAME SELECT CLOSE SUBSCRIBE SETMETADATA REPLACE'.split(' ')

test('whatever is pushed, in whatever pieces, and whatever is answered, no line that comes out is a command that writes', () => {
  const words = fc.constantFrom(
    'a',
    'UID',
    'FETCH',
    '1:*',
    'BODY[]',
    '(FLAGS)',
    'NOOP',
    'LOGIN',
    '{3}',
    '{5+}',
    ...verbs,
  )
  const line = fc.oneof(
    fc.array(words, { minLength: 1, maxLength: 5 }).map(list => `${list.join(' ')}\r\n`),
    fc.string({ maxLength: 30 }),
    fc.constantFrom(
      'a NOOP\r\n',
      'a UID FETCH 1 (UID BODY.PEEK[])\r\n',
      'a LIST "" {3}\r\nabc\r\n',
      '\r\n',
      '\n',
      '\r',
    ),
  )
  const answer = fc.constantFrom('+ go', 'a OK', 'a BAD', '* OK', '')
  const step = fc.record({ cut: fc.nat(40), answer })
  fc.assert(
    fc.property(fc.array(line, { maxLength: 8 }), fc.array(step, { maxLength: 12 }), (lines, steps) => {
      const gate = new Gate()
      const server = new StrictServer()
      let octets = Buffer.from(lines.join(''), 'latin1')
      try {
        for (const { cut, answer } of steps) {
          server.receive(gate.push(octets.subarray(0, cut)))
          octets = octets.subarray(cut)
          if (answer.startsWith('+') && server.asking) server.asking = false
          else if (answer.startsWith('+')) continue
          if (answer.startsWith('a ')) server.refuseLiteral()
          server.receive(gate.answered(answer))
        }
      } catch (error) {
        assert.ok(error instanceof GateError)
      }
      for (const command of server.commands)
        for (const verb of verbs) assert.doesNotMatch(command, new RegExp(`^\\S+ (UID )?${verb}\\b`, 'i'))
    }),
    { numRuns: 5_000 },
  )
})

/** Reads a client's octets as a server does: lines, and literals where it has asked for them. */
class StrictServer {
  readonly commands: string[] = []
  asking = false
  #begun = ''
  #literal = 0
  #pending = ''

  /** The server said BAD where a literal was offered: what comes is a command. */
  refuseLiteral(): void {
    if (!this.asking) return
    this.asking = false
    this.#literal = 0
    this.#begun = ''
  }

  receive(octets: Buffer): void {
    this.#pending += octets.toString('latin1')
    while (this.#pending !== '') {
      const taken = Math.min(this.#literal, this.#pending.length)
      this.#literal -= taken
      this.#pending = this.#pending.slice(taken)
      const end = this.#pending.indexOf('\r\n')
      if (end < 0 || this.#literal > 0) return
      const text = this.#pending.slice(0, end)
      this.#pending = this.#pending.slice(end + 2)
      const literal = /\{(\d+)\}$/.exec(text)
      if (literal) {
        this.#begun += text
        this.#literal = Number(literal[1])
        this.asking = true
      } else {
        this.commands.push(this.#begun + text)
        this.#begun = ''
      }
    }
  }
}
