/** mail-suite --demo: sets up a suite in one directory, runs it on loopback, says how to use it. */
import { createServer } from 'node:net'
import { networkInterfaces } from 'node:os'
import { dirname, join, relative, resolve } from 'node:path'
import { type Demo, type DemoPort, demoPorts, openDemo, prepareDemo } from '../setup/demo.js'
import { errorCode, exits, MailError, TemporaryError } from '../sys/error.js'
import { type Lock, lock } from '../sys/lock.js'
import { listen } from '../sys/sockets.js'
import { serve } from './daemon.js'
import { progress } from './progress.js'
import type { Service } from './service.js'

export interface DemoCall {
  /** The directory that keeps everything. */
  readonly state: string
  /** What is added to each port. */
  readonly offset: number
  readonly services: readonly Service[]
}

/** A process that was killed leaves a lock for ten seconds; in milliseconds. */
const lockWait = 12_000

/** Runs the demonstration until it is told to end. @returns the exit status */
export async function runDemo(call: DemoCall): Promise<number> {
  const directory = resolve(call.state)
  const hosts = loopbacks()
  const here = new Set(call.services.map(service => service.name))
  const ports = demoPorts
    .filter(({ server }) => here.has(server))
    .map(each => ({ ...each, port: each.port + call.offset }))
  await refuseTaken(hosts, ports)
  await openDemo(directory)
  const held = await hold(directory)
  try {
    const shown = await progress()
    const demo = await prepareDemo({ directory, ports, hosts, now: new Date(), step: shown.step }).finally(
      shown.end,
    )
    const services = call.services.filter(({ name }) => ports.some(({ server }) => server === name))
    return await serve({
      services,
      file: demo.config,
      ready: () => process.stdout.write(guide(demo, ports, directory)),
    })
  } finally {
    await held.release()
  }
}

async function hold(directory: string): Promise<Lock> {
  try {
    return await lock(join(directory, 'suite'), lockWait)
  } catch (error) {
    if (!(error instanceof TemporaryError)) throw error
    throw new TemporaryError(
      `${directory} is in use by another mail-suite --demo; stop it, or choose another with --state`,
    )
  }
}

/** IPv4, and IPv6 where this machine has it. */
function loopbacks(): string[] {
  const all = Object.values(networkInterfaces()).flat()
  return all.some(each => each?.address === '::1') ? ['127.0.0.1', '[::1]'] : ['127.0.0.1']
}

/** Looks before anything is made. */
async function refuseTaken(hosts: readonly string[], ports: readonly DemoPort[]): Promise<void> {
  for (const { port } of ports)
    for (const host of hosts) {
      const server = createServer()
      try {
        await listen(server, { host: host.replace(/^\[|\]$/g, ''), port })
      } catch (error) {
        if (errorCode(error instanceof Error ? error.cause : undefined) !== 'EADDRINUSE') throw error
        throw new MailError(
          `port ${port} on ${host} is taken by another program, perhaps by another mail-suite --demo; ` +
            'stop that one, or choose other ports with --port-offset 1000 (npm start -- --port-offset 1000)',
          { exit: exits.unavailable },
        )
      } finally {
        await new Promise(done => server.close(done))
      }
    }
}

/** What a person needs to know, for stdout. Passwords are in it at the first start only. */
export function guide(demo: Demo, ports: readonly DemoPort[], directory: string): string {
  const [first, second] = demo.users as [Demo['users'][number], Demo['users'][number]]
  const userCommand = (verb: string) =>
    `node ${quote(ours('mail-user.cjs'))} ${verb} -c ${quote(demo.config)} ${first.address}`
  const password =
    first.password ??
    `as shown at the first start; set another with\n                ${userCommand('passwd')}`
  const rows = [
    ['User name', first.address],
    ['Password', password],
    ...rowsOf('IMAP', 'imapd', ports),
    ...rowsOf(
      'SMTP',
      'smtpd',
      ports.filter(({ auth }) => auth === 'required'),
    ),
    ...rowsOf('POP3', 'pop3d', ports),
    ...rowsOf('ManageSieve', 'sieved', ports),
    ['Certificate', `signed by ${demo.authority}: import it as an authority`],
  ]
  const isNew = first.password !== undefined
  return `
Postern runs on this machine, for this machine. All it keeps is in ${directory}

In a mail client:

${rows.map(([name = '', value]) => `  ${name.padEnd(13)} ${value}\n`).join('')}
Somebody to write to: ${second.address}${second.password === undefined ? '' : `, password ${second.password}`}
${isNew ? `The passwords are shown this once. To set another:\n\n  ${userCommand('passwd')}\n` : ''}
The welcome message, read over IMAP:

  ${curlLine(demo, ports)}

Ctrl-C ends it. The next start goes on with the same users and the same mail.

`
}

/** Takes its password from a file, so it can be pasted at any time and shows no secret to other users. */
export function curlLine(demo: Demo, ports: readonly DemoPort[]): string {
  const port = ports.find(({ server, tls }) => server === 'imapd' && tls === 'implicit')?.port
  return `curl -sS --netrc-file ${quote(demo.netrc)} --cacert ${quote(demo.authority)} 'imaps://localhost:${port}/INBOX;MAILINDEX=1'`
}

function rowsOf(name: string, server: string, ports: readonly DemoPort[]): string[][] {
  const words = { implicit: 'SSL/TLS', required: 'STARTTLS', offered: 'STARTTLS' }
  const texts = ports
    .filter(each => each.server === server)
    .map(({ port, tls }) => `port ${port} (${words[tls]})`)
    .reverse()
  return texts.length === 0 ? [] : [[name, `localhost, ${texts.join(' or ')}`]]
}

/** Another command of this installation, as one types it from here. */
function ours(name: string): string {
  return relative(process.cwd(), join(dirname(process.argv[1] ?? ''), name))
}

/** A word for the shell. */
function quote(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`
}
