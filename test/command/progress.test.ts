import assert from 'node:assert/strict'
import { Writable } from 'node:stream'
import { test } from 'node:test'
import type { WriteStream } from 'node:tty'
import { progress } from '../../lib/command/progress.js'

/** What is written to a stream that is like a terminal, or not. */
async function shown(about: { isTTY: boolean; columns: number }): Promise<string> {
  let text = ''
  const stream = new Writable({
    write: (chunk, _, done) => {
      text += chunk
      done()
    },
  })
  const terminal = { clearLine: () => true, cursorTo: () => true, moveCursor: () => true }
  const line = await progress(Object.assign(stream, terminal, about) as unknown as WriteStream)
  line.step('Making users')
  line.step('Making mailboxes')
  line.end()
  return text
}

test('progress is for a person at a terminal', async () => {
  assert.match(await shown({ isTTY: true, columns: 80 }), /Making users/)
})

test('progress says nothing to a file, and nothing to a terminal without a width', async () => {
  assert.equal(await shown({ isTTY: false, columns: 80 }), '')
  assert.equal(await shown({ isTTY: true, columns: 0 }), '')
})
