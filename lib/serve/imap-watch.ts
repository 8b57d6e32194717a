/** Watching the mailboxes of an account that no session of it has selected, and the list of them. */
import type { Account } from '../mailbox/account.js'
import { MailboxError } from '../mailbox/folders.js'
import type { Mailbox } from '../mailbox/mailbox.js'
import { watchFolders } from '../maildir/watch.js'

/**
 * Calls `heard` with the name of a mailbox in which something changed, and with nothing when mailboxes, subscriptions
 * or attributes may have.
 *
 * @returns ends it
 */
export async function watchAccount(
  account: Account,
  names: readonly string[],
  heard: (name: string | undefined) => void,
): Promise<() => void> {
  const mailboxes: Mailbox[] = []
  const ends = [watchFolders(account.root, () => heard(undefined))]
  const end = () => {
    for (const each of ends) each()
    for (const mailbox of mailboxes) mailbox.close()
  }
  try {
    for (const name of names) {
      const mailbox = await openIfThere(account, name)
      if (!mailbox) continue
      mailboxes.push(mailbox)
      ends.push(mailbox.onChange(() => heard(name)))
    }
  } catch (error) {
    end()
    throw error
  }
  return end
}

/** Another session may just have deleted it. */
async function openIfThere(account: Account, name: string): Promise<Mailbox | undefined> {
  try {
    return await account.open(name)
  } catch (error) {
    if (error instanceof MailboxError) return undefined
    throw error
  }
}
