/**
 * The users file: Dovecot's passwd-file, one password a line.
 *
 *     user:{SCHEME}hash:uid:gid:gecos:home:shell:extra fields
 *
 * Everything after the user may be missing. Empty lines and lines that begin with `#` or `:` say nothing. Extra
 * fields are `key=value`, parted by spaces; the last field may hold colons. A second line of the same user is an
 * app password: Dovecot says so in its log and keeps to the first line, Postern takes either. Its own extra fields:
 *
 *     postern_label=phone               the name of an app password
 *     postern_protocols=imap,smtp       where this password is good; everywhere when absent
 *     postern_created=2026-03-15        a day, in UTC
 *     postern_used=2026-03-15           the last day it was used, in UTC
 *
 * Their values are percent-encoded where they hold white space, a percent sign or a control character.
 */

/** One line that names a user. */
export interface Line {
  /** As written. */
  readonly user: string
  /** `{SCHEME}hash` as written; empty when there is none. */
  readonly password: string
  readonly uid: string
  readonly gid: string
  readonly gecos: string
  readonly home: string
  readonly shell: string
  readonly extra: ReadonlyMap<string, string>
}

/** A line of the file with what it came to: no `line` for a comment, a `problem` for a line that cannot be used. */
export interface Parsed {
  readonly text: string
  readonly line?: Line
  readonly problem?: string
}

/** Reads a whole file, broken lines and all. Numbers of lines are positions in the result plus one. */
export function parsePasswdFile(text: string): Parsed[] {
  const lines = text.split('\n')
  if (lines.at(-1) === '') lines.pop()
  return lines.map(parseLine)
}

function parseLine(text: string): Parsed {
  const plain = text.endsWith('\r') ? text.slice(0, -1) : text
  if (/^\s*(#|:|$)/.test(plain)) return { text }
  const [user = '', password, uid = '', gid = '', gecos = '', home = '', shell = '', ...rest] =
    plain.split(':')
  if (password === undefined) return { text, problem: 'no colon after the user name' }
  const extra = parseExtra(rest.join(':'))
  return { text, line: { user, password, uid, gid, gecos, home, shell, extra } }
}

function parseExtra(text: string): Map<string, string> {
  const extra = new Map<string, string>()
  for (const field of text.split(' ')) {
    const equals = field.indexOf('=')
    const key = equals < 0 ? field : field.slice(0, equals)
    const value = equals < 0 ? '' : field.slice(equals + 1)
    if (key !== '') extra.set(key, isOurs(key) ? decode(value) : value)
  }
  return extra
}

/** The text of a line, without its line end. All colons are written: Dovecot takes a line without for no user at all. */
export function formatLine(line: Line): string {
  const extra = [...line.extra].map(([key, value]) => formatExtra(key, value)).join(' ')
  return [line.user, line.password, line.uid, line.gid, line.gecos, line.home, line.shell, extra].join(':')
}

function formatExtra(key: string, value: string): string {
  if (value === '') return key
  return `${key}=${isOurs(key) ? value.replace(/[%\p{Cc}\p{Z}]/gu, encodeURIComponent) : value}`
}

/** Fields of other programs are kept as they are: a percent sign may be a variable there. */
function isOurs(key: string): boolean {
  return key.startsWith('postern_')
}

function decode(value: string): string {
  try {
    return decodeURIComponent(value)
  } catch {
    return value
  }
}
