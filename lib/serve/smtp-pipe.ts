/**
 * `smtpd.pipe`: a program that sees each message before it is taken. It reads the message on its standard input, its
 * lines ending in LF, and answers with one line of JSON:
 *
 *     {"action": "accept", "headers": {"X-Spam": "no"}}    headers may stand beside every action but reject
 *     {"action": "reject", "text": "why"}                  550 5.7.1; with "temporary": true, 451 4.7.1
 *     {"action": "redirect", "to": ["postmaster@x.example"]}
 *     {"action": "discard"}
 *
 * Anything else, a status that is not 0, and a silence are failures: the sender is told 451, and keeps the message.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { SmtpError } from '../smtp/reply.js'
import { TemporaryError } from '../sys/error.js'
import type { Log } from '../sys/log.js'
import type { Relayed } from './incoming.js'
import { formatField } from './smtp-checks.js'
import type { Verdict } from './smtp-verdict.js'

export interface PipeOptions {
  /** Run by `sh -c`. */
  readonly command: string
  /** In milliseconds. */
  readonly timeout: number
  readonly log: Log
}

/** Programs at a time; other messages wait. */
const mostAtOnce = 8
/** Octets of an answer. */
const longestAnswer = 65_536

/** @throws SmtpError where the program rejects @throws TemporaryError where it fails */
export type Ask = (message: Relayed, octets: AsyncIterable<Buffer>) => Promise<Verdict>

/** Makes the way to the program. */
export function pipeTo(options: PipeOptions): Ask {
  const turns = new Turns(mostAtOnce)
  return async (message, octets) => {
    const answer = await turns.run(() => ask(options, message, octets))
    return readAnswer(answer, options, message)
  }
}

async function ask(options: PipeOptions, message: Relayed, octets: AsyncIterable<Buffer>): Promise<string> {
  const child = spawn('/bin/sh', ['-c', options.command], {
    stdio: ['pipe', 'pipe', 'pipe'],
    // A group of its own, so that nothing it started outlives its time.
    detached: true,
    cwd: '/',
    env: environmentOf(message),
  })
  let timedOut = false
  const clock = setTimeout(() => {
    timedOut = true
    killGroup(child)
    // What left the group may hold them open for ever.
    child.stdout?.destroy()
    child.stderr?.destroy()
  }, options.timeout)
  try {
    const ended = once(child, 'close') as Promise<[number | null, string | null]>
    const [answer, complaint, [status, signal]] = await Promise.all([
      collect(child.stdout as Readable, () => killGroup(child)),
      collect(child.stderr as Readable, () => {}),
      ended,
      feed(child, octets),
    ])
    if (status === 0 && !timedOut) return answer
    const words = complaint.trim().slice(0, 200)
    throw failure(options, message, `it ended with ${status ?? signal}${words && `: ${words}`}`)
  } catch (error) {
    throw timedOut ? failure(options, message, `it gave no answer in ${options.timeout} ms`) : error
  } finally {
    clearTimeout(clock)
    killGroup(child)
  }
}

/** It may have seen enough before the end. */
async function feed(child: ChildProcess, octets: AsyncIterable<Buffer>): Promise<void> {
  if (!child.stdin) return
  await pipeline(Readable.from(octets), child.stdin).catch(error => {
    if (!['EPIPE', 'ECONNRESET', 'ERR_STREAM_PREMATURE_CLOSE', 'ERR_STREAM_DESTROYED'].includes(error.code))
      throw error
  })
}

async function collect(stream: Readable, tooMuch: () => void): Promise<string> {
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of stream) {
    size += chunk.length
    if (size <= longestAnswer) chunks.push(chunk)
    else tooMuch()
  }
  return Buffer.concat(chunks).toString()
}

function killGroup({ pid }: ChildProcess): void {
  try {
    if (pid !== undefined) process.kill(-pid, 'SIGKILL')
  } catch {
    // All of it has ended.
  }
}

function environmentOf({ id, sender, envelope, peer, login }: Relayed): Record<string, string> {
  return {
    PATH: '/usr/local/bin:/usr/bin:/bin',
    LANG: 'C.UTF-8',
    MESSAGE_ID: id,
    SENDER: sender,
    RECIPIENTS: envelope.recipients.map(({ path }) => path.address).join('\n'),
    CLIENT_ADDRESS: peer.address,
    CLIENT_HELO: peer.helo,
    LOGIN: login?.name ?? '',
  }
}

interface Answer {
  readonly action?: unknown
  readonly headers?: unknown
  readonly text?: unknown
  readonly temporary?: unknown
  readonly to?: unknown
}

function readAnswer(line: string, options: PipeOptions, message: Relayed): Verdict {
  const bad = (why: string) => failure(options, message, why)
  const answer = parse(line)
  if (!answer) throw bad('its answer is no line of JSON')
  const headers = headersOf(answer.headers)
  if (headers === undefined) throw bad('its headers are no names with their values')
  if (answer.action === 'accept') return { headers }
  if (answer.action === 'discard') return { headers, discard: true }
  if (answer.action === 'redirect') {
    const to = Array.isArray(answer.to) ? answer.to : [answer.to]
    if (to.length === 0 || !to.every(isAddress)) throw bad('it redirects to no address')
    return { headers, redirect: to }
  }
  if (answer.action !== 'reject') throw bad('its action is none of accept, reject, redirect and discard')
  const text = typeof answer.text === 'string' && answer.text !== '' ? answer.text : 'The message is refused'
  throw answer.temporary === true ? new SmtpError(451, '4.7.1', text) : new SmtpError(550, '5.7.1', text)
}

function parse(line: string): Answer | undefined {
  try {
    const value: unknown = JSON.parse(line)
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? value : undefined
  } catch {
    return undefined
  }
}

function headersOf(value: unknown): string | undefined {
  if (value === undefined) return ''
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined
  let lines = ''
  for (const [name, text] of Object.entries(value)) {
    if (!/^[\x21-\x39\x3b-\x7e]{1,70}$/.test(name) || typeof text !== 'string') return undefined
    lines += formatField(name, text)
  }
  return lines
}

function isAddress(value: unknown): value is string {
  return (
    typeof value === 'string' && value.length < 1_000 && /^[^\s@<>\x00-\x1f]+@[^\s@<>\x00-\x1f]+$/.test(value)
  )
}

/** The log is told why; the sender is told only that it is not the message's fault. */
function failure({ command, log }: PipeOptions, { id }: Relayed, reason: string): TemporaryError {
  log.error('pipe-failed', { message: id, command, reason })
  return new TemporaryError('The program that checks messages here failed; try again later')
}

/** So many at a time; the others in the order they came. */
class Turns {
  #free: number
  readonly #waiting: (() => void)[] = []

  constructor(free: number) {
    this.#free = free
  }

  async run<T>(work: () => Promise<T>): Promise<T> {
    if (this.#free > 0) this.#free--
    else await new Promise<void>(resolve => this.#waiting.push(resolve))
    try {
      return await work()
    } finally {
      const next = this.#waiting.shift()
      if (next) next()
      else this.#free++
    }
  }
}
