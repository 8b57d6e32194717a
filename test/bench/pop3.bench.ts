/** POP3 on 5,000 messages (90 MB): mail-pop3d and Debian's dovecot-pop3d by turns, each on its own copy. */
import { spawnSync } from 'node:child_process'
import { cpSync, writeFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { join } from 'node:path'
import { Dovecot, mailUser, noDovecot } from '../support/dovecot.js'
import { fillMaildir } from '../support/generator.js'
import { type Figure, measure, pssKiB, report } from '../support/measure.js'
import { makePlace } from '../support/place.js'
import { Program } from '../support/program.js'

const count = Number(process.argv[2] ?? 5_000)
const rounds = 5
/** What a client takes from its socket at a time, in octets. */
const memory = 256 * 1024

/** Does as little as a client can, so that the servers are measured: octets come into one piece of memory and go. */
class Client {
  readonly #socket: Socket
  /** What came last, where the end of an answer may have begun. */
  #tail = ''
  #answers = 0
  #end = '\r\n'
  #wake: () => void = () => {}

  private constructor(port: number) {
    this.#socket = connect({
      port,
      host: '127.0.0.1',
      noDelay: true,
      onread: { buffer: Buffer.allocUnsafe(memory), callback: (count, octets) => this.#take(octets, count) },
    })
  }

  static async open(port: number, user: string): Promise<Client> {
    const client = new Client(port)
    await client.#until(1)
    await client.send([`USER ${user}`])
    await client.send(['PASS pw'])
    return client
  }

  /** Sends commands at once and waits for all their answers. @param multiline whether they end in a lone dot */
  async send(commands: readonly string[], multiline = false): Promise<void> {
    this.#end = multiline ? '\r\n.\r\n' : '\r\n'
    this.#answers = 0
    this.#tail = ''
    this.#socket.write(`${commands.join('\r\n')}\r\n`)
    await this.#until(commands.length)
  }

  #take(octets: Uint8Array, count: number): boolean {
    const end = this.#end
    const chunk = Buffer.from(octets.buffer, octets.byteOffset, count)
    const seam = (this.#tail + chunk.toString('latin1', 0, end.length - 1)).indexOf(end)
    let from = 0
    if (seam >= 0) {
      this.#answers++
      from = seam + end.length - this.#tail.length
    }
    for (let at = chunk.indexOf(end, from); at >= 0; at = chunk.indexOf(end, from)) {
      this.#answers++
      from = at + end.length
    }
    const rest = chunk.toString('latin1', Math.max(from, count - end.length + 1))
    this.#tail = (from > 0 ? rest : this.#tail + rest).slice(1 - end.length)
    this.#wake()
    return true
  }

  async #until(answers: number): Promise<void> {
    while (this.#answers < answers)
      await new Promise<void>(resolve => {
        this.#wake = resolve
      })
  }

  close(): void {
    this.#socket.destroy()
  }
}

const skip = noDovecot()
if (skip) {
  process.stdout.write(`bench:pop3 is skipped: ${skip}\n`)
  process.exit(0)
}

const place = makePlace('[[pop3d.listen]]\naddress = "127.0.0.1:0"\ntls = "off"')
writeFileSync(join(place.directory, 'users'), 'm:{PLAIN}pw\n')
const octets = fillMaildir(place.maildir('m'), count)
const peer = join(place.directory, 'peer')
cpSync(join(place.directory, 'home'), peer, { recursive: true, preserveTimestamps: true })
spawnSync('chown', ['-R', `${mailUser}:${mailUser}`, place.directory])
const dovecot = await Dovecot.start({ homes: { m: join(peer, 'm') } })
const pop3d = await Program.start('mail-pop3d', place.config, { owner: mailUser })
process.stdout.write(`${count} messages, ${(octets / 1e6).toFixed(0)} MB, ${rounds} rounds, medians\n`)

const servers = [
  { port: pop3d.ports('pop3d')[0] as number, pid: pop3d.pid },
  { port: dovecot.pop3, pid: dovecot.pid },
] as const
const numbers = Array.from({ length: count }, (_, i) => i + 1)

type Work = (port: number) => Promise<unknown>
const session =
  (work: (client: Client) => Promise<unknown>): Work =>
  async port => {
    const client = await Client.open(port, 'm')
    await work(client)
    client.close()
  }
const stat = session(client => client.send(['STAT']))
const works: Record<string, Work> = {
  'login, STAT': stat,
  'login, UIDL': session(client => client.send(['UIDL'], true)),
  'login, LIST': session(client => client.send(['LIST'], true)),
  'RETR of all, singly': session(async client => {
    for (const n of numbers) await client.send([`RETR ${n}`], true)
  }),
  'RETR of all, pipelined 20 deep': session(async client => {
    for (let i = 0; i < count; i += 20) {
      const commands = numbers.slice(i, i + 20).map(n => `RETR ${n}`)
      await client.send(commands, true)
    }
  }),
}

async function byTurns(what: string, work: Work, times: number): Promise<void> {
  const figures: [Figure[], Figure[]] = [[], []]
  for (let round = 0; round < times; round++)
    for (const [i, { port, pid }] of servers.entries()) figures[i]?.push(await measure(pid, () => work(port)))
  report(what, ...figures, 'dovecot')
}

await byTurns('login, STAT, the first time', stat, 1)
for (const [what, work] of Object.entries(works)) await byTurns(what, work, rounds)

const before = pssKiB(pop3d.pid)
const sessions = await Promise.all(Array.from({ length: 1_000 }, () => Client.open(servers[0].port, 'm')))
for (const client of sessions) await client.send(['STAT'])
const each = (pssKiB(pop3d.pid) - before) / sessions.length
process.stdout.write(`1,000 sessions at once: all served, ${each.toFixed(1)} KiB each\n`)
for (const client of sessions) client.close()

await pop3d.stop()
await dovecot.stop()
place.remove()
