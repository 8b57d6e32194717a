/** IMAP URLs of messages and their parts on this server, in relative form (RFC 5092 §7.2, RFC 4469 §3). */
import type { ImapMailbox } from './backend.js'
import { MessageContent } from './content.js'
import { Decoder } from './decode.js'
import { readSection, type SectionItem } from './fetch-item.js'
import { canonicalName } from './name.js'
import { ImapError, no } from './reply.js'
import type { Session } from './session.js'

/** A message, or a section of it. */
export interface MessageUrl {
  /** Undefined for the mailbox that is selected. */
  readonly mailbox: string | undefined
  readonly uidValidity: number | undefined
  readonly uid: number
  readonly section: SectionItem
}

const grammar =
  /^(?:\/(?!\/)(?<box>[^;]*?)(?:;uidvalidity=(?<validity>[1-9]\d{0,9}))?\/?)?;uid=(?<uid>[1-9]\d{0,9})(?:\/?;section=(?<section>[^;]*?))?(?:\/?;partial=(?<offset>\d{1,15})(?:\.(?<length>[1-9]\d{0,14}))?)?$/i

/** Reads `/Drafts;UIDVALIDITY=385759045/;UID=20/;SECTION=1.MIME`; undefined when it is nothing of the kind. */
export function parseMessageUrl(text: string): MessageUrl | undefined {
  const { box, validity, uid, section, offset, length } = grammar.exec(text)?.groups ?? {}
  if (uid === undefined) return undefined
  try {
    const name = box === undefined ? '' : decodeURIComponent(box.replace(/\/$/, ''))
    const item = sectionOf(section === undefined ? '' : decodeURIComponent(section))
    const partial =
      offset === undefined
        ? undefined
        : { offset: Number(offset), length: Number(length ?? Number.MAX_SAFE_INTEGER) }
    return {
      mailbox: name === '' ? undefined : canonicalName(name),
      uidValidity: validity === undefined ? undefined : Number(validity),
      uid: Number(uid),
      section: { ...item, partial },
    }
  } catch (error) {
    if (error instanceof URIError || error instanceof ImapError) return undefined
    throw error
  }
}

/** @throws ImapError BAD for what is no section */
function sectionOf(text: string): SectionItem {
  const args = new Decoder([{ text: Buffer.from(`[${text}]`), literal: undefined }])
  const item = readSection(args, true)
  args.end()
  return item
}

/**
 * The octets a URL stands for, as FETCH BODY.PEEK[…] would give them.
 *
 * @throws ImapError NO [BADURL …] where there is no such thing
 */
export async function octetsOfUrl(session: Session, text: string): Promise<Buffer> {
  const url = parseMessageUrl(text)
  const octets = url && (await read(session, url))
  if (octets) return octets
  const told = text.replace(/[^\x21-\x7e]|[\]"\\]/g, '?')
  throw no(`BADURL "${told}"`, 'That URL means no message, and no part of one, that is here.')
}

async function read(session: Session, url: MessageUrl): Promise<Buffer | undefined> {
  if (url.mailbox === undefined || url.mailbox === session.mailbox?.name)
    return session.mailbox && sectionIn(session.mailbox, url)
  let mailbox: ImapMailbox
  try {
    mailbox = await session.mail.open(url.mailbox, { readOnly: true })
  } catch (error) {
    if (error instanceof ImapError) return undefined
    throw error
  }
  try {
    return sectionIn(mailbox, url)
  } finally {
    await mailbox.close()
  }
}

function sectionIn(mailbox: ImapMailbox, { uid, uidValidity, section }: MessageUrl): Buffer | undefined {
  if (uidValidity !== undefined && uidValidity !== mailbox.uidValidity) return undefined
  const octets = mailbox.read(uid)
  const found = octets && new MessageContent(octets).section(section)
  const { partial } = section
  return found && partial ? found.subarray(partial.offset, partial.offset + partial.length) : found
}
