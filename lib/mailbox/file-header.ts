/** How postern.cache and postern.text begin: magic (8), UIDVALIDITY (4), CRC-32 of these 12 octets; little-endian. */
import { crc32 } from 'node:zlib'

export const headerSize = 16

/** @param magic 8 characters */
export function fileHeader(magic: string, validity: number): Buffer {
  const header = Buffer.alloc(headerSize)
  header.write(magic, 'latin1')
  header.writeUInt32LE(validity, 8)
  header.writeUInt32LE(crc32(header.subarray(0, 12)), 12)
  return header
}
