import assert from 'node:assert/strict'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import fc from 'fast-check'
import { type Chunk, type MimeNode, Splitter } from 'mailsplit'
import { type Part, scanMessage } from '../../lib/message/structure.js'
import { countBareLf, toCrlf, wireSize } from '../../lib/message/wire.js'

const folder = 'fixtures/messages'
const fixtures = readdirSync(folder).filter(name => name.endsWith('.eml'))

/** A tree as readable text: a part a line, its place in octets, its wire sizes, then its content fields. */
function draw(part: Part, number = '', indent = ''): string {
  const { start, bodyStart, bodyEnd, headerBareLf, bodyBareLf, lines } = part
  const sizes = `header ${bodyStart - start + headerBareLf} body ${bodyEnd - bodyStart + bodyBareLf} lines ${lines}`
  const { type, subtype, parameters, encoding, disposition, languages, id, description, md5, location } = part
  const params = [...parameters, ...(disposition?.parameters ?? [])].map(
    ({ name, value }) => `${name}=${value}`,
  )
  const more = { disposition: disposition?.value, params, languages, id, description, md5, location }
  const told = Object.entries(more).filter(([, value]) => value !== undefined && value.length > 0)
  const head = `${indent}${number || 'message'} ${type}/${subtype} ${encoding} at ${start} ${bodyStart} ${bodyEnd}: ${sizes}`
  const fields = told.map(([name, value]) => `\n${indent}    ${name} ${JSON.stringify(value)}`).join('')
  const inner = part.message ? [part.message] : part.parts
  const names = inner.map((_, index) =>
    part.message ? `${number}>` : `${number}.${index + 1}`.replace(/^\.|>(?=\.)/, ''),
  )
  return `${head}${fields}\n${inner.map((child, index) => draw(child, names[index], `${indent}  `)).join('')}`
}

for (const name of fixtures)
  test(`scanMessage() of ${name}`, () => {
    const drawn = draw(scanMessage(readFileSync(`${folder}/${name}`)))
    const golden = `${folder}/${name.replace(/\.eml$/, '.structure')}`
    if (process.env['UPDATE']) writeFileSync(golden, drawn)
    assert.equal(drawn, readFileSync(golden, 'utf8'))
  })

/** What IMAP tells of a tree: all that must not depend on the line ends of the stored file. */
function told(part: Part): unknown {
  const { type, subtype, parameters, encoding, lines, parts, message } = part
  const header = part.bodyStart - part.start + part.headerBareLf
  const body = part.bodyEnd - part.bodyStart + part.bodyBareLf
  return {
    type,
    subtype,
    parameters,
    encoding,
    lines,
    header,
    body,
    parts: parts.map(told),
    message: message && told(message),
  }
}

/** Everything that must hold of any tree: places in order, counts that fit the octets. */
function check(octets: Buffer, part: Part, from = 0, to = octets.length): void {
  const { start, bodyStart, bodyEnd } = part
  assert.ok(from <= start && start <= bodyStart && bodyStart <= bodyEnd && bodyEnd <= to, 'places in order')
  assert.equal(part.headerBareLf, countBareLf(octets, start, bodyStart))
  assert.equal(part.bodyBareLf, countBareLf(octets, bodyStart, bodyEnd))
  assert.equal(part.lines, octets.toString('latin1', bodyStart, bodyEnd).split('\n').length - 1)
  let at = bodyStart
  for (const inner of part.message ? [part.message] : part.parts) {
    check(octets, inner, at, bodyEnd)
    at = inner.bodyEnd
  }
  if (part.message) assert.deepEqual([part.message.start, part.message.bodyEnd], [bodyStart, bodyEnd])
}

for (const name of fixtures)
  test(`${name} is the same message in CRLF`, () => {
    const stored = readFileSync(`${folder}/${name}`)
    const tree = scanMessage(stored)
    check(stored, tree)
    assert.equal(tree.bodyEnd - tree.start + tree.headerBareLf + tree.bodyBareLf, wireSize(stored))
    const wire = toCrlf(stored)
    check(wire, scanMessage(wire))
    assert.deepEqual(told(scanMessage(wire)), told(tree))
  })

/** What mailsplit finds: for each part, where its header starts, its header's length and its own body octets. */
async function split(
  octets: Buffer,
): Promise<{ type: string; start: number; header: number; body: string }[]> {
  const splitter = new Splitter({ defaultInlineEmbedded: true })
  const parts = new Map<MimeNode, { type: string; start: number; header: number; body: string }>()
  let at = 0
  splitter.end(octets)
  for await (const chunk of splitter as AsyncIterable<MimeNode | Chunk>) {
    if (chunk.type === 'node') {
      const header = chunk.getHeaders().length
      parts.set(chunk, { type: String(chunk.contentType), start: at, header, body: '' })
      at += header
    } else {
      const part = parts.get(chunk.node)
      if (chunk.type === 'body' && part) part.body += chunk.value?.toString('latin1') ?? ''
      at += chunk.value?.length ?? 0
    }
  }
  assert.equal(at, octets.length)
  // An empty body before a sibling's boundary comes as the line end that is the boundary's.
  for (const part of parts.values()) part.body = part.body.replace(/^\r?\n$/, '')
  return [...parts.values()]
}

function flatten(
  octets: Buffer,
  part: Part,
): { type: string; start: number; header: number; body: string }[] {
  const leaf = part.type !== 'multipart' && !part.message
  const body = leaf ? octets.toString('latin1', part.bodyStart, part.bodyEnd).replace(/^\r?\n$/, '') : ''
  const own = {
    type: `${part.type}/${part.subtype}`,
    start: part.start,
    header: part.bodyStart - part.start,
    body,
  }
  return [own, ...(part.message ? [part.message] : part.parts).flatMap(inner => flatten(octets, inner))]
}

const line = fc.constantFrom('text', '', '-', '--', ' --b1', '--nobody', 'a: b', 'caf\xe9', 'x'.repeat(100))
const text = fc.array(line, { maxLength: 6 }).map(lines => lines.join('\n'))

type Make = (next: () => string) => string

/**
 * Well-formed messages of any shape; each multipart has a boundary of its own. A message is not the whole of
 * another message: where it ends, mailsplit loses count.
 */
const wellFormed = fc
  .letrec<{ content: Make; entity: Make }>(tie => ({
    content: fc.oneof(
      { depthSize: 'small' },
      text.map(body => () => `Content-Type: text/plain\n\n${body}`),
      fc
        .tuple(text, fc.array(tie('entity'), { minLength: 1, maxLength: 4 }), text)
        .map(([preamble, parts, epilogue]) => (next: () => string) => {
          const boundary = next()
          const inner = parts.map(part => `--${boundary}\n${part(next)}\n`).join('')
          return `Content-Type: multipart/mixed; boundary="${boundary}"\n\n${preamble}\n${inner}--${boundary}--\n${epilogue}`
        }),
    ),
    entity: fc.oneof(
      tie('content'),
      tie('content').map(inner => (next: () => string) => `Content-Type: message/rfc822\n\n${inner(next)}`),
    ),
  }))
  .entity.map(entity => {
    let count = 0
    return `Subject: any\n${entity(() => `=_${count++}_`)}\n`
  })

for (const end of ['\n', '\r\n'])
  test(`well-formed messages: the parts mailsplit finds, with ${JSON.stringify(end)}`, async () => {
    await fc.assert(
      fc.asyncProperty(wellFormed, async given => {
        const octets = Buffer.from(given.replaceAll('\n', end), 'latin1')
        const tree = scanMessage(octets)
        check(octets, tree)
        assert.deepEqual(flatten(octets, tree), await split(octets))
      }),
    )
  })

test('any octets: no crash, places in order, counts right, line ends without meaning', () => {
  const piece = fc.constantFrom(
    ...[
      '\n',
      '\r\n',
      '\n\n',
      '\r',
      '--',
      '--a',
      '--a--',
      '--ab',
      '--ab--',
      'a',
      'x: y\n',
      '\x00',
      '\xff',
      ' ',
      '"',
    ],
    ...['a', 'ab', '"a', ''].map(name => `Content-Type: multipart/mixed; boundary=${name}\n\n`),
    ...[
      'Content-Type: multipart/digest; boundary=a\n\n--a\n',
      'Content-Type: message/rfc822\n\n',
      '\n--a\n',
      '\n--ab\n',
    ],
  )
  fc.assert(
    fc.property(fc.string({ unit: piece, maxLength: 60 }), given => {
      const octets = Buffer.from(given, 'latin1')
      const tree = scanMessage(octets)
      check(octets, tree)
      assert.deepEqual(told(scanMessage(toCrlf(octets))), told(tree))
    }),
    { numRuns: 2000 },
  )
})

test('depth is bounded: what lies deeper is a leaf', () => {
  const depths = (part: Part): number =>
    1 + Math.max(0, ...[part.message, ...part.parts].map(p => (p ? depths(p) : 0)))
  const messages = Buffer.from('Content-Type: message/rfc822\n\n'.repeat(100_000))
  assert.equal(depths(scanMessage(messages)), 101)
  assert.equal(depths(scanMessage(messages, { depth: 3 })), 4)
  const multiparts = Buffer.from('Content-Type: multipart/mixed; boundary=a\n\n--a\n'.repeat(100_000))
  assert.equal(depths(scanMessage(multiparts)), 101)
})

test('the number of parts is bounded: further boundaries are passed over', () => {
  const octets = Buffer.from(
    `Content-Type: multipart/mixed; boundary=a\n\n${'--a\n\nx\n'.repeat(50_000)}--a--\n`,
  )
  const tree = scanMessage(octets)
  assert.equal(tree.parts.length, 9_999)
  check(octets, tree)
  assert.equal(scanMessage(octets, { parts: 3 }).parts.length, 2)
})

test('a boundary line that the end cuts off opens no part, one with its line end does', () => {
  const head = 'Content-Type: multipart/mixed; boundary=a\n\n'
  assert.equal(scanMessage(Buffer.from(`${head}--a\n\nx\n--a`)).parts.length, 1)
  assert.equal(scanMessage(Buffer.from(`${head}--a\n\nx\n--a\n`)).parts.length, 2)
})

test('a message part whose header a boundary ends holds an empty message', () => {
  const octets = Buffer.from('Content-Type: multipart/digest; boundary=a\n\n--a\n--a--\n')
  assert.equal(scanMessage(octets).parts[0]?.message?.type, 'text')
})

test('a boundary of too many octets is none', () => {
  const octets = Buffer.from(
    `Content-Type: multipart/mixed; boundary=${'a'.repeat(2000)}\n\n--${'a'.repeat(2000)}\n`,
  )
  assert.deepEqual(scanMessage(octets).parts, [])
})
