import assert from 'node:assert/strict'
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs'
import { connect, createServer, type Server } from 'node:net'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { connect as connectTls } from 'node:tls'
import { Daemon } from '../../lib/command/daemon.js'
import { relayService } from '../../lib/command/relay.js'
import type { Service } from '../../lib/command/service.js'
import { makeAuthority, makeServer } from '../../lib/setup/certificate.js'
import { listen } from '../../lib/sys/sockets.js'
import { startTls } from '../../lib/wire/tls.js'
import { freePorts, temporaryDirectory, until } from '../support/world.js'

/** Answers each line with what the configuration says at that moment; knows STARTTLS and QUIT. */
const toy: Service<'imapd'> = {
  name: 'imapd',
  start: parts => ({
    busy: 'busy\r\n',
    serve: async (connection, _log, door) => {
      connection.onShutdown = () => {
        connection.write('bye\r\n')
        connection.close()
      }
      connection.write(`${parts.config.hostname}\r\n`)
      for (;;) {
        const line = String((await connection.readLine(100, 10_000)) ?? 'QUIT')
        if (line === 'QUIT') return
        if (line === 'WHO') connection.write(`${connection.remoteAddress} `)
        connection.write(`${line} ${door.listener.tls}\r\n`)
        if (line === 'STARTTLS' && door.identity) await startTls(connection, door.identity)
      }
    },
  }),
}

interface Stage {
  readonly daemon: Daemon
  readonly directory: string
  readonly lines: string[]
  write(text: string): void
}

const head = (name = 'localhost') => `hostname = "${name}"\ndomains = ["example.org"]\n`
const tls = '[tls]\ncertificate = "mail.crt"\nkey = "mail.key"\n'
const door = (address: string, mode = 'off') => `[[imapd.listen]]\naddress = "${address}"\ntls = "${mode}"\n`

async function stage(t: TestContext, text: string, options: object = {}): Promise<Stage> {
  const directory = temporaryDirectory(t)
  const file = join(directory, 'mail.toml')
  const write = (text: string) => writeFileSync(file, text)
  write(text)
  writeFileSync(join(directory, 'users'), '')
  copyFileSync('fixtures/tls/localhost.pem', join(directory, 'mail.crt'))
  copyFileSync('fixtures/tls/localhost-key.pem', join(directory, 'mail.key'))
  const lines: string[] = []
  const log = { journal: true, write: (line: string) => lines.push(line) }
  const daemon = await Daemon.start({ services: [toy], file, log, watch: false, ...options })
  t.after(() => daemon.stop(0))
  return { daemon, directory, lines, write }
}

class Client {
  got = ''
  closed = false
  readonly socket

  constructor(port: number, ca?: string) {
    this.socket = ca
      ? connectTls({ port, host: 'localhost', ca: readFileSync(ca), servername: 'localhost' })
      : connect(port, '127.0.0.1')
    this.socket.on('data', chunk => {
      this.got += chunk
    })
    this.socket.on('close', () => {
      this.closed = true
    })
    this.socket.on('error', error => {
      this.got += error.message
    })
  }

  async ask(line: string): Promise<string> {
    await until(() => this.got !== '' || this.closed)
    this.got = ''
    this.socket.write(`${line}\r\n`)
    await until(() => this.got.endsWith('\n') || this.closed)
    return this.got
  }
}

test('a daemon serves where the configuration says, and says goodbye when it stops', async t => {
  const { daemon, lines } = await stage(t, head() + door('127.0.0.1:0'))
  const client = new Client(daemon.ports('imapd')[0] ?? 0)
  assert.equal(await client.ask('hello'), 'hello off\r\n')
  await daemon.stop(5_000)
  await until(() => client.closed)
  assert.match(client.got, /bye/)
  assert.match(lines.join(''), /<6>event=listening daemon=imapd address=127.0.0.1:0 port=\d+ tls=off/)
})

test('a session that does not end is ended', async t => {
  const { daemon } = await stage(t, head() + door('127.0.0.1:0'))
  const client = new Client(daemon.ports('imapd')[0] ?? 0)
  await until(() => client.got !== '')
  client.socket.pause()
  await daemon.stop(10)
  client.socket.resume()
  await until(() => client.closed)
})

test('a reload changes names, doors and TLS while a session lives', async t => {
  const { daemon, lines, write } = await stage(
    t,
    head() + tls + door('127.0.0.1:0') + door('127.0.0.2:0', 'implicit'),
  )
  const [first = 0, second = 0] = daemon.ports('imapd')
  const client = new Client(first)
  await client.ask('a')
  write(head('other.example.org') + tls + door('127.0.0.1:0', 'offered'))
  await daemon.reload()
  assert.equal(await client.ask('b'), 'b offered\r\n')
  const later = new Client(first)
  await until(() => later.got !== '')
  assert.equal(later.got, 'other.example.org\r\n')
  assert.equal(await later.ask('STARTTLS'), 'STARTTLS offered\r\n')
  later.socket.destroy()
  const refused = new Client(second, 'fixtures/tls/ca.pem')
  await until(() => refused.closed)
  assert.match(refused.got, /ECONNREFUSED/)
  assert.match(lines.join(''), /event=reloaded/)
})

test('a proxy that the configuration names says who the client is; a reload changes which', async t => {
  const { daemon, write } = await stage(t, head() + door('127.0.0.1:0'))
  const port = daemon.ports('imapd')[0] ?? 0
  assert.equal(await new Client(port).ask('WHO'), '127.0.0.1 WHO off\r\n')
  write(`${head()}[imapd]\nproxies = ["127.0.0.0/8"]\n${door('127.0.0.1:0')}`)
  await daemon.reload()
  const client = new Client(port)
  client.socket.write('PROXY TCP4 192.0.2.7 127.0.0.1 4242 993\r\n')
  assert.equal(await client.ask('WHO'), '192.0.2.7 WHO off\r\n')
  const silent = new Client(port)
  silent.socket.write('NO PROXY\r\n\r\n\r\n')
  await until(() => silent.closed)
  assert.equal(silent.got, '')
})

test('a broken configuration is told, and everything goes on', async t => {
  const { daemon, lines, write } = await stage(t, head() + door('127.0.0.1:0'))
  write(`${head()}nonsense = 1\n[smtpd]\nmax_mesage_size = 1\n`)
  await daemon.reload()
  const errors = lines.filter(line => line.startsWith('<3>'))
  assert.equal(errors.length, 2)
  assert.match(errors[1] ?? '', /event=reload-failed reason=".*mail.toml:5: smtpd.max_mesage_size is unknown/)
  const client = new Client(daemon.ports('imapd')[0] ?? 0)
  assert.equal(await client.ask('hello'), 'hello off\r\n')
})

test('a listener for old devices takes old TLS; the others do not', async t => {
  const old = `${door('127.0.0.1:0', 'implicit')}minimum = "TLSv1"\n`
  const { daemon } = await stage(t, head() + tls + old + door('127.0.0.2:0', 'implicit'))
  const spoken = (host: string, port: number) =>
    new Promise<string>(resolve => {
      const options = { maxVersion: 'TLSv1', minVersion: 'TLSv1', ciphers: 'DEFAULT@SECLEVEL=0' } as const
      const socket = connectTls({ host, port, rejectUnauthorized: false, ...options }, () => {
        resolve(socket.getProtocol() ?? '')
        socket.end()
      })
      socket.on('error', () => resolve('refused'))
    })
  const [first = 0, second = 0] = daemon.ports('imapd')
  assert.equal(await spoken('127.0.0.1', first), 'TLSv1')
  assert.equal(await spoken('127.0.0.2', second), 'refused')
})

test('a new certificate is used for new connections without being asked', async t => {
  const { daemon, directory, lines } = await stage(t, head() + tls + door('127.0.0.1:0', 'implicit'), {
    watch: true,
  })
  const port = daemon.ports('imapd')[0] ?? 0
  const before = new Client(port, 'fixtures/tls/ca.pem')
  assert.equal(await before.ask('a'), 'a implicit\r\n')
  const serial = () =>
    new Promise<string>(resolve => {
      const socket = connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false }, () => {
        resolve(socket.getPeerCertificate().serialNumber)
        socket.end()
      })
    })
  const place = { certificate: join(directory, 'mail.crt'), key: join(directory, 'mail.key') }
  const authority = { certificate: join(directory, 'ca.crt'), key: join(directory, 'ca.key') }
  const about = { keyType: 'ecdsa', now: new Date() } as const
  await makeAuthority({ ...about, place: authority, domains: ['example.org'] })
  // Each time both files are replaced by rename, as mail-cert does it.
  for (let round = 0; round < 3; round++) {
    const old = await serial()
    await makeServer({ ...about, authority, place, names: ['localhost'] })
    await until(async () => (await serial()) !== old)
  }
  assert.match(lines.join(''), /event=certificate-replaced/)
  assert.equal(await before.ask('b'), 'b implicit\r\n')
})

test('a certificate that does not fit its key is refused at the start, and at a reload kept out', async t => {
  const { daemon, directory, lines } = await stage(t, head() + tls + door('127.0.0.1:0', 'implicit'))
  copyFileSync('fixtures/tls/other.pem', join(directory, 'mail.crt'))
  await daemon.reload()
  assert.match(lines.at(-1) ?? '', /^<3>event=reload-failed reason=".*are no certificate and its key/)
  const client = new Client(daemon.ports('imapd')[0] ?? 0, 'fixtures/tls/ca.pem')
  assert.equal(await client.ask('hello'), 'hello implicit\r\n')
  await assert.rejects(
    stage(
      t,
      `${head()}[tls]\ncertificate = "mail.toml"\nkey = "mail.key"\n${door('127.0.0.1:0', 'implicit')}`,
    ),
    {
      exit: 78,
    },
  )
})

test('a missing certificate is told with what makes one', async t => {
  await assert.rejects(stage(t, head() + door('127.0.0.1:0', 'implicit')), {
    exit: 78,
    message: /tls\/mail.crt \(ENOENT\); make one with `mail-cert ca && mail-cert server localhost'/,
  })
})

test('a port that is taken is named, and the doors opened before are closed again', async t => {
  const other = createServer()
  await listen(other, { host: '127.0.0.1', port: 0 })
  t.after(() => other.close())
  const taken = portOf(other)
  const [free = 0] = await freePorts(1)
  await assert.rejects(stage(t, head() + door(`127.0.0.1:${free}`) + door(`127.0.0.1:${taken}`)), {
    exit: 69,
    message: new RegExp(`127.0.0.1:${taken} is taken`),
  })
  const again = createServer()
  await listen(again, { host: '127.0.0.1', port: free })
  again.close()
})

test('the process may go home when there was nobody for a while', async t => {
  const sockets = new Map([['left', [99]]])
  const text = `${head()}[imapd]\nidle_exit = "1ms"\nlisten = [{ address = "127.0.0.1:0", tls = "off", socket = "named" }]\n`
  const { daemon, lines } = await stage(t, text, { sockets })
  let idle = false
  daemon.onIdleExit = () => {
    idle = true
  }
  await until(() => idle)
  assert.match(lines.join(''), /event=socket-unused socket=left/)
})

test('mail-relay may go home when nothing waits, and only then', async t => {
  const text = `${head()}[queue]\ndirectory = "queue"\nidle_exit = "1ms"\n[relay]\nhost = "127.0.0.1:9"\ntls = "off"\n`
  const { daemon, directory } = await stage(t, text, { services: [relayService] })
  let idle = false
  daemon.onIdleExit = () => {
    idle = true
  }
  await until(() => idle)
  const { isIdle, close } = await relayService.start(daemon.parts, daemon.log)
  t.after(() => close?.())
  assert.equal(await isIdle?.(), true)
  writeFileSync(join(directory, 'queue/mail/.hidden'), '')
  assert.equal(await isIdle?.(), true)
  writeFileSync(join(directory, 'queue/mail/something'), '')
  assert.equal(await isIdle?.(), false)
})

function portOf(server: Server): number {
  const address = server.address()
  return typeof address === 'object' && address ? address.port : 0
}
