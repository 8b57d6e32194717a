/** No secret in logs, answers, arguments or environments: right passwords, wrong ones, hashes, tokens. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { makePlace } from '../../support/place.js'
import { Program } from '../../support/program.js'
import { dialogue } from './talk.js'

const door = (name: string) => `[[${name}.listen]]\naddress = "127.0.0.1:0"\ntls = "off"\n`
const base64 = (text: string) => Buffer.from(text).toString('base64')

/** alice's password is `wonderland`; the wrong one is given with every mechanism too. */
const secrets = [
  'wonderland',
  'not-the-password',
  base64('\0alice\0wonderland'),
  base64('\0alice\0not-the-password'),
  base64('wonderland'),
]

const sessions: Readonly<Record<string, readonly string[]>> = {
  smtpd: [
    `EHLO x\r\nAUTH PLAIN ${base64('\0alice\0not-the-password')}\r\nAUTH LOGIN ${base64('alice')}\r\n${base64('not-the-password')}\r\n`,
    `AUTH PLAIN ${base64('\0alice\0wonderland')} extra\r\nAUTH wonderland\r\nwonderland\r\nAUTH PLAIN ${base64('\0alice\0wonderland')}\r\nQUIT\r\n`,
  ],
  imapd: [
    `a LOGIN alice not-the-password\r\nb LOGIN alice wonderland extra\r\nc LOGIN "alice" {5}\r\n`,
    `d AUTHENTICATE PLAIN ${base64('\0alice\0not-the-password')}\r\nwonderland\r\ne LOGIN alice wonderland\r\nf LOGOUT\r\n`,
  ],
  pop3d: ['USER alice\r\nPASS not-the-password\r\nwonderland\r\nUSER alice\r\nPASS wonderland\r\nQUIT\r\n'],
  sieved: [
    `AUTHENTICATE "PLAIN" "${base64('\0alice\0not-the-password')}"\r\nwonderland\r\nAUTHENTICATE "PLAIN" "${base64('\0alice\0wonderland')}"\r\nLOGOUT\r\n`,
  ],
}

for (const [daemon, said] of Object.entries(sessions))
  test(`mail-${daemon} keeps what it was told to itself`, async () => {
    const place = makePlace(
      `[log]\nlevel = "debug"\n${door(daemon)}${daemon === 'smtpd' ? 'auth = "offered"\n' : ''}`,
      'penalty = "0s"',
    )
    const program = await Program.start(`mail-${daemon}`, place.config)
    try {
      const answers = await dialogue(program.ports(daemon)[0] as number, said)
      for (const secret of secrets) {
        // A tag comes back as it was sent.
        if (daemon !== 'imapd' || secret !== 'wonderland')
          assert.ok(!answers.includes(secret), `an answer tells ${secret}: ${answers}`)
        assert.ok(!program.log.toLowerCase().includes(secret.toLowerCase()), `the log tells ${secret}`)
      }
      assert.ok(answers.length > 0)
      for (const file of ['cmdline', 'environ'])
        assert.ok(!/wonderland|two words/.test(readFileSync(`/proc/${program.pid}/${file}`, 'latin1')))
    } finally {
      await program.stop()
      place.remove()
    }
    for (const secret of secrets) assert.ok(!program.log.includes(secret))
  })
