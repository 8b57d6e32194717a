/** Who may do what with a mailbox: SETACL, DELETEACL, GETACL, LISTRIGHTS, MYRIGHTS (RFC 4314). */
import type { ImapAcl, StoreChange } from '../backend.js'
import type { Decoder } from '../decode.js'
import { astring } from '../encode.js'
import { bad } from '../reply.js'
import type { Session } from '../session.js'

/** Letters of RFC 2086 for what RFC 4314 has parted, which old clients still write and read (§2.1.1). */
const older: Readonly<Record<string, string>> = { c: 'kx', d: 'te' }

export async function setAcl(session: Session, args: Decoder): Promise<void> {
  const [mailbox, identifier] = readTwo(session, args)
  args.space()
  const text = args.text('The rights')
  args.end()
  const [, sign = '', letters = ''] = /^([+-]?)(.*)$/s.exec(text) ?? []
  const modes: Record<string, StoreChange['mode']> = { '': 'replace', '+': 'add', '-': 'remove' }
  await aclOf(session).change(mailbox, identifier, modes[sign] ?? 'replace', readRights(letters))
}

export async function deleteAcl(session: Session, args: Decoder): Promise<void> {
  const [mailbox, identifier] = readTwo(session, args)
  args.end()
  await aclOf(session).remove(mailbox, identifier)
}

export async function getAcl(session: Session, args: Decoder): Promise<void> {
  const mailbox = readOne(args)
  args.end()
  const entries = await aclOf(session).entries(mailbox)
  const pairs = entries.map(([identifier, rights]) => ` ${astring(identifier)} ${rightsText(rights)}`)
  session.untagged(`ACL ${session.nameText(mailbox)}${pairs.join('')}`)
}

export async function listRights(session: Session, args: Decoder): Promise<void> {
  const [mailbox, identifier] = readTwo(session, args)
  args.end()
  const { always, other } = await aclOf(session).grantable(mailbox, identifier)
  const rest = [...other].map(right => ` ${right}`).join('')
  session.untagged(
    `LISTRIGHTS ${session.nameText(mailbox)} ${astring(identifier)} ${rightsText(always)}${rest}`,
  )
}

export async function myRights(session: Session, args: Decoder): Promise<void> {
  const mailbox = readOne(args)
  args.end()
  const rights = await aclOf(session).mine(mailbox)
  session.untagged(`MYRIGHTS ${session.nameText(mailbox)} ${rightsText(rights)}`)
}

function aclOf(session: Session): ImapAcl {
  const { acl } = session.mail
  if (!acl) throw bad('Mail is not shared here.')
  return acl
}

function readOne(args: Decoder): string {
  args.space()
  return args.mailbox()
}

function readTwo(_: Session, args: Decoder): [mailbox: string, identifier: string] {
  const mailbox = readOne(args)
  args.space()
  const identifier = args.text('The identifier')
  if (/^-?$|[\0\r\n]/.test(identifier)) throw bad('That is no identifier.')
  return [mailbox, identifier]
}

function readRights(letters: string): string {
  const rights = letters.replace(/[cd]/g, each => older[each] ?? '')
  if (!/^[lrswipkxtea]*$/.test(rights)) throw bad('There is no such right.')
  return rights
}

/** The older letters go along where all is there that they stood for. */
function rightsText(rights: string): string {
  if (rights === '') return '""'
  const also = Object.entries(older).filter(([, parts]) => [...parts].every(part => rights.includes(part)))
  return rights + also.map(([letter]) => letter).join('')
}
