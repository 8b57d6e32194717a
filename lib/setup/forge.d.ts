/** What node-forge has and its types lack. */
import type { asn1 } from 'node-forge'

declare module 'node-forge' {
  namespace pki {
    /** The part of a certificate that is signed. */
    function getTBSCertificate(certificate: Certificate): asn1.Asn1
  }
  namespace util {
    /** @returns 4 or 16 octets as a binary string; null for what is no address */
    function bytesFromIP(address: string): string
  }
}
