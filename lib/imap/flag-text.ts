/** The flags of messages as the wire has them. */
import type { ImapMailbox } from './backend.js'

/** Flag lists come shared between messages, so their text is made once. */
const texts = new WeakMap<readonly string[], string>()

/** The flags of a message as FETCH shows them, without the parentheses; undefined when the message is gone. */
export function flagText(mailbox: ImapMailbox, uid: number): string | undefined {
  const flags = mailbox.flags(uid)
  if (!flags) return undefined
  let text = texts.get(flags)
  if (text === undefined) {
    text = flags.join(' ')
    texts.set(flags, text)
  }
  if (!mailbox.isRecent(uid)) return text
  return text === '' ? '\\Recent' : `${text} \\Recent`
}
