/** CAPABILITY (RFC 3501 §6.1.1): what is said before login, and what after it. Nothing is named that is not whole. */
import type { Session } from './session.js'

const always = ['IMAP4rev1', 'IMAP4rev2', 'LITERAL+', 'SASL-IR', 'ENABLE', 'ID', 'IDLE']
const afterLogin = [
  ...[
    'NAMESPACE',
    'CHILDREN',
    'SPECIAL-USE',
    'CREATE-SPECIAL-USE',
    'XLIST',
    'LIST-EXTENDED',
    'LIST-STATUS',
    'STATUS=SIZE',
  ],
  ...['UIDPLUS', 'MOVE', 'UNSELECT', 'MULTIAPPEND', 'BINARY', 'CONDSTORE', 'QRESYNC'],
  ...['ESEARCH', 'SEARCHRES', 'PARTIAL', 'WITHIN', 'SAVEDATE'],
  ...['OBJECTID', 'PREVIEW', 'REPLACE', 'CATENATE', 'URL-PARTIAL', 'UTF8=ACCEPT'],
  ...['SORT', 'SORT=DISPLAY', 'ESORT', 'THREAD=ORDEREDSUBJECT', 'THREAD=REFERENCES', 'THREAD=REFS'],
  ...['CONTEXT=SEARCH', 'CONTEXT=SORT', 'INPROGRESS'],
  ...['QUOTA', 'QUOTA=RES-STORAGE', 'QUOTA=RES-MESSAGE'],
  ...['METADATA', 'NOTIFY'],
]

/** Where a password would cross the wire in the clear, no mechanism is offered (RFC 3501 §6.2.3). */
export function capabilities(session: Session): string {
  const { backend } = session.options
  if (session.state !== 'notAuthenticated')
    return [
      ...always,
      ...afterLogin,
      ...compression(session),
      ...(session.account?.acl ? ['ACL', 'RIGHTS=texk'] : []),
      ...(session.options.sieveUrl === undefined ? [] : [`IMAPSIEVE=${session.options.sieveUrl}`]),
      `APPENDLIMIT=${session.options.appendLimit}`,
    ].join(' ')
  const words = [...always]
  if (canStartTls(session)) words.push('STARTTLS')
  if (session.secure) words.push(...backend.mechanisms.map(name => `AUTH=${name}`))
  else words.push('LOGINDISABLED')
  return words.join(' ')
}

/** Whether STARTTLS would do something: it is configured and there is no TLS yet. */
export function canStartTls(session: Session): boolean {
  const { tls, identity } = session.options
  return (tls === 'required' || tls === 'offered') && identity !== undefined && !session.encrypted
}

/** What is on already is not offered again (RFC 4978 §3). */
function compression({ compressedOver }: Session): string[] {
  return compressedOver === undefined ? ['COMPRESS=DEFLATE'] : []
}
