/** A reply as the client reads it. */

/** What a server said to a command, or what we say in its place, in the same form. */
export interface Answer {
  /** RFC 5321 §4.2; 0 for something that is no reply. */
  readonly code: number
  /** RFC 3463, such as 5.1.1; made from the code where the server gave none. */
  readonly status: string
  /** Without the codes, lines joined by one space. */
  readonly text: string
}

/** Reads a reply of one or more lines; text that is none becomes the text of a reply with the code 0. */
export function parseAnswer(reply: string): Answer {
  const lines = reply.split(/\r?\n/).filter(line => line !== '')
  const code = Number(/^[2-5]\d\d(?=[ -]|$)/.exec(lines[0] ?? '')?.[0] ?? 0)
  const status = /^\d{3}[ -]([245]\.\d{1,3}\.\d{1,3})(?= |$)/.exec(lines.at(-1) ?? '')?.[1]
  const text = lines
    .map(line => line.replace(/^\d{3}(?:[ -](?:[245]\.\d{1,3}\.\d{1,3}(?: |$))?|$)/, ''))
    .join(' ')
  // A status of another class than the code would tell people the opposite of what was said (RFC 2034 §4).
  const fits = status?.[0] === String(code)[0]
  return { code, status: status && fits ? status : `${String(code)[0]}.0.0`, text: text.trim() }
}
