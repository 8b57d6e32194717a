/** Signed data in the Cryptographic Message Syntax (RFC 5652, once PKCS #7): what Apple takes as a signed profile. */
import { createHash, type KeyObject, sign, X509Certificate } from 'node:crypto'
import {
  body,
  decode,
  der,
  identifier,
  integer,
  nothing,
  octets,
  sequence,
  setOf,
  signatureAlgorithm,
  type Tree,
  tagged,
  timeOf,
} from './x509.js'

export interface Signer {
  /** In PEM. */
  readonly certificate: string
  readonly key: KeyObject
  /** What else the reader may need to come to an authority that it trusts, in PEM. */
  readonly chain: readonly string[]
}

const oids = {
  data: '1.2.840.113549.1.7.1',
  signedData: '1.2.840.113549.1.7.2',
  contentType: '1.2.840.113549.1.9.3',
  messageDigest: '1.2.840.113549.1.9.4',
  signingTime: '1.2.840.113549.1.9.5',
  sha256: '2.16.840.1.101.3.4.2.1',
} as const

/** The content with its signature around it, in DER. */
export function signed(content: Buffer, { certificate, key, chain }: Signer, now: Date): Buffer {
  const attributes = setOf(
    attribute(oids.contentType, identifier(oids.data)),
    attribute(oids.signingTime, timeOf(now)),
    attribute(oids.messageDigest, octets(createHash('sha256').update(content).digest())),
  )
  // What is signed is the set; in the message it stands under a tag of its own (RFC 5652 §5.4).
  const signature = sign('sha256', Buffer.from(der(attributes), 'latin1'), key)
  const [, serial, , issuer] = body(certificate).value as Tree[]
  const signerInfo = sequence(
    integer(1),
    sequence(issuer as Tree, serial as Tree),
    digestAlgorithm(),
    tagged(0, ...(attributes.value as Tree[])),
    signatureAlgorithm(key),
    octets(signature),
  )
  const signedData = sequence(
    integer(1),
    setOf(digestAlgorithm()),
    sequence(identifier(oids.data), tagged(0, octets(content))),
    tagged(0, ...[certificate, ...chain].map(pem => decode(new X509Certificate(pem).raw))),
    setOf(signerInfo),
  )
  return Buffer.from(der(sequence(identifier(oids.signedData), tagged(0, signedData))), 'latin1')
}

function attribute(oid: string, value: Tree): Tree {
  return sequence(identifier(oid), setOf(value))
}

function digestAlgorithm(): Tree {
  return sequence(identifier(oids.sha256), nothing())
}
