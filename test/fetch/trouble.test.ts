/** Runs that end badly, again and again, until one does not: nothing is lost and nothing doubled. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { rmSync } from 'node:fs'
import { connect, createServer, type Server } from 'node:net'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { fillMaildir, randomFrom } from '../support/generator.js'
import { makePlace, type Place } from '../support/place.js'
import { commandPath, Program } from '../support/program.js'
import { temporaryDirectory } from '../support/world.js'
import { accountAt, fetched, fetchOnce, holds } from './world.js'

const count = 400
let provider: Place
let server: Program
let port = 0
let pop: Program
let popPort = 0

before(async () => {
  const listen = 'listen = [{ address = "127.0.0.1:0", tls = "off" }]'
  provider = makePlace(`[imapd]\n${listen}\n[pop3d]\n${listen}`)
  fillMaildir(provider.maildir('alice'), count)
  server = await Program.start('mail-imapd', provider.config)
  port = server.ports('imapd')[0] as number
  pop = await Program.start('mail-pop3d', provider.config)
  popPort = pop.ports('pop3d')[0] as number
})
after(async () => {
  await server.stop()
  await pop.stop()
  provider.remove()
})

/** A way to the server that is cut, or lets nothing more through, after so many octets have come back. */
async function cutting(
  octets: () => number,
  how: 'cut' | 'stall' = 'cut',
  to = () => port,
): Promise<{ proxy: Server; port: number }> {
  const proxy = createServer(near => {
    const far = connect(to(), '127.0.0.1')
    let left = octets()
    near.pipe(far)
    far.on('data', chunk => {
      near.write(chunk.subarray(0, Math.max(0, left)))
      left -= chunk.length
      if (left > 0 || how === 'stall') return
      near.destroy()
      far.destroy()
    })
    near.on('error', () => far.destroy()).on('close', () => far.destroy())
    far.on('error', () => near.destroy()).on('close', () => near.destroy())
  })
  await new Promise<void>(resolve => proxy.listen(0, '127.0.0.1', resolve))
  return { proxy, port: (proxy.address() as { port: number }).port }
}

const ids = async (home: string) =>
  (await holds(home)).map(({ octets }) => /^Message-ID: (.*)$/m.exec(octets)?.[1] ?? '').sort()

const whole = {
  secret: async () => ({ password: 'wonderland' }),
  choices: { folders: ['INBOX'], exclude: [] },
}

test('a connection cut at random octets, again and again', async t => {
  const home = temporaryDirectory(t)
  const random = randomFrom(5)
  const { proxy, port: cut } = await cutting(() => Math.floor(random() * 1_500_000))
  t.after(() => proxy.close())
  let runs = 0
  for (; runs < 60; runs++) {
    const outcome = await fetchOnce(accountAt(cut, home, whole)).catch(error => error as Error)
    if (!(outcome instanceof Error)) break
    assert.match(outcome.message, /no connection|says/)
  }
  assert.ok(runs < 60, 'it comes to an end')
  const seen = await ids(home)
  assert.equal(seen.length, count)
  assert.equal(new Set(seen).size, count)
  assert.equal(fetched(await fetchOnce(accountAt(port, home, whole))), 0)
})

test('a POP3 connection cut at random octets, again and again', async t => {
  const home = temporaryDirectory(t)
  const random = randomFrom(8)
  const { proxy, port: cut } = await cutting(
    () => 50_000 + Math.floor(random() * 2_500_000),
    'cut',
    () => popPort,
  )
  t.after(() => proxy.close())
  let connections = 0
  proxy.on('connection', () => connections++)
  const account = accountAt(cut, home, { ...whole, protocol: 'pop3' })
  let runs = 0
  for (; runs < 60; runs++) {
    const outcome = await fetchOnce(account).catch(error => error as Error)
    if (!(outcome instanceof Error)) break
    assert.match(outcome.message, /no connection|takes no login/)
  }
  assert.ok(runs < 60, 'it comes to an end')
  assert.ok(connections > 2, `${connections} connections`)
  const seen = await ids(home)
  assert.equal(seen.length, count)
  assert.equal(new Set(seen).size, count)
  assert.equal(fetched(await fetchOnce({ ...account, port: popPort })), 0)
})

test('a process killed at any moment, again and again', async t => {
  const place = makePlace(`
[fetch.far]
host = "127.0.0.1:${port}"
tls = "off"
user = "alice"
password_command = "echo wonderland"
into = "bob@ilnmors.internal"
folders = ["INBOX"]
`)
  t.after(() => place.remove())
  const home = join(place.directory, 'home', 'bob')
  const random = randomFrom(7)
  let status: number | null = null
  for (let run = 0; status !== 0; run++) {
    assert.ok(run < 60, 'it comes to an end')
    const child = spawn(process.execPath, [commandPath('mail-fetch'), '-c', place.config], {
      stdio: 'ignore',
    })
    const timer = setTimeout(() => child.kill('SIGKILL'), 150 + random() * 200 * (run + 1))
    status = await new Promise<number | null>(resolve => child.on('exit', resolve))
    clearTimeout(timer)
    // The lock of who was killed is stale after ten seconds; here nobody waits so long.
    if (status !== 0) rmSync(`${home}/fetch/far.state.lock`, { recursive: true, force: true })
  }
  const seen = await ids(home)
  assert.equal(seen.length, count)
  assert.equal(new Set(seen).size, count)
})

test('a server that stops answering in the middle of a message', async t => {
  const home = temporaryDirectory(t)
  const random = randomFrom(6)
  let stalls = 3
  const octets = () => (stalls-- > 0 ? 30_000 + Math.floor(random() * 500_000) : Number.POSITIVE_INFINITY)
  const { proxy, port: stalled } = await cutting(octets, 'stall')
  t.after(() => proxy.close())
  const account = accountAt(stalled, home, { ...whole, timeout: 1_000 })
  let runs = 0
  for (; runs < 10; runs++) {
    const outcome = await fetchOnce(account).catch(error => error as Error & { exit?: number })
    if (!(outcome instanceof Error)) break
    assert.equal(outcome.exit, 75, outcome.message)
  }
  const seen = await ids(home)
  assert.equal(seen.length, count)
  assert.equal(new Set(seen).size, count)
})

test('a server that falls silent is waited for no longer than told', async t => {
  const deaf = createServer(socket => {
    socket.write('* OK IMAP4rev1\r\n')
    socket.on('error', () => {})
  })
  await new Promise<void>(resolve => deaf.listen(0, '127.0.0.1', resolve))
  t.after(() => deaf.close())
  const { port: silent } = deaf.address() as { port: number }
  const account = accountAt(silent, temporaryDirectory(t), { ...whole, timeout: 300 })
  await assert.rejects(fetchOnce(account), (error: { exit: number }) => error.exit === 75)
})
