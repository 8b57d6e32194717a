import assert from 'node:assert/strict'
import { createHash, createHmac, pbkdf2Sync } from 'node:crypto'
import { test } from 'node:test'
import fc from 'fast-check'
import { readClientFirst, ScramExchange, type ScramKeys } from '../../lib/wire/scram.js'

function keysOf(password: string, salt: Buffer, iterations: number): ScramKeys {
  const salted = pbkdf2Sync(password, salt, iterations, 32, 'sha256')
  const key = (text: string) => createHmac('sha256', salted).update(text).digest()
  const storedKey = createHash('sha256').update(key('Client Key')).digest()
  return { salt, iterations, storedKey, serverKey: key('Server Key') }
}

// RFC 7677 §3.
const keys = keysOf('pencil', Buffer.from('W22ZaJ0SNY7soEsUEjb6gQ==', 'base64'), 4_096)
const nonce = '%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0'
const first = 'n,,n=user,r=rOprNGfwEbeRWgbNEkqO'
const start = () => new ScramExchange(readClientFirst(first) as never, keys, nonce)
const last = `c=biws,r=rOprNGfwEbeRWgbNEkqO${nonce},p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=`

test('the exchange of RFC 7677 §3', () => {
  const server = start()
  assert.equal(server.challenge, `r=rOprNGfwEbeRWgbNEkqO${nonce},s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096`)
  assert.deepEqual(server.finish(last), { verified: 'v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=' })
})

const wrong = [
  [last.replace('dHzb', 'eHzb'), 'wrong', 'another proof'],
  [last.replace('r=rOpr', 'r=xOpr'), 'malformed', 'another nonce'],
  [last.replace(nonce, ''), 'malformed', 'only the client’s part of the nonce'],
  [last.replace('biws', 'eSws'), 'malformed', 'another header than in the first message'],
  [last.slice(0, last.indexOf(',p=')), 'malformed', 'no proof'],
  [`${last},x=y`, 'malformed', 'something after the proof'],
  [last.replace('=dHzb', '=Hzb'), 'malformed', 'a proof that is too short'],
  ['', 'malformed', 'nothing'],
] as const
for (const [message, outcome, why] of wrong)
  test(`finish() calls ${why} ${outcome}`, () => assert.equal(start().finish(message), outcome))

const firsts = [
  ['n,,n=user,r=abc', { user: 'user', authorization: '', header: 'n,,', bare: 'n=user,r=abc', nonce: 'abc' }],
  [
    'y,a=bo,n=bo,r=abc,x=1',
    { user: 'bo', authorization: 'bo', header: 'y,a=bo,', bare: 'n=bo,r=abc,x=1', nonce: 'abc' },
  ],
  [
    'n,,n=a=2Cb=3Dc,r=x',
    { user: 'a,b=c', authorization: '', header: 'n,,', bare: 'n=a=2Cb=3Dc,r=x', nonce: 'x' },
  ],
  ['n,,n=a=2cb,r=x', undefined],
  ['n,,n=a=b,r=x', undefined],
  ['n,,n=,r=x', undefined],
  ['n,,n=a,r=', undefined],
  ['n,,n=a,r=x y', undefined],
  ['p=tls-unique,,n=a,r=x', undefined],
  ['n,,m=ext,n=a,r=x', undefined],
  ['n=a,r=x', undefined],
  ['', undefined],
] as const
for (const [message, expected] of firsts)
  test(`readClientFirst() ${message}`, () => assert.deepEqual(readClientFirst(message), expected))

test('no message makes the reader throw, and none but the right one is verified', () => {
  fc.assert(
    fc.property(fc.string(), fc.string(), (a, b) => {
      readClientFirst(a)
      readClientFirst(`n,,n=${a},r=${b}`)
      const message = `${a}${last.slice(a.length)}${b}`
      assert.equal(typeof start().finish(message) === 'object', message === last)
    }),
    { examples: [['c=', ',']] },
  )
})
