/**
 * Every state a queue may be found in, as a folder of fixtures/queues: copied, one run of the relay over it, and what
 * there is then, what went out and what was delivered here, compared with expected.json. UPDATE=1 writes that anew.
 */
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { cpSync, existsSync, readdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { Claimant } from '../../lib/queue/claim.js'
import { Queue } from '../../lib/queue/queue.js'
import { Sink } from '../relay/sink.js'
import { smarthost, world } from '../relay/world.js'
import { temporaryDirectory } from '../support/world.js'

const root = 'fixtures/queues'
const now = 1_764_000_000_000

/** What a process would write of itself, with the number and start of another one. */
async function identityOf(pid: number, directory: string): Promise<string> {
  const claimant = new Claimant(directory, join(directory, 'lock'))
  const claim = join(directory, 'claim')
  assert.ok(await claimant.take(claim))
  const [, , ...place] = readFileSync(claim, 'latin1').trim().split(' ')
  claimant.release(claim)
  claimant.close()
  const stat = existsSync(`/proc/${pid}/stat`) ? readFileSync(`/proc/${pid}/stat`, 'latin1') : ''
  const start = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '1'
  return [pid, start, ...place].join(' ')
}

test('every state that the head of entry.ts names has a folder', () => {
  const table = readFileSync('lib/queue/entry.ts', 'utf8').matchAll(
    /^ \* \| ([a-z ]+?) +\| (?:yes|no|any) /gm,
  )
  const named = new Set([...table].map(([, state = '']) => state.replace(' ', '-')))
  const folders = readdirSync(root)
  assert.ok(named.size >= 6, 'the table cannot be read')
  for (const state of named)
    assert.ok(
      folders.some(folder => folder === state || folder.startsWith(`${state}-`)),
      state,
    )
})

for (const state of readdirSync(root))
  test(`a queue found in the state ${state}`, async t => {
    const sink = await Sink.start()
    const alive = spawn('sleep', ['60'])
    t.after(() => alive.kill())
    t.after(() => sink.close())
    const directory = temporaryDirectory(t)
    const dead = spawnSync('true').pid
    const identities: Record<string, string> = {
      '@LIVE@': await identityOf(alive.pid as number, directory),
      '@DEAD@': await identityOf(dead, directory),
      '@ELSEWHERE@': '4711 99 another-boot pid:[1] another-host',
    }
    const w = await world(t)
    w.now = now
    cpSync(join(root, state), w.queue.directory, { recursive: true })
    for (const folder of ['mail', 'process'])
      for (const name of readdirSync(join(w.queue.directory, folder))) {
        const path = join(w.queue.directory, folder, name)
        const text = readFileSync(path, 'utf8')
        const identity = identities[text.trim()]
        if (identity) writeFileSync(path, `${identity}\n`)
        // Untouched for long, but for what is called a draft.
        if (state !== 'draft') utimesSync(path, now / 1000 - 90_000, now / 1000 - 90_000)
        else utimesSync(path, now / 1000, now / 1000)
      }
    await w.relay({ smarthost: smarthost(sink.port) }).once()
    w.queue.close()
    const found = {
      files: ['mail', 'drop', 'broken', 'process'].flatMap(folder =>
        readdirSync(join(w.queue.directory, folder))
          .sort()
          .map(name => `${folder}/${name}`),
      ),
      sent: sink.received.map(({ recipients, text }) => [...recipients, text.length].join(' ')).sort(),
      local: w.local.map(({ to, text }) => `${to}: ${/^Subject: .*$/m.exec(text)?.[0]}`).sort(),
    }
    const golden = join(root, state, 'expected.json')
    if (process.env['UPDATE']) writeFileSync(golden, `${JSON.stringify(found, undefined, 2)}\n`)
    assert.deepEqual(found, JSON.parse(readFileSync(golden, 'utf8')))
    // Twice is as once.
    const again = await Queue.open(w.queue.directory, { clock: () => now })
    assert.deepEqual([...(await again.sweep()).broken], [])
    again.close()
  })
