/** The flags of messages as the wire has them. */
import type { ImapMailbox } from './backend.js'
import type { Session } from './session.js'

/** Flag lists come shared between messages, so their text is made once. */
const texts = new WeakMap<readonly string[], string>()

/**
 * The flags of a message as FETCH shows them, without the parentheses; undefined when the message is gone.
 *
 * @param session whose client may know \Recent, or not (RFC 9051, Appendix E 12)
 */
export function flagText(session: Session, mailbox: ImapMailbox, uid: number): string | undefined {
  const flags = mailbox.flags(uid)
  if (!flags) return undefined
  let text = texts.get(flags)
  if (text === undefined) {
    text = flags.join(' ')
    texts.set(flags, text)
  }
  if (session.rev2 || !mailbox.isRecent(uid)) return text
  return text === '' ? '\\Recent' : `${text} \\Recent`
}
