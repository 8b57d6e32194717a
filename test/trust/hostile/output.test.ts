/** Who asks for much and reads nothing, and who asks for a new handshake again and again. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { connect } from 'node:tls'
import { ImapClient } from '../../support/imap-client.js'
import { makePlace } from '../../support/place.js'
import { Program } from '../../support/program.js'
import { expect, open } from './talk.js'

const residentMiB = (pid: number) =>
  Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1]) / 1024

test('answers to a client that reads nothing are not gathered in memory', async () => {
  const place = makePlace('[[imapd.listen]]\naddress = "127.0.0.1:0"\ntls = "off"\n')
  const program = await Program.start('mail-imapd', place.config)
  try {
    const port = program.ports('imapd')[0] as number
    const writer = await ImapClient.login(port, 'alice', 'wonderland')
    await writer.ok(
      'APPEND INBOX',
      Buffer.from(`Subject: large\r\n\r\n${`${'x'.repeat(70)}\r\n`.repeat(55_000)}`),
    )
    await writer.ok('SELECT INBOX')
    writer.close()
    const before = residentMiB(program.pid)
    const socket = await open(port)
    const begun = expect(socket, /^b OK/m)
    socket.write('a LOGIN alice wonderland\r\nb SELECT INBOX\r\n')
    await begun
    socket.pause()
    // 400 MiB in all.
    socket.write(Array.from({ length: 100 }, (_, i) => `c${i} FETCH 1 BODY.PEEK[]\r\n`).join(''))
    let most = 0
    for (let i = 0; i < 20; i++) {
      await delay(100)
      most = Math.max(most, residentMiB(program.pid))
    }
    socket.destroy()
    assert.ok(most - before < 100, `${(most - before).toFixed(0)} MiB`)
    // Others are served meanwhile and after.
    const other = await ImapClient.login(port, 'alice', 'wonderland')
    await other.ok('NOOP')
    other.close()
  } finally {
    await program.stop()
    place.remove()
  }
})

test('a client that renegotiates TLS again and again is cut off, and the server goes on', async () => {
  const place = makePlace('[[imapd.listen]]\naddress = "127.0.0.1:0"\ntls = "implicit"\n')
  const program = await Program.start('mail-imapd', place.config)
  try {
    const port = program.ports('imapd')[0] as number
    const options = { port, host: '127.0.0.1', rejectUnauthorized: false, maxVersion: 'TLSv1.2' } as const
    let done = 0
    await new Promise<void>(resolve => {
      const socket = connect(options, () => {
        const again = () => {
          if (done >= 50 || socket.destroyed) return void socket.destroy()
          socket.renegotiate({ rejectUnauthorized: false }, error => {
            if (error) return void socket.destroy()
            done++
            again()
          })
        }
        again()
      })
      socket.on('error', () => {})
      socket.resume().on('close', () => resolve())
    })
    assert.ok(done < 10, `${done} times`)
    const greeting = await new Promise<string>(resolve => {
      const socket = connect(options)
      socket.once('data', chunk => {
        socket.destroy()
        resolve(String(chunk))
      })
    })
    assert.match(greeting, /^\* OK/)
  } finally {
    await program.stop()
    place.remove()
  }
})
