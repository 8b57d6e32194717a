import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { MessageContent } from '../../lib/imap/content.js'
import { OctetWriter } from '../../lib/imap/encode.js'
import { type Rendered, render } from '../../lib/imap/render.js'
import { Cache } from '../../lib/mailbox/cache.js'
import { toCrlf } from '../../lib/message/wire.js'
import { renderMessages } from '../../lib/serve/render-work.js'
import { ImapClient } from '../support/imap-client.js'
import { imapStage } from './imap-stage.js'

const wanted: readonly Rendered[] = [{ kind: 'envelope' }, { kind: 'structure' }, { kind: 'body' }]

test('a thread renders what a session would; files that are not there are left out', () => {
  const paths = readdirSync('fixtures/messages').map(name => join('fixtures/messages', name))
  const uids = paths.map((_, i) => i + 2)
  const work = { uids: [1, ...uids], paths: ['/no/such/file', ...paths], rendered: wanted }
  const { records, facts, count } = renderMessages(work)
  assert.equal(count, paths.length + 1)
  const directory = mkdtempSync(join(tmpdir(), 'postern-render-'))
  mkdirSync(join(directory, 'tmp'))
  const cache = new Cache(directory, 1)
  cache.append(Buffer.from(records))
  for (const [i, path] of paths.entries()) {
    const file = readFileSync(path)
    const uid = uids[i]!
    assert.deepEqual([...facts.slice(i * 4, i * 4 + 3)], [uid, file.length, toCrlf(file).length], path)
    for (const one of wanted) {
      const out = new OctetWriter()
      render(out, new MessageContent(file), one)
      assert.equal(cache.get(uid, one.kind)?.compare(out.take()), 0, `${path} ${one.kind}`)
    }
  }
  assert.equal(cache.get(1, 'envelope'), undefined)
  cache.close()
  const stopped = renderMessages(work, 0)
  assert.deepEqual([stopped.count, stopped.facts.length], [1, 0], 'one at least, and then the time is up')
  rmSync(directory, { recursive: true })
})

test('a long FETCH tells of each message what is in it, in order', async () => {
  const stage = await imapStage()
  const client = await ImapClient.login(stage.port, 'alice', 'wonderland')
  try {
    const cur = join(stage.home, 'alice', 'Maildir', 'cur')
    mkdirSync(cur, { recursive: true })
    for (let i = 1; i <= 450; i++)
      writeFileSync(
        join(cur, `${1_000_000_000 + i}.M1P1.h:2,S`),
        `Subject: s${i}-\nX: ${'x'.repeat(i)}\n\n${i}\n`,
      )
    await client.ok('SELECT INBOX')
    for (let again = 0; again < 2; again++) {
      const lines = await client.ok('FETCH 1:* (ENVELOPE BODYSTRUCTURE RFC822.SIZE)')
      const fetched = lines.filter(line => / FETCH /.test(line))
      assert.equal(fetched.length, 450)
      for (const [at, line] of fetched.entries()) {
        const size = `Subject: s${at + 1}-\r\nX: ${'x'.repeat(at + 1)}\r\n\r\n${at + 1}\r\n`.length
        assert.match(line, new RegExp(`^${at + 1} FETCH .*"s${at + 1}-".*RFC822.SIZE ${size}\\)$`))
      }
    }
  } finally {
    client.close()
    await stage.close()
  }
})
