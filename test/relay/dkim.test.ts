import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { test } from 'node:test'
import { dkimSignature } from '../../lib/relay/dkim.js'
import { DotEncoder } from '../../lib/wire/dot.js'

const keys = {
  rsa: generateKeyPairSync('rsa', { modulusLength: 2048 }),
  ed25519: generateKeyPairSync('ed25519'),
}
const now = 1_764_000_000_000

async function* chunks(text: string, size: number): AsyncGenerator<Buffer> {
  const octets = Buffer.from(text)
  for (let at = 0; at < octets.length; at += size) yield octets.subarray(at, at + size)
}

const signed = (header: string, body: string, key: KeyObject, size = 10) =>
  dkimSignature(Buffer.from(header), chunks(body, size), { domain: 'x.org', selector: 's', key }, now)

const header =
  'From: =?UTF-8?B?7ZWc6riA?= <a@x.org>\nTo: b@example.org,\n\tc@example.org\nSubject:  two   spaces \nDate: x\nMessage-ID: <1@x.org>\n\n'
const bodies: [string, string][] = [
  ['plain', 'one\ntwo\n'],
  ['white space at ends and in lines', 'one  \t two \n\tthree\t\n'],
  ['empty lines in the middle and at the end', '\none\n\n\ntwo\n\n \n\n'],
  ['nothing', ''],
  ['no last line end', 'one\ntwo'],
  ['dots', '.\n..\n.one\n'],
  ['CRLF, and a CR that ends no line', 'one\r\nt\rwo\r\n\r\n'],
  ['8-bit', 'héllo 한글\n'],
]

/** Verified by python3-dkim, an implementation that is not ours. */
const python = `
import sys, dkim
message, record = sys.stdin.buffer.read().split(b'\\0', 1)
sys.exit(0 if dkim.verify(message, dnsfunc=lambda name, timeout=5: record) else 1)
`
const skip =
  spawnSync('/usr/bin/python3', ['-c', 'import dkim']).status === 0 ? false : 'python3-dkim is not installed'

function record(key: KeyObject): string {
  const der = createPublicKey(key).export({ type: 'spki', format: 'der' })
  if (key.asymmetricKeyType === 'rsa') return `v=DKIM1; k=rsa; p=${der.toString('base64')}`
  return `v=DKIM1; k=ed25519; p=${der.subarray(-32).toString('base64')}`
}

for (const [type, { privateKey }] of Object.entries(keys))
  for (const [what, body] of bodies)
    test(`a signature of ${type} verifies: ${what}`, { skip }, async () => {
      const signature = await signed(header, body, privateKey)
      const encoder = new DotEncoder()
      // What the server has after taking the stuffed dots away again.
      const wire = Buffer.concat([encoder.push(Buffer.from(signature + header + body)), encoder.end()])
        .toString('latin1')
        .replace(/\.\r\n$/, '')
        .replace(/(^|\r\n)\./g, '$1')
      const input = Buffer.concat([Buffer.from(wire, 'latin1'), Buffer.from(`\0${record(privateKey)}`)])
      const { status, stderr } = spawnSync('/usr/bin/python3', ['-c', python], { input })
      assert.equal(status, 0, stderr.toString() || wire)
    })

test('how the body comes in pieces changes nothing', async () => {
  const body = bodies.map(([, text]) => text).join('\n')
  const whole = await signed(header, body, keys.ed25519.privateKey, 10_000)
  for (const size of [1, 2, 3, 7])
    assert.equal(await signed(header, body, keys.ed25519.privateKey, size), whole)
})

test('only senders of the domain, or below it, are signed for', async () => {
  const key = keys.ed25519.privateKey
  assert.equal(await signed('From: a@other.org\n\n', '', key), '')
  assert.equal(await signed('From: a@notx.org\n\n', '', key), '')
  assert.equal(await signed('Subject: x\n\n', '', key), '')
  assert.match(
    await signed('From: a@sub.X.org\n\n', '', key),
    /^DKIM-Signature: v=1; a=ed25519-sha256; .*d=x\.org;/,
  )
})

test('lines stay short', async () => {
  const signature = await signed(
    header.replace(
      '\n\n',
      '\nCc: x\nReply-To: x\nReferences: x\nIn-Reply-To: x\nMIME-Version: 1.0\nContent-Type: x\nContent-Transfer-Encoding: x\n\n',
    ),
    '',
    keys.rsa.privateKey,
  )
  for (const line of signature.split('\n')) assert.ok(line.length <= 120, line)
})
