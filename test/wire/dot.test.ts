/** Dot-stuffing both ways: what ends a message, what does not, and that chunk borders change nothing. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { DotDecoder, DotEncoder, encodeInPlace } from '../../lib/wire/dot.js'

/** Feeds a decoder octets cut at `cuts`; undefined as text where the end never came. */
function decode(wire: string, cuts: readonly number[] = []): { text: string; rest: string; ended: boolean } {
  const decoder = new DotDecoder()
  const octets = Buffer.from(wire, 'latin1')
  const borders = [0, ...cuts, octets.length]
  let text = ''
  let rest = ''
  for (let i = 1; i < borders.length; i++) {
    const chunk = octets.subarray(borders[i - 1], borders[i])
    if (decoder.ended) rest += chunk.toString('latin1')
    else {
      text += decoder.push(chunk).toString('latin1')
      if (decoder.ended) rest += decoder.rest.toString('latin1')
    }
  }
  return { text, rest, ended: decoder.ended }
}

function encode(text: string, cuts: readonly number[] = [], strayCr?: 'keep'): string {
  const encoder = new DotEncoder(strayCr ? { strayCr } : {})
  const octets = Buffer.from(text, 'latin1')
  const borders = [0, ...cuts, octets.length]
  let wire = ''
  for (let i = 1; i < borders.length; i++)
    wire += encoder.push(octets.subarray(borders[i - 1], borders[i])).toString('latin1')
  return wire + encoder.end().toString('latin1')
}

const decoded = [
  // on the wire                              stored            what follows    why
  ['a\r\n.\r\n', 'a\n', '', 'one line'],
  ['.\r\n', '', '', 'no line at all'],
  ['.\r\nQUIT\r\n', '', 'QUIT\r\n', 'no line at all, and a command'],
  ['\r\n.\r\n', '\n', '', 'one empty line'],
  ['a\r\n\r\nb\r\n.\r\nMAIL', 'a\n\nb\n', 'MAIL', 'what follows is a command'],
  ['..\r\n.\r\n', '.\n', '', 'a stuffed dot first of all'],
  ['a\r\n..\r\n...b\r\n.\r\n', 'a\n.\n..b\n', '', 'stuffed dots'],
  ['a\r\n.b\r\n.\r\n', 'a\nb\n', '', 'a dot that a sender forgot to stuff is taken away (RFC 5321 §4.5.2)'],
  ['a.\r\n.b.\r\n.\r\n', 'a.\nb.\n', '', 'dots elsewhere stay'],
  ['a\r\nb\r\n.\r\n.\r\n', 'a\nb\n', '.\r\n', 'the first end is the end'],
  ['\0a\r\n\0.\r\n.\0\r\n.\r\n', '\0a\n\0.\n\0\n', '', 'NUL neither hides nor makes an end'],
] as const

for (const [wire, text, rest, why] of decoded)
  test(`DotDecoder ${JSON.stringify(wire)} - ${why}`, () => {
    assert.deepEqual(decode(wire), { text, rest, ended: true })
    for (let at = 1; at < wire.length; at++)
      assert.deepEqual(decode(wire, [at]), { text, rest, ended: true }, `cut at ${at}`)
    const everywhere = [...wire].map((_, index) => index).slice(1)
    assert.deepEqual(decode(wire, everywhere), { text, rest, ended: true }, 'octet by octet')
  })

/** Every published way of faking an end, and the others that two kinds of line end and an octet more can make. */
const fakes = [
  ['\n.\n', '\n\n'],
  ['\n.\r\n', '\n\n'],
  ['\r\n.\n', '\n\n'],
  ['\r.\r', ' . '],
  ['\r.\r\n', ' .\n'],
  ['\r.\n', ' .\n'],
  ['\n.\r', '\n '],
  ['\r\n.\r', '\n '],
  ['\r\r.\r\r', '  .  '],
  ['\r\n.\r\r\n', '\n \n'],
  ['\r\n\0.\r\n', '\n\0.\n'],
  ['\r\n.\0\r\n', '\n\0\n'],
  ['\r\n .\r\n', '\n .\n'],
  ['\r\n. \r\n', '\n \n'],
  ['\x85.\x85', '\x85.\x85'],
] as const

for (const [fake, stored] of fakes)
  test(`DotDecoder: ${JSON.stringify(fake)} does not end a message`, () => {
    const wire = `one${fake}MAIL FROM:<x>\r\n.\r\n`
    const whole = { text: `one${stored}MAIL FROM:<x>\n`, rest: '', ended: true }
    assert.deepEqual(decode(wire), whole)
    for (let at = 1; at < wire.length; at++) assert.deepEqual(decode(wire, [at]), whole, `cut at ${at}`)
    for (let at = 2; at < wire.length; at++)
      assert.deepEqual(decode(wire, [at - 1, at]), whole, `octet ${at}`)
  })

/** The same rules, an octet at a time and with nothing clever about it. */
function plainly(wire: string): { text: string; rest: string; ended: boolean } {
  let text = ''
  let line = ''
  let after: 'LF' | 'CR LF' = 'CR LF'
  for (let i = 0; i < wire.length; i++) {
    const crlf = wire.startsWith('\r\n', i)
    if (!crlf && wire[i] !== '\n') {
      line += wire[i] === '\r' ? ' ' : wire[i]
      continue
    }
    const raw = wire.slice(i - line.length, i)
    if (raw === '.' && after === 'CR LF' && crlf) return { text, rest: wire.slice(i + 2), ended: true }
    text += `${line.startsWith('.') ? line.slice(1) : line}\n`
    line = ''
    after = crlf ? 'CR LF' : 'LF'
    if (crlf) i++
  }
  return { text, rest: '', ended: false }
}

const octet = fc.constantFrom('\r', '\n', '.', '\r\n', '\r\n.\r\n', '\n.', 'a', '\0', '\xff')
const noise = fc.array(octet, { maxLength: 30 }).map(pieces => pieces.join(''))

test('DotDecoder agrees with the plain reading of its rules, wherever the chunks end', () => {
  fc.assert(
    fc.property(noise, fc.array(fc.nat(40), { maxLength: 5 }), (text, cuts) => {
      const wire = `${text}\r\n.\r\n`
      const at = cuts.filter(cut => cut < wire.length).sort((a, b) => a - b)
      assert.deepEqual(decode(wire, at), plainly(wire))
    }),
    { numRuns: 3_000 },
  )
})

const encoded = [
  // stored              on the wire                why
  ['a\n', 'a\r\n.\r\n', 'one line'],
  ['', '.\r\n', 'nothing'],
  ['a', 'a\r\n.\r\n', 'a last line without an end gets one'],
  ['.\n..\na.\n', '..\r\n...\r\na.\r\n.\r\n', 'dots at the start of a line are doubled'],
  ['a\r\n.b\r\n', 'a\r\n..b\r\n.\r\n', 'text that is stored with CR LF'],
  ['a\rb\r\r\n', 'a b \r\n.\r\n', 'a bare CR becomes a space'],
  ['a\r', 'a \r\n.\r\n', 'a bare CR last of all'],
  ['a\r\n.\rb', 'a\r\n.. b\r\n.\r\n', 'no end inside the text'],
] as const

for (const [text, wire, why] of encoded)
  test(`DotEncoder ${JSON.stringify(text)} - ${why}`, () => {
    assert.equal(encode(text), wire)
    for (let at = 1; at < text.length; at++) assert.equal(encode(text, [at]), wire, `cut at ${at}`)
  })

test('DotEncoder keeps a bare CR where it is asked to', () => {
  for (const cut of [[], [1], [2], [3]])
    assert.equal(encode('a\rb\r\r\nc\r', cut, 'keep'), 'a\rb\r\r\nc\r\r\n.\r\n')
})

test('what is encoded decodes to what it was', () => {
  const stored = fc.array(fc.constantFrom('\n', '.', 'a', ' ', '\0', '\n.'), { maxLength: 30 })
  fc.assert(
    fc.property(stored, fc.array(fc.nat(30), { maxLength: 3 }), (pieces, cuts) => {
      const text = pieces.join('')
      const at = cuts.filter(cut => cut < text.length).sort((a, b) => a - b)
      const whole = text === '' || text.endsWith('\n') ? text : `${text}\n`
      assert.deepEqual(decode(encode(text, at)), { text: whole, rest: '', ended: true })
    }),
    { numRuns: 1_000 },
  )
})

/** What encodeInPlace() makes of a text with so many octets before it; undefined when these are too few. */
function inPlace(text: string, gap: number): string | undefined {
  const room = Buffer.alloc(gap + text.length + 5, 'x')
  room.write(text, gap, 'latin1')
  const end = encodeInPlace(room, 0, gap, gap + text.length)
  return end < 0 ? undefined : room.toString('latin1', 0, end)
}

const pieces = fc.constantFrom('\r', '\n', '.', '\r\n', '\n.', 'a', `${'b'.repeat(40)}`, '\0', '\xff')

test('encodeInPlace() agrees with DotEncoder, or says that there was no room', () => {
  fc.assert(
    fc.property(
      fc.array(pieces, { maxLength: 30 }).map(all => all.join('')),
      fc.nat(40),
      (text, gap) => {
        const wire = encode(text, [], 'keep')
        const made = inPlace(text, gap)
        if (made !== undefined) assert.equal(made, wire)
        // The octets that are added: each makes the gap smaller by one.
        else assert.ok(wire.length - text.length > gap, `${gap} octets are enough`)
        assert.equal(inPlace(text, wire.length - text.length), wire)
      },
    ),
    { numRuns: 3_000 },
  )
})
