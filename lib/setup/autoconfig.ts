/** What mail clients look for by themselves: Thunderbird's autoconfig and Outlook's autodiscover. */
import { type Access, type ClientDoor, escapeXml } from './access.js'

/** Thunderbird, K-9, Evolution, KMail and others (the format of Thunderbird's "config-v1.1.xml"). */
export function autoconfig(access: Access): string {
  const { domains, imap, pop3, smtp } = access
  const [domain = ''] = domains
  const server = (tag: string, type: string, door: ClientDoor | undefined) =>
    door === undefined
      ? ''
      : `    <${tag} type="${type}">
      <hostname>${escapeXml(door.host)}</hostname>
      <port>${door.port}</port>
      <socketType>${door.security === 'tls' ? 'SSL' : 'STARTTLS'}</socketType>
      <username>%EMAILADDRESS%</username>
      <authentication>password-cleartext</authentication>
    </${tag}>
`
  return `<?xml version="1.0" encoding="UTF-8"?>
<clientConfig version="1.1">
  <emailProvider id="${escapeXml(domain)}">
${domains.map(each => `    <domain>${escapeXml(each)}</domain>\n`).join('')}\
    <displayName>Mail of ${escapeXml(domain)}</displayName>
    <displayShortName>${escapeXml(domain)}</displayShortName>
${server('incomingServer', 'imap', imap)}${server('incomingServer', 'pop3', pop3)}\
${server('outgoingServer', 'smtp', smtp)}\
  </emailProvider>
</clientConfig>
`
}

/** Outlook's "plain old XML" (MS-OXDSCLI §2.2.4). @param address whose mail it is */
export function autodiscover(access: Access, address: string): string {
  const server = (type: string, door: ClientDoor | undefined) =>
    door === undefined
      ? ''
      : `      <Protocol>
        <Type>${type}</Type>
        <Server>${escapeXml(door.host)}</Server>
        <Port>${door.port}</Port>
        <DomainRequired>off</DomainRequired>
        <LoginName>${escapeXml(address)}</LoginName>
        <SPA>off</SPA>
        <SSL>on</SSL>
        <Encryption>${door.security === 'tls' ? 'SSL' : 'TLS'}</Encryption>
        <AuthRequired>on</AuthRequired>
      </Protocol>
`
  return `<?xml version="1.0" encoding="utf-8"?>
<Autodiscover xmlns="http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006">
  <Response xmlns="http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a">
    <Account>
      <AccountType>email</AccountType>
      <Action>settings</Action>
${server('IMAP', access.imap)}${server('POP3', access.pop3)}${server('SMTP', access.smtp)}\
    </Account>
  </Response>
</Autodiscover>
`
}

/** The address that Outlook asks for; undefined where its request names none. */
export function addressAsked(request: string): string | undefined {
  const [, text] = /<(?:\w+:)?EMailAddress>\s*([^<]*?)\s*<\//i.exec(request) ?? []
  const address = text?.replace(/&(?:amp|#38);/g, '&').replace(/&(?:apos|#39);/g, "'")
  return address !== undefined && /^[^\s@<>]+@[^\s@<>]+$/.test(address) ? address : undefined
}
