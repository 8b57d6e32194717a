/** Sent mail, filed into the Sent folder of the login that sent it. */
import { createReadStream, existsSync } from 'node:fs'
import { Delivery, makeMaildir } from '../maildir/maildir.js'
import type { FileSent } from '../relay/local.js'
import type { Parts } from './parts.js'

/** Files into `.Sent`, as read; the folder is made where it is missing. */
export function sentFiling(parts: Pick<Parts, 'users'>): FileSent {
  return async (login, path) => {
    const user = parts.users.find(login)
    if (!user) return false
    const maildir = `${user.home}/Maildir`
    const sent = `${maildir}/.Sent`
    if (!existsSync(`${sent}/tmp`)) await makeMaildir(sent, true)
    const delivery = await Delivery.begin(maildir)
    try {
      for await (const octets of createReadStream(path)) await delivery.write(octets as Buffer)
      await delivery.commit([{ maildir: sent, flags: 'S' }])
    } catch (error) {
      await delivery.abort()
      throw error
    }
    return true
  }
}
