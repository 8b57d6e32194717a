import assert from 'node:assert/strict'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import { makePlace, type Place } from '../support/place.js'
import { Program } from '../support/program.js'
import { until } from '../support/world.js'

const listener = '[[pop3d.listen]]\naddress = "127.0.0.1:0"\ntls = "off"'
const text = (i: number) => `Subject: ${i}\n\n${'x'.repeat(i)}\n`

function fill(place: Place, count: number): void {
  for (const folder of ['cur', 'new', 'tmp'])
    mkdirSync(join(place.maildir('alice'), folder), { recursive: true })
  for (let i = 0; i < count; i++)
    writeFileSync(join(place.maildir('alice'), 'cur', `${1_700_000_000 + i}.M1P1.host:2,`), text(i))
}

/** The messages left, by number; each must be whole. */
function left(place: Place): Set<number> {
  const found = new Set<number>()
  for (const name of readdirSync(join(place.maildir('alice'), 'cur'))) {
    const number = Number.parseInt(name, 10) - 1_700_000_000
    assert.equal(readFileSync(join(place.maildir('alice'), 'cur', name), 'utf8'), text(number))
    found.add(number)
  }
  return found
}

/** Logs in, sends the commands at once, and returns all that came until the server closed or died. */
async function talk(
  port: number,
  commands: readonly string[],
  during: () => void = () => {},
): Promise<string> {
  const socket = connect(port, '127.0.0.1')
  let got = ''
  let over = false
  socket.on('data', chunk => {
    got += chunk
  })
  socket.on('close', () => {
    over = true
  })
  socket.on('error', () => {})
  socket.write(`${['USER alice', 'PASS wonderland', ...commands].join('\r\n')}\r\n`)
  during()
  await until(() => over, 30_000)
  return got
}

test('killed in the middle of the removal at QUIT, each message is there whole or gone, and nothing is in the way after', async t => {
  const count = 800
  const marks = Array.from({ length: count - 1 }, (_, i) => `DELE ${i + 1}`)
  let partial = 0
  for (const wait of [0, 2, 5]) {
    const place = makePlace(listener)
    t.after(place.remove)
    fill(place, count)
    const pop3d = await Program.start('mail-pop3d', place.config)
    const cur = join(place.maildir('alice'), 'cur')
    await talk(pop3d.ports('pop3d')[0] as number, [...marks, 'QUIT'], () => {
      // The first removal is seen, then so many milliseconds pass.
      const look = setInterval(() => {
        if (readdirSync(cur).length === count) return
        clearInterval(look)
        setTimeout(() => pop3d.child.kill('SIGKILL'), wait)
      }, 1)
      pop3d.child.on('exit', () => clearInterval(look))
      setTimeout(() => pop3d.child.kill('SIGKILL'), 8_000).unref()
    })
    await pop3d.stop('SIGKILL')
    const rest = left(place)
    assert.ok(rest.has(count - 1), 'what was not marked stays')
    if (rest.size > 1 && rest.size < count) partial++
    const again = await Program.start('mail-pop3d', place.config)
    const answer = await talk(again.ports('pop3d')[0] as number, ['STAT', 'QUIT'])
    assert.match(answer, new RegExp(`\\+OK ${rest.size} \\d+`))
    assert.equal(await again.stop(), 0)
  }
  t.diagnostic(`${partial} of 3 kills came in the middle of the removal`)
})

test('mail-pop3d says which key is missing when there is no listener', async t => {
  const place = makePlace('')
  t.after(place.remove)
  await assert.rejects(Program.start('mail-pop3d', place.config), /ended with 78: .*pop3d\.listen/)
})
