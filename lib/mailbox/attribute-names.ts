/** Which of the attributes that are kept under a GUID are a mailbox's, which the server's, and which nobody's business. */
import type { Entries } from './attributes.js'

/** What Dovecot keeps beside that of the clients; the server's entries stand among INBOX's. */
export const reserved = 'vendor/vendor.dovecot/pvt/'
export const server = `${reserved}server/`

/** `/shared/a/b` as `/shared` and `a/b`. */
export function split(name: string): [scope: string, path: string] {
  const at = name.indexOf('/', 1)
  return [name.slice(0, at), name.slice(at + 1)]
}

/** Of what is noted under a GUID, what a client sees of the mailbox, or of the server where that is undefined. */
export function seenOf(entries: Entries, mailbox: string | undefined): Map<string, Buffer> {
  const found = new Map<string, Buffer>()
  for (const [name, value] of entries) {
    const [scope, path] = split(name)
    if (mailbox !== undefined && !path.startsWith(reserved)) found.set(name, value)
    if (mailbox === undefined && path.startsWith(server))
      found.set(`${scope}/${path.slice(server.length)}`, value)
  }
  return found
}
