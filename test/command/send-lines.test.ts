import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { MessageLines } from '../../lib/command/send-lines.js'

async function* pieces(octets: Buffer, sizes: readonly number[]): AsyncGenerator<Buffer> {
  for (let at = 0, i = 0; at < octets.length; i++) {
    const size = sizes[i % sizes.length] ?? octets.length
    yield octets.subarray(at, at + size)
    at += size
  }
}

async function read(text: string, sizes: readonly number[], endsAtDot: boolean): Promise<string> {
  let all = ''
  for await (const chunk of new MessageLines(pieces(Buffer.from(text, 'latin1'), sizes), endsAtDot))
    all += chunk.toString('latin1')
  return all
}

/** The same by the whole text. */
function expected(text: string, endsAtDot: boolean): string {
  const lines = text.replaceAll('\r\n', '\n')
  if (!endsAtDot) return lines
  const end = /(?:^|\n)(\.)(?:\n|\r?$)/.exec(lines)
  return end ? lines.slice(0, end.index + end[0].indexOf('.')) : lines
}

test('however the message comes in pieces, lines and the dot are the same', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.constantFrom('\r', '\n', '\r\n', '.', 'a', '\n.\n', '\r\n.\r\n')),
      fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1 }),
      fc.boolean(),
      async (parts, sizes, endsAtDot) => {
        const text = parts.join('')
        assert.equal(await read(text, sizes, endsAtDot), expected(text, endsAtDot))
      },
    ),
    { numRuns: 1000 },
  )
})
