/** A page that says how to set a mail client up: for people, on paper or on a screen. */
import { type Access, type ClientDoor, escapeXml, type Owner } from './access.js'
import { qrCode } from './qr.js'

/** @param owner whose account it is; undefined for a page that fits everybody */
export function settingsPage(access: Access, owner?: Owner): string {
  const { domains, imap, smtp, pop3, sieve, profiles } = access
  const title = `Mail of ${owner?.address ?? domains[0]}`
  const rows = [
    ['User name', owner?.address ?? 'your whole mail address'],
    ['Password', 'your password, or an app password made for this device'],
    ...row('Incoming mail (IMAP)', imap),
    ...row('Outgoing mail (SMTP)', smtp),
    ...row('Incoming mail (POP3)', pop3),
    ...row('Filters (ManageSieve)', sieve),
  ]
  const table = rows.map(([name = '', value = '']) => {
    return `<tr><th scope="row">${escapeXml(name)}</th><td>${escapeXml(value)}</td></tr>`
  })
  return `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escapeXml(title)}</title>
<style>
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 42rem; margin: 2rem auto; padding: 0 1rem }
table { border-collapse: collapse }
th, td { text-align: left; padding: .2rem 1rem .2rem 0; vertical-align: top }
svg { width: 14rem; max-width: 100% }
</style>
</head>
<body>
<h1>${escapeXml(title)}</h1>
<table>
${table.join('\n')}
</table>
${apple(profiles, owner)}${android(access, owner)}\
<h2>Thunderbird, Outlook</h2>
<p>Type name, address and password; both look for the rest by themselves${profiles ? '' : ', or take it from the table above'}.
They must trust the authority of this house first: ${profiles ? `<a href="${escapeXml(profiles)}/ca.crt">${escapeXml(profiles)}/ca.crt</a>` : 'the file ca.crt'}.</p>
</body>
</html>
`
}

function row(name: string, door: ClientDoor | undefined): string[][] {
  if (!door) return []
  return [[name, `${door.host}, port ${door.port}, ${door.security === 'tls' ? 'SSL/TLS' : 'STARTTLS'}`]]
}

function apple(profiles: string | undefined, owner: Owner | undefined): string {
  const heading = '<h2>iPhone, iPad, Mac</h2>\n'
  const trust =
    'Then Settings → General → About → Certificate Trust Settings: switch the authority on. Both switches are needed.'
  if (profiles === undefined)
    return `${heading}<p>Open the file that ends in .mobileconfig, then Settings → Profile Downloaded → Install. ${trust}</p>\n`
  const url = owner ? `${profiles}/${encodeURIComponent(owner.address)}.mobileconfig` : `${profiles}/`
  return `${heading}<p>Scan this, log in, then Settings → Profile Downloaded → Install. ${trust}</p>
${qrCode(url, `QR code: ${escapeXml(url)}`)}
<p><a href="${escapeXml(url)}">${escapeXml(url)}</a></p>
`
}

function android(access: Access, owner: Owner | undefined): string {
  const text = owner && thunderbirdCode(access, owner)
  if (text === undefined) return ''
  return `<h2>Thunderbird for Android</h2>
<p>Settings → Import settings → Scan QR code. The device must trust the authority: Settings → Security → Encryption →
Install a certificate → CA certificate.</p>
${qrCode(text, 'QR code: the account for Thunderbird for Android')}
`
}

/**
 * The account as Thunderbird's "Export for Mobile" writes it, version 1: protocol 0 is IMAP and SMTP, security 2
 * STARTTLS and 3 TLS, authentication 1 a password.
 */
export function thunderbirdCode({ imap, smtp, domains }: Access, owner: Owner): string | undefined {
  if (!imap || !smtp) return undefined
  const { address, fullName = address, password } = owner
  const server = ({ host, port, security }: ClientDoor) => [
    0,
    host,
    port,
    security === 'tls' ? 3 : 2,
    1,
    address,
  ]
  const incoming = [...server(imap), domains[0], ...(password === undefined ? [] : [password])]
  const outgoing = [...server(smtp), ...(password === undefined ? [] : [password])]
  return JSON.stringify([1, [1, 1], incoming, [[outgoing, [address, fullName]]]])
}
