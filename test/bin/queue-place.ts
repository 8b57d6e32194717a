/** A configuration with a queue and a smarthost, and the commands that work on it, for tests. */
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import type { TestContext } from 'node:test'
import type { Envelope } from '../../lib/queue/entry.js'
import { parseEnvelope } from '../../lib/queue/envelope-text.js'
import { isMissing } from '../../lib/sys/error.js'
import { commandPath } from '../support/program.js'
import { temporaryDirectory } from '../support/world.js'

export interface Ended {
  readonly status: number | null
  readonly stdout: string
  readonly stderr: string
}

export interface QueuePlace {
  readonly directory: string
  readonly config: string
  run(name: string, args?: readonly string[], input?: string | Buffer, uid?: number): Ended
  /** The same, while this process goes on: for commands that speak with a server in it. */
  runBeside(name: string, args?: readonly string[]): Promise<Ended>
  /** Entries of the queue, or of its drop directory, oldest first, with their messages. */
  entries(folder?: 'mail' | 'drop'): { id: string; envelope: Envelope; message: string }[]
  /** Texts of the messages in a user's INBOX. */
  inbox(user: string): string[]
}

/** @param relay lines of the table [relay]; none without */
export function queuePlace(t: Pick<TestContext, 'after'>, relay?: string, more = ''): QueuePlace {
  const directory = temporaryDirectory(t)
  // Users without rights come here too.
  chmodSync(directory, 0o755)
  const config = join(directory, 'mail.toml')
  writeFileSync(
    config,
    `hostname = "mail.x.internal"
domains = ["x.internal"]
[users]
home = "home/%n"
[queue]
directory = "queue"
${relay === undefined ? '' : `[relay]\n${relay}\n`}${more}`,
    { mode: 0o644 },
  )
  writeFileSync(join(directory, 'users'), 'root:{PLAIN}pw\nalice:{PLAIN}pw\n', { mode: 0o644 })
  writeFileSync(join(directory, 'aliases'), 'postmaster: root\nfar: alice, far@example.org\n', {
    mode: 0o644,
  })
  return {
    directory,
    config,
    run: (name, args = [], input = '', uid) => {
      const { status, stdout, stderr } = spawnSync(process.execPath, [commandPath(name), ...args], {
        input,
        encoding: 'utf8',
        env: { PATH: process.env['PATH'], POSTERN_CONFIG: config },
        ...(uid === undefined ? {} : { uid, gid: uid }),
      })
      return { status, stdout, stderr }
    },
    runBeside: async (name, args = []) => {
      const child = spawn(process.execPath, [commandPath(name), ...args], {
        stdio: ['ignore', 'pipe', 'pipe'],
        env: { PATH: process.env['PATH'], POSTERN_CONFIG: config },
      })
      const [stdout, stderr, [status]] = await Promise.all([
        text(child.stdout),
        text(child.stderr),
        once(child, 'close'),
      ])
      return { status, stdout, stderr }
    },
    entries: (folder = 'mail') => {
      const at = join(directory, 'queue', folder)
      return readdirSync(at)
        .filter(name => /^[^.]+\.envelope$/.test(name))
        .sort()
        .flatMap(name => {
          const id = name.slice(0, -'.envelope'.length)
          try {
            const envelope = parseEnvelope(readFileSync(join(at, name), 'utf8')) as Envelope
            return [{ id, envelope, message: readFileSync(join(at, `${id}.message`), 'utf8') }]
          } catch (error) {
            // A daemon may just have ended it.
            if (isMissing(error)) return []
            throw error
          }
        })
    },
    inbox: user => {
      const at = join(directory, 'home', user, 'Maildir', 'new')
      return readdirSync(at)
        .sort()
        .map(name => readFileSync(join(at, name), 'utf8'))
    },
  }
}
