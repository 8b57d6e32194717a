/** More mail programs against mail-smtpd: msmtp, s-nail and nodemailer, each by all the ways that it knows. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, beforeEach, test } from 'node:test'
import { createTransport } from 'nodemailer'
import { makePlace, type Place } from '../support/place.js'
import { has, Program } from '../support/program.js'
import { removeTree } from '../support/world.js'

let place: Place
let smtpd: Program
let submission = 0
let tls = 0
let lan = 0

before(async () => {
  place = makePlace(
    ['required', 'implicit', 'off']
      .map(mode => {
        const auth = mode === 'off' ? 'off' : 'required'
        return `[[smtpd.listen]]\naddress = "127.0.0.1:0"\ntls = "${mode}"\nauth = "${auth}"\n`
      })
      .join(''),
    'mechanisms = ["PLAIN", "LOGIN", "CRAM-MD5"]\npenalty = "0s"',
  )
  smtpd = await Program.start('mail-smtpd', place.config)
  ;[submission = 0, tls = 0, lan = 0] = smtpd.ports('smtpd')
})

after(async () => {
  await smtpd?.stop()
  place?.remove()
})

beforeEach(() => {
  for (const user of ['alice', 'bob']) removeTree(place.maildir(user))
})

/** The text of a user's only message. */
function received(user: string): string {
  const directory = join(place.maildir(user), 'new')
  const names = readdirSync(directory)
  assert.equal(names.length, 1)
  return readFileSync(join(directory, names[0] as string), 'utf8')
}

interface Ended {
  readonly status: number | string
  readonly output: string
}

function run(program: string, args: readonly string[], input: string): Promise<Ended> {
  return new Promise(resolve => {
    const options = { env: { ...process.env, LC_ALL: 'C.UTF-8', HOME: place.directory }, timeout: 60_000 }
    const child = execFile(program, args, options, (error, stdout, stderr) =>
      resolve({ status: error ? (error.code ?? error.signal ?? -1) : 0, output: stdout + stderr }),
    )
    child.stdin?.on('error', () => {})
    child.stdin?.end(input)
  })
}

const message = 'From: alice@ilnmors.internal\nTo: bob@ilnmors.internal\nSubject: Grüße\n\n.\n..\nünï\n'

function msmtp(port: number, password: string, ...more: string[]): Promise<Ended> {
  const server = ['--host=localhost', `--port=${port}`, '--tls=on', `--tls-trust-file=${place.ca}`]
  const login = ['--user=alice', `--passwordeval=echo ${password}`, '--from=alice@ilnmors.internal']
  return run('msmtp', [...server, ...login, ...more, '--', 'bob@ilnmors.internal'], message)
}

for (const mechanism of ['plain', 'login', 'cram-md5'])
  test(`msmtp logs in with ${mechanism}, over STARTTLS and at once`, { skip: !has('msmtp') }, async () => {
    for (const way of ['on', 'off']) {
      const port = way === 'on' ? submission : tls
      const ended = await msmtp(port, 'wonderland', `--auth=${mechanism}`, `--tls-starttls=${way}`)
      assert.deepEqual(ended, { status: 0, output: '' })
      const text = received('bob')
      assert.match(text, /with ESMTPSA id /)
      assert.ok(text.endsWith('\nSubject: Grüße\n\n.\n..\nünï\n'))
      removeTree(place.maildir('bob'))
    }
  })

test('msmtp says what is wrong: the password, the recipient', { skip: !has('msmtp') }, async () => {
  const wrong = await msmtp(tls, 'wrong', '--auth=plain', '--tls-starttls=off')
  assert.equal(wrong.status, 77)
  assert.match(wrong.output, /535 5\.7\.8/)
  const unknown = await run(
    'msmtp',
    ['--host=localhost', `--port=${lan}`, '--from=a@x.example', '--', 'nobody@ilnmors.internal'],
    message,
  )
  assert.match(unknown.output, /550 5\.1\.1/)
})

test('msmtp asks what the server is', { skip: !has('msmtp') }, async () => {
  const args = ['--serverinfo', '--host=localhost', `--port=${submission}`, '--tls=on', '--tls-starttls=on']
  const { output } = await run('msmtp', [...args, `--tls-trust-file=${place.ca}`], '')
  for (const word of ['PIPELINING', 'SIZE', 'DSN', 'STARTTLS', 'CRAM-MD5', 'PLAIN', 'LOGIN'])
    assert.match(output, new RegExp(`\\b${word}\\b`))
})

for (const [way, mechanism] of [
  ['smtps', 'plain'],
  ['submission', 'login'],
  ['submission', 'cram-md5'],
] as const)
  test(`s-nail sends an attachment by ${way} with ${mechanism}`, { skip: !has('s-nail') }, async () => {
    const file = join(place.directory, 'all.bin')
    writeFileSync(file, Buffer.from(Array.from({ length: 256 }, (_, i) => i)))
    const port = way === 'smtps' ? tls : submission
    const settings = [
      'v15-compat=yes',
      `mta=${way}://alice:wonderland@localhost:${port}`,
      `smtp-auth=${mechanism}`,
      ...(way === 'smtps' ? [] : ['smtp-use-starttls']),
      `tls-ca-file=${place.ca}`,
      'tls-verify=strict',
      'hostname=client.example',
      'sendwait',
    ].flatMap(setting => ['-S', setting])
    const args = ['-:/', ...settings, '-r', 'alice@ilnmors.internal', '-s', 'Grüße', '-a', file]
    const { status, output } = await run('s-nail', [...args, 'bob@ilnmors.internal'], '.dots\nünï\n')
    assert.equal(status, 0, output)
    const text = received('bob')
    assert.match(text, /with ESMTPSA id /)
    assert.match(text, /\n\.dots\n/)
    assert.ok(text.replaceAll('\n', '').includes(readFileSync(file).toString('base64')))
  })

test('nodemailer: a pool of connections, attachments, UTF-8 addresses, DSN, what was refused', async () => {
  const pool = createTransport({
    host: 'localhost',
    port: submission,
    requireTLS: true,
    pool: true,
    maxConnections: 3,
    auth: { user: 'alice', pass: 'wonderland' },
    tls: { ca: readFileSync(place.ca) },
  })
  const send = (subject: string) =>
    pool.sendMail({
      from: 'alice@ilnmors.internal',
      to: ['bob@ilnmors.internal', 'nobody@ilnmors.internal'],
      subject,
      text: '.\n..dots\n',
      dsn: { id: 'x1', return: 'headers', notify: ['failure'], recipient: 'alice@ilnmors.internal' },
      attachments: [{ filename: '표.bin', content: Buffer.alloc(300_000, 7) }],
    })
  const sent = await Promise.all(Array.from({ length: 12 }, (_, i) => send(`Grüße ${i}`)))
  pool.close()
  for (const { accepted, rejected } of sent) {
    assert.deepEqual(accepted, ['bob@ilnmors.internal'])
    assert.deepEqual(rejected, ['nobody@ilnmors.internal'])
  }
  const names = readdirSync(join(place.maildir('bob'), 'new'))
  assert.equal(names.length, 12)
})

for (const method of ['PLAIN', 'LOGIN', 'CRAM-MD5'])
  test(`nodemailer logs in with ${method}, and is refused with a wrong password`, async () => {
    const transport = (pass: string) =>
      createTransport({
        host: 'localhost',
        port: tls,
        secure: true,
        authMethod: method,
        auth: { user: 'alice', pass },
        tls: { ca: readFileSync(place.ca) },
      })
    const mail = { from: 'alice@ilnmors.internal', to: 'bob@ilnmors.internal', text: 'x' }
    await transport('wonderland').sendMail(mail)
    assert.match(received('bob'), /with ESMTPSA id /)
    await assert.rejects(transport('wrong').sendMail(mail), { code: 'EAUTH', responseCode: 535 })
  })
