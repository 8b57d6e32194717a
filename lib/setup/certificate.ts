/**
 * The private authority and the server's certificate, as files:
 *
 *     ca.crt  ca.key      beside the server's certificate, or where `directory` says; people trust ca.crt
 *     mail.crt  mail.key  what the servers show; the configuration names them
 *
 * Keys are for their owner alone. A key is written before its certificate, so that whoever sees the certificate
 * change finds the key there.
 */
import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  X509Certificate,
} from 'node:crypto'
import { chown, mkdir, readFile, stat } from 'node:fs/promises'
import { isIP } from 'node:net'
import { dirname, join } from 'node:path'
import { writeAtomic } from '../sys/atomic.js'
import { describe, errorCode, exits, isMissing, MailError } from '../sys/error.js'
import { Networks } from '../sys/network.js'

export type KeyType = 'ecdsa' | 'rsa'

/** Where a certificate and its key stand. */
export interface Place {
  readonly certificate: string
  readonly key: string
}

const day = 86_400_000
/** Apple takes no server's certificate that lives longer than this, in days. */
export const longestLife = 397
const authorityLife = 3_650
/** A clock that is a little slow must not refuse a new certificate. */
const backdated = 3_600_000

/** Addresses that no one else in the world can be reached by; an authority may speak for them all. */
const privateNetworks =
  '127.0.0.0/8 10.0.0.0/8 172.16.0.0/12 192.168.0.0/16 169.254.0.0/16 100.64.0.0/10 ::1/128 fc00::/7 fe80::/10'.split(
    ' ',
  )

/** The authority's files, beside the server's certificate. */
export function authorityPlace(server: Place): Place {
  const directory = dirname(server.certificate)
  return { certificate: join(directory, 'ca.crt'), key: join(directory, 'ca.key') }
}

export interface AuthorityOptions {
  readonly place: Place
  /** The domains that it may speak for, with all below them; localhost is added. */
  readonly domains: readonly string[]
  readonly keyType: KeyType
  readonly now: Date
  /** Replace one that is there: every device must then trust the new one. */
  readonly force?: boolean
}

/** Makes a private authority. @throws MailError (73) when there is one already, unless forced */
export async function makeAuthority(options: AuthorityOptions): Promise<void> {
  const { place, domains, keyType, now } = options
  if (!options.force && ((await exists(place.certificate)) || (await exists(place.key))))
    throw new MailError(
      `${place.certificate} is there already; devices that trust it would not trust another, so --force must say so`,
      { exit: exits.cannotCreate },
    )
  const { authorityCertificate } = await import('./x509.js')
  const key = newKey(keyType)
  const { from, until } = lifetime(now, authorityLife)
  const certificate = authorityCertificate({
    name: `${domains[0] ?? 'private'} mail authority`,
    key,
    from,
    until,
    domains: [...new Set([...domains, 'localhost'])],
    networks: privateNetworks,
  })
  await save(place, certificate, key)
}

export interface ServerOptions {
  readonly authority: Place
  readonly place: Place
  /** DNS names and addresses, the first being the one that people see. */
  readonly names: readonly string[]
  readonly keyType: KeyType
  /** Keep this key; a new one is made where it is undefined. */
  readonly key?: KeyObject | undefined
  /** Days, at most {@link longestLife}. */
  readonly days?: number
  readonly now: Date
}

/** Makes a server's certificate. @throws MailError for a name that is none or not the authority's (65), or no authority (66) */
export async function makeServer(options: ServerOptions): Promise<void> {
  const { authorityFiles, names } = {
    authorityFiles: await readAuthority(options.authority),
    names: options.names.map(plainName),
  }
  const { permittedDomains, serverCertificate } = await import('./x509.js')
  refuseForeign(names, permittedDomains(authorityFiles.certificate), options.authority)
  const { from, until } = lifetime(options.now, Math.min(options.days ?? longestLife, longestLife))
  const end = new Date(new X509Certificate(authorityFiles.certificate).validTo)
  const key = options.key ?? newKey(options.keyType)
  const certificate = serverCertificate(
    { name: names[0] as string, key, from, until: until < end ? until : end, names },
    authorityFiles,
  )
  await save(options.place, certificate, key)
}

/** What there is to know of a certificate. */
export interface Facts {
  readonly file: string
  readonly subject: string
  readonly names: readonly string[]
  readonly issuer: string
  readonly authority: boolean
  /** `ECDSA P-256`, `RSA 2048`. */
  readonly key: string
  readonly from: Date
  readonly until: Date
  /** SHA-256, in the form in which devices show it. */
  readonly fingerprint: string
}

/** Reads a certificate. @throws MailError (66) when it is not there or none */
export async function readFacts(file: string): Promise<Facts> {
  const certificate = await readCertificate(file)
  const { subject, issuer, validFrom, validTo, fingerprint256, ca } = certificate
  return {
    file,
    subject: commonName(subject),
    names: namesOf(certificate),
    issuer: commonName(issuer),
    authority: ca,
    key: keyName(certificate.publicKey),
    from: new Date(validFrom),
    until: new Date(validTo),
    fingerprint: fingerprint256,
  }
}

/** The names that a server's certificate is for. */
export function namesOf(certificate: X509Certificate): string[] {
  const text = certificate.subjectAltName ?? ''
  return [...text.matchAll(/(?:DNS|IP Address):([^,]+)/g)].map(([, name]) => plainName(name as string))
}

/** Reads the key of a certificate, to go on with it. @throws MailError (66) */
export async function readKey(file: string): Promise<KeyObject> {
  try {
    return createPrivateKey(await readFile(file, 'utf8'))
  } catch (error) {
    throw new MailError(`cannot read the key ${file}: ${describe(error)}`, { exit: exits.noInput })
  }
}

/** Reads a certificate in PEM. @throws MailError (66) */
export async function readCertificate(file: string): Promise<X509Certificate> {
  try {
    return new X509Certificate(await readFile(file))
  } catch (error) {
    const reason = isMissing(error)
      ? 'there is none; `mail-cert ca` and `mail-cert server` make it'
      : describe(error)
    throw new MailError(`cannot read the certificate ${file}: ${reason}`, { exit: exits.noInput })
  }
}

async function readAuthority(place: Place): Promise<{ certificate: string; key: KeyObject }> {
  const certificate = await readCertificate(place.certificate)
  const key = await readKey(place.key)
  if (!certificate.checkPrivateKey(key))
    throw new MailError(`${place.key} is not the key of ${place.certificate}`, { exit: exits.data })
  return { certificate: certificate.toString(), key }
}

function newKey(type: KeyType): KeyObject {
  if (type === 'rsa') return generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey
  return generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
}

function lifetime(now: Date, days: number): { from: Date; until: Date } {
  const from = Math.floor((now.getTime() - backdated) / 1_000) * 1_000
  // The last second counts too (RFC 5280 §4.1.2.5).
  return { from: new Date(from), until: new Date(from + days * day - 1_000) }
}

/** A name as a certificate has it: lower case, without the last dot; addresses in their shortest form. */
function plainName(name: string): string {
  const plain = name.trim().toLowerCase().replace(/\.$/, '')
  if (isIP(plain) === 6) return new URL(`http://[${plain}]`).hostname.slice(1, -1)
  if (
    isIP(plain) === 4 ||
    /^(\*\.)?[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*$/.test(plain)
  )
    return plain
  throw new MailError(`${JSON.stringify(name)} is neither a DNS name nor an address`, { exit: exits.data })
}

/** A certificate beyond its authority's limits would be made, and refused by every client. */
function refuseForeign(
  names: readonly string[],
  domains: readonly string[] | undefined,
  authority: Place,
): void {
  if (!domains) return
  const networks = new Networks(privateNetworks)
  for (const name of names) {
    const own = domains.some(domain => name === domain || name.endsWith(`.${domain}`))
    if (isIP(name) === 0 ? own : networks.has(name)) continue
    throw new MailError(
      `${authority.certificate} may not speak for ${name}: it is for ${domains.join(', ')} and private addresses`,
      { exit: exits.data },
    )
  }
}

async function save(place: Place, certificate: string, key: KeyObject): Promise<void> {
  try {
    await mkdir(dirname(place.key), { recursive: true, mode: 0o750 })
    await mkdir(dirname(place.certificate), { recursive: true, mode: 0o750 })
    if (!(await isSameKey(place.key, key)))
      await write(place.key, String(key.export({ type: 'pkcs8', format: 'pem' })), 0o600)
    await write(place.certificate, certificate, 0o644)
  } catch (error) {
    throw new MailError(`cannot write the certificate: ${describe(error)}`, { exit: exits.cannotCreate })
  }
}

/** What root writes belongs to whom the directory belongs to: the user as which the servers run. */
async function write(path: string, text: string, mode: number): Promise<void> {
  await writeAtomic(path, text, mode)
  if (process.getuid?.() !== 0) return
  const { uid, gid } = await stat(dirname(path))
  if (uid !== 0) await chown(path, uid, gid)
}

async function isSameKey(file: string, key: KeyObject): Promise<boolean> {
  try {
    const known = createPrivateKey(await readFile(file, 'utf8'))
    return createPublicKey(known as never).equals(createPublicKey(key as never))
  } catch {
    return false
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path)
    return true
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return false
    throw error
  }
}

function commonName(subject: string): string {
  return /^CN=(.*)$/m.exec(subject)?.[1] ?? subject.replaceAll('\n', ', ')
}

function keyName(key: KeyObject): string {
  const { modulusLength, namedCurve } = key.asymmetricKeyDetails ?? {}
  if (key.asymmetricKeyType === 'rsa') return `RSA ${modulusLength}`
  return namedCurve === 'prime256v1'
    ? 'ECDSA P-256'
    : `${key.asymmetricKeyType?.toUpperCase()} ${namedCurve ?? ''}`.trim()
}
