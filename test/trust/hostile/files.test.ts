/** Names and links that lead out of where a user's mail and scripts are. */
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { imapService } from '../../../lib/command/imapd.js'
import type { Service } from '../../../lib/command/service.js'
import { sieveService } from '../../../lib/command/sieved.js'
import { ImapClient } from '../../support/imap-client.js'
import { startService } from '../../support/service.js'
import { dialogue } from './talk.js'

/** Names as octets on the wire; what is not ASCII is UTF-8. */
const names = [
  '../outside',
  '../../outside',
  '/tmp/outside',
  'a/../../outside',
  '..',
  '.',
  'a..b',
  '.hidden',
  'x/',
  '/',
  'nul\0nul',
  'line\nend',
  'cr\rhere',
  'esc\x1b[31m',
  'del\x7f',
  'bidi\u202eexe.txt',
  'isolate\u2066x',
  '&AAA-',
  '&IC4-x',
  `${'long'.repeat(100)}`,
  'cur',
  'new',
  'tmp',
  '~root',
  '*',
  '%',
]

function inventory(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' }).sort()
}

test('no mailbox name leads out of the Maildir, or into the middle of it', async () => {
  const running = await startService(imapService as Service, { listener: 'tls = "off"' })
  try {
    const client = await ImapClient.login(running.port, 'alice', 'wonderland')
    const maildir = running.maildir('alice')
    const before = inventory(running.directory).filter(path => !path.startsWith('home/alice/Maildir/'))
    for (const name of names)
      for (const verb of ['CREATE', 'SUBSCRIBE', 'DELETE', 'SELECT', 'STATUS', 'APPEND']) {
        const octets = Buffer.from(name)
        const head = verb === 'STATUS' ? `${verb} ` : `${verb} `
        const rest = verb === 'STATUS' ? ' (MESSAGES)' : verb === 'APPEND' ? ' {1+}\r\nx' : ''
        const literal = Buffer.concat([octets, Buffer.from(rest)])
        // The name goes as a literal, so that any octet can be in it.
        const { status } = await client
          .command(`${head}{${octets.length}+}\r\n${literal.toString('latin1')}`)
          .catch(error => ({ status: String(error) }))
        assert.match(status, /^(?:OK|NO|BAD)$/, `${verb} ${JSON.stringify(name)}`)
      }
    for (const name of names.filter(each => /^[ -~]+$/.test(each))) {
      const quoted = `"${name}"`
      await client.command(`CREATE good`)
      await client.command(`RENAME good ${quoted}`)
    }
    client.close()
    assert.deepEqual(
      inventory(running.directory).filter(path => !path.startsWith('home/alice/Maildir/')),
      before,
    )
    for (const entry of readdirSync(maildir)) assert.doesNotMatch(entry, /[\x00-\x1f\x7f]|^\.\.[^D]|^\.$/)
    for (const path of inventory(maildir))
      assert.doesNotMatch(path, /\/\.\.|(?:^|\/)(?:cur|new|tmp)\/(?:cur|new|tmp)$/)
  } finally {
    await running.close()
  }
})

test('no script name leads out of the folder of scripts', async () => {
  const running = await startService(sieveService as Service, { listener: 'tls = "off"' })
  try {
    const before = inventory(running.directory).filter(path => !/home\/alice\/sieve(?:\/|$)/.test(path))
    const said = names.flatMap(name => {
      const octets = Buffer.from(name).toString('latin1')
      const literal = `{${octets.length}+}\r\n${octets}`
      return [
        `PUTSCRIPT ${literal} {5+}\r\nkeep;\r\n`,
        `GETSCRIPT ${literal}\r\n`,
        `DELETESCRIPT ${literal}\r\n`,
      ]
    })
    const answers = await dialogue(running.port, [
      'AUTHENTICATE "PLAIN" "AGFsaWNlAHdvbmRlcmxhbmQ="\r\n',
      ...said,
      'LOGOUT\r\n',
    ])
    assert.doesNotMatch(answers, /root:/)
    assert.deepEqual(
      inventory(running.directory).filter(path => !/home\/alice\/sieve(?:\/|$)|home(?:\/alice)?$/.test(path)),
      before.filter(path => !/home(?:\/alice)?$/.test(path)),
    )
    const scripts = join(running.directory, 'home/alice/sieve')
    for (const name of existsSync(scripts) ? inventory(scripts) : [])
      assert.doesNotMatch(name, /[\x00-\x1f\x7f/]/)
  } finally {
    await running.close()
  }
})

test('symbolic links in a Maildir are neither messages nor folders elsewhere', async () => {
  const running = await startService(imapService as Service, { listener: 'tls = "off"' })
  try {
    const maildir = running.maildir('alice')
    for (const part of ['cur', 'new', 'tmp']) mkdirSync(join(maildir, part), { recursive: true })
    const other = join(running.directory, 'other')
    for (const part of ['cur', 'new', 'tmp']) mkdirSync(join(other, part), { recursive: true })
    writeFileSync(join(other, 'cur', '1700000001.M1P1.h:2,'), 'Subject: secret\n\nsecret\n')
    symlinkSync('/etc/passwd', join(maildir, 'cur', '1700000002.M1P1.h:2,'))
    symlinkSync(join(other, 'cur', '1700000001.M1P1.h:2,'), join(maildir, 'new', '1700000003.M1P1.h'))
    symlinkSync(other, join(maildir, '.Elsewhere'))
    const client = await ImapClient.login(running.port, 'alice', 'wonderland')
    assert.doesNotMatch((await client.ok('LIST "" *')).join('\n'), /Elsewhere/)
    assert.match((await client.ok('SELECT INBOX')).join('\n'), /^0 EXISTS/m)
    assert.equal((await client.command('SELECT Elsewhere')).status, 'NO')
    client.close()
  } finally {
    await running.close()
  }
})
