/**
 * What stands in iconv-lite's place in the bundle of mail-deliver: its tables are half a megabyte, which is read only for
 * mail that is neither ASCII nor UTF-8.
 */
import { fileURLToPath } from 'node:url'
import { loadBundle } from './bundle.js'

/** As much of iconv-lite as is used. */
interface Charsets {
  decode(octets: Buffer, charset: string): string
  encode(text: string, charset: string): Buffer
  encodingExists(charset: string): boolean
}

let loaded: Charsets | undefined

function charsets(): Charsets {
  loaded ??= loadBundle(fileURLToPath(new URL('deliver-charsets.bundle', import.meta.url))) as Charsets
  return loaded
}

const later: Charsets = {
  decode: (octets, charset) => charsets().decode(octets, charset),
  encode: (text, charset) => charsets().encode(text, charset),
  encodingExists: charset => charsets().encodingExists(charset),
}

export default later
