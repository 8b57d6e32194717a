import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { dirname, join } from 'node:path'
import { test } from 'node:test'
import { sieveService } from '../../lib/command/sieved.js'
import { type Running, startService } from '../support/service.js'
import { play, playFolder, type Stage } from '../support/transcript.js'

const limits = '[sieve]\nmax_script_size = "2K"\nmax_scripts = 3\nmax_storage = "4K"'

function stageOf(running: Running): Stage {
  const home = dirname(running.maildir('alice'))
  const link = join(home, '.dovecot.sieve')
  return {
    port: running.port,
    ca: readFileSync('fixtures/tls/ca.pem', 'utf8'),
    close: running.close,
    actions: {
      handwritten: () => {
        mkdirSync(home, { recursive: true })
        writeFileSync(link, '# by hand\r\nkeep;\r\n')
      },
    },
    checks: {
      file: (name = '', ...words) =>
        assert.ok(readFileSync(join(home, 'sieve', `${name}.sieve`), 'utf8').includes(words.join(' '))),
      active: (...name) =>
        name.length === 0
          ? assert.equal(existsSync(link), false)
          : assert.equal(readlinkSync(link), `sieve/${name.join(' ')}.sieve`),
    },
  }
}

playFolder('fixtures/managesieve', async file =>
  stageOf(await startService(sieveService, file.endsWith('quota.txt') ? { configuration: limits } : {})),
)

test('where a login is not allowed no mechanism is offered, and none is accepted', async t => {
  // The peer is believed to be far away because a proxy says so.
  const configuration = '[sieved]\nproxies = ["127.0.0.1"]'
  const running = await startService(sieveService, { configuration }).catch(() => undefined)
  if (!running) return t.skip('no proxies here')
  t.after(running.close)
  const header = 'R: PROXY TCP4 192.0.2.1 192.0.2.2 1000 4190\\r\\n\n'
  const dialogue = `${header}...\nS: "SASL" ""\n...\nS: OK *\nC: AUTHENTICATE "PLAIN" "{base64 \\0alice\\0wonderland}"\nS: NO (ENCRYPT-NEEDED) *\n@ starttls\n`
  await play(dialogue.replace('@ starttls\n', ''), stageOf(running))
})

test('octets at random never end in anything but a reply or a closed connection', async t => {
  const running = await startService(sieveService)
  t.after(running.close)
  for (let round = 0; round < 20; round++) {
    const socket = connect(running.port, '127.0.0.1')
    let seed = round + 1
    const octets = Buffer.from(
      Array.from({ length: 2_000 }, () => {
        seed = (seed * 1_103_515_245 + 12_345) & 0x7fffffff
        return ' "{}+\\\r\nAUTHENICOP0123456789\0\xff'.charCodeAt((seed >> 8) % 30)
      }),
    )
    socket.end(octets)
    const received: Buffer[] = []
    for await (const chunk of socket) received.push(chunk as Buffer)
    const lines = Buffer.concat(received).toString('latin1').split('\r\n')
    assert.ok(lines.length > 5)
  }
  assert.deepEqual(
    running.lines.filter(line => line.includes('session-failed')),
    [],
  )
})
