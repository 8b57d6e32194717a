/** One identifier follows a message through the log: smtpd, deliver, relay. */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import { Daemon } from '../../lib/command/daemon.js'
import { relayService } from '../../lib/command/relay.js'
import { outgoing } from '../../lib/command/relay-outgoing.js'
import { smtpdService } from '../../lib/command/smtpd.js'
import { Sink } from '../relay/sink.js'
import { makePlace } from '../support/place.js'
import { until } from '../support/world.js'

test('received, delivered and relayed carry the same message=, which stands in Received too', async () => {
  const sink = await Sink.start()
  const place = makePlace(
    `[[smtpd.listen]]\naddress = "127.0.0.1:0"\ntls = "off"\nauth = "off"\n[queue]\ndirectory = "queue"\n` +
      `[relay]\nhost = "127.0.0.1:${sink.port}"\ntls = "off"\n`,
  )
  const lines: string[] = []
  const log = { journal: true, write: (line: string) => lines.push(line) }
  const services = [smtpdService({ relay: outgoing }), relayService]
  const daemon = await Daemon.start({ services, file: place.config, log, watch: false })
  try {
    const socket = connect(daemon.ports('smtpd')[0] as number, '127.0.0.1')
    let seen = ''
    socket.on('data', chunk => {
      seen += chunk
    })
    socket.write(
      'EHLO x\r\nMAIL FROM:<bob@ilnmors.internal>\r\nRCPT TO:<alice@ilnmors.internal>\r\nRCPT TO:<out@example.net>\r\nDATA\r\n',
    )
    await until(() => /\n354 /.test(seen), 20_000)
    socket.write('Subject: x\r\n\r\nhello\r\n.\r\nQUIT\r\n')
    await until(
      () => sink.received.length === 1 && lines.some(line => line.includes('event=recipient')),
      20_000,
    )
    socket.destroy()
    const idOf = (event: string) =>
      / message=(\S+)/.exec(lines.find(line => line.includes(`event=${event} `)) ?? '')?.[1]
    const id = idOf('received')
    assert.match(id ?? '', /^\S{8,}$/)
    assert.equal(idOf('delivered'), id)
    assert.equal(idOf('recipient'), id)
    const directory = join(place.maildir('alice'), 'new')
    const [name = ''] = readdirSync(directory)
    assert.ok(readFileSync(join(directory, name), 'utf8').includes(` id ${id}`))
    assert.ok(sink.received[0]?.text.includes(` id ${id}`))
  } finally {
    await daemon.stop(0)
    place.remove()
    await sink.close()
  }
})
