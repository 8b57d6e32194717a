/** Refusals of the store in the words of IMAP. */
import { no } from '../imap/reply.js'
import { MailboxError } from '../mailbox/folders.js'
import { MailboxGone } from '../mailbox/state.js'
import { BadName } from '../maildir/layout.js'

/** What a client reads of a request that the store refuses (RFC 5530). */
export async function answering<T>(work: () => T | Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    // Deleted while something was done to it.
    if (error instanceof MailboxGone) throw no('NONEXISTENT', error.message, { cause: error })
    if (error instanceof BadName) throw no('CANNOT', error.message, { cause: error })
    if (!(error instanceof MailboxError)) throw error
    const codes = {
      nonexistent: 'NONEXISTENT',
      alreadyExists: 'ALREADYEXISTS',
      hasChildren: 'HASCHILDREN',
      cannot: 'CANNOT',
      overQuota: 'OVERQUOTA',
    }
    throw no(codes[error.trouble], error.message, { cause: error })
  }
}
