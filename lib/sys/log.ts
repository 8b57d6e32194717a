/** One line an event, in logfmt, on stderr. systemd adds time, unit and pid; elsewhere the line brings its time. */

export type Level = 'error' | 'warning' | 'info' | 'debug'
export type Fields = Readonly<Record<string, string | number | boolean | undefined>>

const priorities: Readonly<Record<Level, number>> = { error: 3, warning: 4, info: 6, debug: 7 }

export interface LogOptions {
  /** Least important level still written. */
  readonly level?: Level
  /** Under the journal each line begins with its priority, `<6>` (sd-daemon(3)), and has no time. */
  readonly journal?: boolean
  readonly write?: (line: string) => void
  readonly clock?: () => number
  /** Sees every event, also those below the level: counters and lists of sessions are kept by it. */
  readonly observe?: Observer
}

/** @param context what all lines of this log carry: the daemon, the session */
export type Observer = (event: string, fields: Fields, context: Fields) => void

export class Log {
  readonly #options: Required<LogOptions>
  readonly #context: Fields
  readonly #prefix: string

  constructor(options: LogOptions = {}, context: Fields = {}) {
    this.#options = {
      level: options.level ?? 'info',
      journal: options.journal ?? process.env['JOURNAL_STREAM'] !== undefined,
      write: options.write ?? (line => process.stderr.write(line)),
      clock: options.clock ?? Date.now,
      observe: options.observe ?? (() => {}),
    }
    this.#context = context
    this.#prefix = format(context)
  }

  /** A log whose lines all carry these fields: the daemon's name, a session's id. */
  with(fields: Fields): Log {
    return new Log(this.#options, { ...this.#context, ...fields })
  }

  error(event: string, fields: Fields = {}): void {
    this.#line('error', event, fields)
  }

  warning(event: string, fields: Fields = {}): void {
    this.#line('warning', event, fields)
  }

  info(event: string, fields: Fields = {}): void {
    this.#line('info', event, fields)
  }

  debug(event: string, fields: Fields = {}): void {
    this.#line('debug', event, fields)
  }

  #line(level: Level, event: string, fields: Fields): void {
    const { journal, clock, write, observe } = this.#options
    observe(event, fields, this.#context)
    if (priorities[level] > priorities[this.#options.level]) return
    const head = journal
      ? `<${priorities[level]}>`
      : `time=${new Date(clock()).toISOString()} level=${level} `
    write(`${head}event=${event}${this.#prefix}${format(fields)}\n`)
  }
}

/** More waiting text than this is written at once, in characters. */
const most = 64 * 1024

/**
 * Standard error for programs that log much: the lines of one turn of the event loop go out in one call, after the
 * turn, and so after the answers that they are about. A process that ends says all it has to say first.
 */
export function gatheredStderr(): (line: string) => void {
  gathered ??= gather()
  return gathered
}

let gathered: ((line: string) => void) | undefined

function gather(): (line: string) => void {
  let waiting = ''
  const flush = () => {
    const text = waiting
    waiting = ''
    if (text !== '') process.stderr.write(text)
  }
  process.once('exit', flush)
  return line => {
    if (waiting === '') setImmediate(flush)
    waiting += line
    if (waiting.length > most) flush()
  }
}

function format(fields: Fields): string {
  let text = ''
  for (const [key, value] of Object.entries(fields))
    if (value !== undefined) text += ` ${key}=${quote(String(value))}`
  return text
}

/** What a peer sent can neither end a line nor fake a field: anything unusual is written as a JSON string. */
function quote(value: string): string {
  if (/^[\w!#$%&'*+,./:;<>?@[\]^`{|}~()-]+$/.test(value)) return value
  return JSON.stringify(value).replace(
    /[\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g,
    character => {
      return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
    },
  )
}
