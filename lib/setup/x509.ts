/**
 * X.509 certificates with ECDSA or RSA keys: the only file that knows node-forge. Keys and signatures are
 * node:crypto's. forge builds what is signed, but for RSA alone, so the public key and the name of the signature's
 * algorithm are put in by hand.
 */
import { createHash, createPublicKey, type KeyObject, randomBytes, sign, X509Certificate } from 'node:crypto'
import { isIP } from 'node:net'
import forge from 'node-forge'

const { asn1, pki } = forge
const { Class, Type } = asn1

/** A value in ASN.1. */
export type Tree = forge.asn1.Asn1

export interface Subject {
  /** The common name: what people see. */
  readonly name: string
  readonly key: KeyObject
  readonly from: Date
  readonly until: Date
}

export interface AuthoritySubject extends Subject {
  /** The domains, with all that is below them, that this authority may speak for. */
  readonly domains: readonly string[]
  /** The networks, `10.0.0.0/8`, that it may speak for. */
  readonly networks: readonly string[]
}

export interface ServerSubject extends Subject {
  /** Names and addresses, in the order in which they are shown. */
  readonly names: readonly string[]
}

/** A root that signs servers and nothing else, for its own domains only (RFC 5280 §4.2.1.9, §4.2.1.10). @returns PEM */
export function authorityCertificate(subject: AuthoritySubject): string {
  return certificate(subject, subject.key, undefined, [
    { name: 'basicConstraints', critical: true, cA: true, pathLenConstraint: 0 },
    { name: 'keyUsage', critical: true, keyCertSign: true, cRLSign: true },
    {
      id: '2.5.29.30',
      critical: true,
      value: der(permittedSubtrees(subject.domains, subject.networks)),
    },
  ])
}

/** A server's certificate. @param issuer the authority's certificate and its private key @returns PEM */
export function serverCertificate(
  subject: ServerSubject,
  issuer: { certificate: string; key: KeyObject },
): string {
  const altNames = subject.names.map(name =>
    isIP(name) === 0 ? { type: 2, value: name } : { type: 7, ip: name },
  )
  const issuerName = (body(issuer.certificate).value as forge.asn1.Asn1[])[5]
  return certificate(subject, issuer.key, issuerName, [
    { name: 'basicConstraints', critical: true, cA: false },
    // Encipherment is what RSA does without ephemeral keys: only an old device asks for it.
    {
      name: 'keyUsage',
      critical: true,
      digitalSignature: true,
      keyEncipherment: subject.key.asymmetricKeyType === 'rsa',
    },
    { name: 'extKeyUsage', serverAuth: true },
    { name: 'subjectAltName', altNames },
  ])
}

/** @param issuerName as it stands in the issuer's certificate; undefined for one that signs itself */
function certificate(
  subject: Subject,
  issuerKey: KeyObject,
  issuerName: forge.asn1.Asn1 | undefined,
  extensions: object[],
): string {
  const { key, name, from, until } = subject
  const unsigned = pki.createCertificate()
  unsigned.publicKey = placeholder
  unsigned.siginfo.algorithmOid = '1.2.840.113549.1.1.11'
  unsigned.serialNumber = serialNumber()
  unsigned.validity.notBefore = from
  unsigned.validity.notAfter = until
  unsigned.setSubject(distinguishedName(name))
  unsigned.setIssuer(distinguishedName(name))
  unsigned.setExtensions([
    ...extensions,
    { id: '2.5.29.14', value: der(octets(keyIdentifier(key))) },
    { name: 'authorityKeyIdentifier', keyIdentifier: keyIdentifier(issuerKey).toString('latin1') },
  ])
  const algorithm = signatureAlgorithm(issuerKey)
  const body = pki.getTBSCertificate(unsigned)
  const fields = body.value as forge.asn1.Asn1[]
  fields[2] = algorithm
  if (issuerName) fields[3] = issuerName
  fields[6] = decode(publicKey(key))
  const signed = sign('sha256', Buffer.from(der(body), 'latin1'), issuerKey)
  const whole = sequence(
    body,
    algorithm,
    asn1.create(Class.UNIVERSAL, Type.BITSTRING, false, `\0${signed.toString('latin1')}`),
  )
  return new X509Certificate(Buffer.from(der(whole), 'latin1')).toString()
}

/** What stands in place of the key until the real one is put in: forge knows RSA alone. */
const placeholder = pki.setRsaPublicKey(
  new forge.jsbn.BigInteger('3', 16),
  new forge.jsbn.BigInteger('3', 16),
)

/** Positive, and without a leading zero octet, in hex: 127 random bits (RFC 5280 §4.1.2.2). */
function serialNumber(): string {
  const number = randomBytes(16)
  number[0] = ((number[0] as number) & 0x7f) | 0x40
  return number.toString('hex')
}

function distinguishedName(name: string) {
  return [
    { name: 'organizationName', value: 'Postern' },
    // RFC 5280 appendix A: at most 64 characters; in UTF-8 where it is not ASCII.
    { name: 'commonName', value: name.slice(0, 64), valueTagClass: Type.UTF8 as unknown as forge.asn1.Class },
  ]
}

/** RFC 5758 §3.2 for ECDSA; RFC 4055 §5 wants the NULL for RSA. */
export function signatureAlgorithm(key: KeyObject): forge.asn1.Asn1 {
  if (key.asymmetricKeyType === 'rsa') return sequence(identifier('1.2.840.113549.1.1.11'), nothing())
  return sequence(identifier('1.2.840.10045.4.3.2'))
}

/** The SHA-1 of the key's bits, method 1 of RFC 5280 §4.2.1.2: a name, not a protection. */
function keyIdentifier(key: KeyObject): Buffer {
  const info = decode(publicKey(key))
  const bits = (info.value as forge.asn1.Asn1[])[1]?.value as string
  return createHash('sha1')
    .update(Buffer.from(bits.slice(1), 'latin1'))
    .digest()
}

function publicKey(key: KeyObject): Buffer {
  return (key.type === 'private' ? createPublicKey(key as never) : key).export({
    type: 'spki',
    format: 'der',
  })
}

/** NameConstraints, the permitted ones: a name of each kind must fit one of its kind. */
function permittedSubtrees(domains: readonly string[], networks: readonly string[]): forge.asn1.Asn1 {
  const names = domains.map(domain => asn1.create(Class.CONTEXT_SPECIFIC, 2, false, domain))
  const mailboxes = domains.map(domain => asn1.create(Class.CONTEXT_SPECIFIC, 1, false, domain))
  const addresses = networks.map(network =>
    asn1.create(Class.CONTEXT_SPECIFIC, 7, false, addressAndMask(network).toString('latin1')),
  )
  const subtrees = [...names, ...mailboxes, ...addresses].map(name => sequence(name))
  return sequence(asn1.create(Class.CONTEXT_SPECIFIC, 0, true, subtrees))
}

function addressAndMask(network: string): Buffer {
  const [text = '', length] = network.split('/')
  const address = Buffer.from(forge.util.bytesFromIP(text), 'latin1')
  const mask = Buffer.alloc(address.length)
  for (let bit = 0; bit < Number(length); bit++)
    mask[bit >> 3] = (mask[bit >> 3] as number) | (0x80 >> (bit & 7))
  return Buffer.concat([address, mask])
}

/** The domains that an authority may speak for; undefined when it has no such limit. */
export function permittedDomains(authority: string): string[] | undefined {
  const extensions = (body(authority).value as forge.asn1.Asn1[]).find(
    field => field.tagClass === Class.CONTEXT_SPECIFIC && Number(field.type) === 3,
  )
  for (const extension of ((extensions?.value as forge.asn1.Asn1[])?.[0]?.value ?? []) as forge.asn1.Asn1[]) {
    const fields = extension.value as forge.asn1.Asn1[]
    if (asn1.derToOid(String(fields[0]?.value)) !== '2.5.29.30') continue
    const constraints = decode(Buffer.from(String(fields.at(-1)?.value), 'latin1'))
    const permitted = (constraints.value as forge.asn1.Asn1[]).find(field => Number(field.type) === 0)
    return ((permitted?.value ?? []) as forge.asn1.Asn1[])
      .map(subtree => (subtree.value as forge.asn1.Asn1[])[0] as forge.asn1.Asn1)
      .filter(name => Number(name.type) === 2)
      .map(name => String(name.value))
  }
  return undefined
}

/** The part of a certificate that is signed. */
export function body(certificate: string): forge.asn1.Asn1 {
  const whole = decode(new X509Certificate(certificate).raw)
  return (whole.value as forge.asn1.Asn1[])[0] as forge.asn1.Asn1
}

/** An OBJECT IDENTIFIER. */
export function identifier(oid: string): forge.asn1.Asn1 {
  return asn1.create(Class.UNIVERSAL, Type.OID, false, asn1.oidToDer(oid).getBytes())
}

/** An OCTET STRING. */
export function octets(value: Buffer): forge.asn1.Asn1 {
  return asn1.create(Class.UNIVERSAL, Type.OCTETSTRING, false, value.toString('latin1'))
}

/** A SEQUENCE. */
export function sequence(...items: forge.asn1.Asn1[]): forge.asn1.Asn1 {
  return asn1.create(Class.UNIVERSAL, Type.SEQUENCE, true, items)
}

/** Items in the order of their octets, as DER wants it (X.690 §11.6). */
export function setOf(...items: Tree[]): Tree {
  const sorted = [...items].sort((a, b) => (der(a) < der(b) ? -1 : 1))
  return asn1.create(Class.UNIVERSAL, Type.SET, true, sorted)
}

/** A constructed value under a tag of its context. */
export function tagged(tag: number, ...items: Tree[]): Tree {
  return asn1.create(Class.CONTEXT_SPECIFIC, tag, true, items)
}

/** An INTEGER. */
export function integer(value: number): Tree {
  return asn1.create(Class.UNIVERSAL, Type.INTEGER, false, asn1.integerToDer(value).getBytes())
}

/** NULL. */
export function nothing(): Tree {
  return asn1.create(Class.UNIVERSAL, Type.NULL, false, '')
}

/** RFC 5280 §4.1.2.5: UTCTime until 2049. */
export function timeOf(date: Date): Tree {
  return asn1.create(Class.UNIVERSAL, Type.UTCTIME, false, asn1.dateToUtcTime(date))
}

/** Bit strings are left alone: a key's may look like a structure by chance. */
export function decode(octets: Buffer): forge.asn1.Asn1 {
  return asn1.fromDer(octets.toString('latin1'), { decodeBitStrings: false } as never)
}

/** The octets of a value, one a character. */
export function der(tree: forge.asn1.Asn1): string {
  return asn1.toDer(tree).getBytes()
}
