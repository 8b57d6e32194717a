/**
 * A provider that says exactly what a file says. Lines of the file:
 *
 *     # words          a comment
 *     C: words         the client's next line without its tag, `*` standing for anything and `\*` for itself
 *     S: words         said to the client, CRLF added; $t is the tag of the last line
 *     R: words\r\n     said exactly; \r \n \\ \xHH are octets, {M1} the size of a message
 *     M: number        the message with that number (world.ts), as a literal's octets
 *
 * Each connection plays the file from its beginning.
 */
import { readFileSync } from 'node:fs'
import { createServer, type Server, type Socket } from 'node:net'
import { text } from './world.js'

export interface Fake {
  readonly port: number
  /** What went otherwise than in the file. */
  readonly complaints: readonly string[]
  close(): void
}

export async function fakeProvider(file: string): Promise<Fake> {
  const steps = readFileSync(file, 'utf8')
    .split('\n')
    .filter(line => line.trim() !== '' && !line.startsWith('#'))
  const complaints: string[] = []
  const server: Server = createServer(socket => new Play(socket, steps, complaints).go())
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  return { port, complaints, close: () => server.close() }
}

class Play {
  readonly #socket: Socket
  readonly #steps: readonly string[]
  readonly #complaints: string[]
  #at = 0
  #tag = ''
  #pending = ''

  constructor(socket: Socket, steps: readonly string[], complaints: string[]) {
    this.#socket = socket
    this.#steps = steps
    this.#complaints = complaints
    socket.on('error', () => {})
    socket.on('data', chunk => {
      this.#pending += chunk.toString('latin1')
      for (let end = this.#pending.indexOf('\r\n'); end >= 0; end = this.#pending.indexOf('\r\n')) {
        const line = this.#pending.slice(0, end)
        this.#pending = this.#pending.slice(end + 2)
        this.#hear(line)
      }
    })
  }

  #hear(line: string): void {
    const wanted = this.#steps[this.#at] ?? 'nothing more'
    const [tag = '', ...words] = line.split(' ')
    const said = /^[A-Z0-9]+$/i.test(tag) && words.length > 0 ? words.join(' ') : line
    if (said !== line) this.#tag = tag
    const pattern = wanted.slice(3).replace(/\\\*|[\\^$.|?+()[\]{}*]/g, piece => {
      if (piece === '*') return '.*'
      return piece === '\\*' ? piece : `\\${piece}`
    })
    if (!wanted.startsWith('C: ') || !new RegExp(`^${pattern}$`, 'i').test(said)) {
      this.#complaints.push(`wanted "${wanted}", heard "${said}"`)
      this.#socket.destroy()
      return
    }
    this.#at++
    this.go()
  }

  go(): void {
    for (; ; this.#at++) {
      const step = this.#steps[this.#at]
      if (step === undefined || step.startsWith('C: ')) return
      const words = step.slice(3).replaceAll('$t', this.#tag)
      if (step.startsWith('S: ')) this.#socket.write(`${words}\r\n`, 'latin1')
      else if (step.startsWith('M: ')) this.#socket.write(messageOctets(Number(words)))
      else this.#socket.write(octetsOf(words), 'latin1')
    }
  }
}

/** A message as it is on the wire. */
export function messageOctets(number: number): string {
  return text(number).replaceAll('\n', '\r\n')
}

function octetsOf(words: string): string {
  return words
    .replace(/\\(?:([rn\\])|x([0-9a-f]{2}))/gi, (_, letter: string | undefined, hex: string) => {
      if (letter !== undefined) return { r: '\r', n: '\n' }[letter] ?? '\\'
      return String.fromCharCode(Number.parseInt(hex, 16))
    })
    .replace(/\{M(\d+)\}/g, (_, number: string) => `{${messageOctets(Number(number)).length}}`)
}
