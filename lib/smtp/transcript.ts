/** What is said on a connection, for people to read when it fails; shaped as the logger that nodemailer calls. */

/** Lines kept of the beginning (greeting, TLS, login) and of the message under way. */
const most = { beginning: 60, message: 200 }

interface Data {
  readonly tnx?: string
}

/** A line a command or reply: `C: MAIL FROM:<a@example.org>`, `S: 250 OK`, `# note`. Passwords never get here. */
export class Transcript {
  #beginning: string[] = []
  #message: string[] | undefined
  /** Whether the server said anything since {@link Transcript.restart}. */
  heard = false

  get lines(): readonly string[] {
    return [...this.#beginning, ...(this.#message ?? [])]
  }

  /** What comes from now on belongs to messages. */
  mark(): void {
    this.#message = []
  }

  /** A new message begins. */
  restart(): void {
    this.#message = []
    this.heard = false
  }

  note(text: string): void {
    this.#add(`# ${text}`)
  }

  /** Commands and replies, as nodemailer logs them at this level (its secrets masked). */
  debug(data: unknown, text?: string): void {
    const { tnx } = data as Data
    if (tnx !== 'client' && tnx !== 'server') return
    if (tnx === 'server') this.heard = true
    const mark = tnx === 'client' ? 'C' : 'S'
    for (const line of String(text).split('\n')) this.#add(`${mark}: ${line}`)
  }

  info(data: unknown, text?: string, ...values: unknown[]): void {
    const { tnx } = data as Data
    if (tnx === 'message') this.#add(`# ${values[0]} octets of message`)
    if (tnx === 'network' && /%s established/.test(String(text)))
      this.#add(`# connected to ${values[1]} port ${values[2]}`)
  }

  trace(): void {}
  warn(): void {}
  error(): void {}
  fatal(): void {}

  #add(line: string): void {
    const lines = this.#message ?? this.#beginning
    const limit = this.#message ? most.message : most.beginning
    if (lines.length < limit) lines.push(line)
    else lines[limit - 1] = line
  }
}
