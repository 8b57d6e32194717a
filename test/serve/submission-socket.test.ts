/** LMTP over a Unix socket, as Postfix's lmtp:unix: speaks it. */
import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import { Daemon } from '../../lib/command/daemon.js'
import { smtpdService } from '../../lib/command/smtpd.js'
import { makePlace } from '../support/place.js'
import { until } from '../support/world.js'

test('LMTP over a Unix socket delivers, with one reply for each recipient', async () => {
  const place = makePlace('[[smtpd.listen]]\naddress = "unix:lmtp.sock"\nprotocol = "lmtp"')
  const log = { journal: true, write: () => {} }
  const daemon = await Daemon.start({ services: [smtpdService()], file: place.config, log, watch: false })
  try {
    const socket = connect(join(place.directory, 'lmtp.sock'))
    let seen = ''
    socket.on('data', chunk => {
      seen += chunk
    })
    socket.write(
      'LHLO mta\r\nMAIL FROM:<a@x.example>\r\nRCPT TO:<alice@ilnmors.internal>\r\nRCPT TO:<no@ilnmors.internal>\r\n' +
        'RCPT TO:<bob@ilnmors.internal>\r\nDATA\r\n',
    )
    await until(() => / 354 |\n354 /.test(seen))
    socket.write('Subject: x\r\n\r\nhello\r\n.\r\nQUIT\r\n')
    await until(() => /\n221 /.test(seen))
    socket.destroy()
    const codes = seen.match(/^\d{3}(?= )/gm)
    assert.deepEqual(codes, ['220', '250', '250', '250', '550', '250', '354', '250', '250', '221'])
    for (const user of ['alice', 'bob']) assert.equal(readdirSync(join(place.maildir(user), 'new')).length, 1)
  } finally {
    await daemon.stop(0)
    place.remove()
  }
})
