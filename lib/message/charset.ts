/**
 * Octets of a named charset as text. Never throws: a name nobody knows is taken as no name at all, and octets that
 * make no sense become U+FFFD.
 *
 * iconv-lite decodes whatever it knows. Node's own TextDecoder has fewer charsets, and gets some of them wrong: it
 * lacks half of Korean (cp949) and the Hong Kong part of Big5, and in Node 20.20 reads windows-1252 as Latin-1. It is
 * asked for what iconv-lite lacks, which is ISO-2022-JP. ISO-2022-KR is in neither.
 */
import { isAscii, isUtf8 } from 'node:buffer'
import iconv from 'iconv-lite'

/** Names of mail that iconv-lite does not know, or that mean more in mail than they say. */
const aliases: Readonly<Record<string, string>> = {
  // What calls itself KS C 5601 is what Windows writes: code page 949, with all of modern Hangul (Naver, Daum, Outlook).
  'ks_c_5601-1987': 'cp949',
  'ks_c_5601-1989': 'cp949',
  ks_c_5601: 'cp949',
  ksc5601: 'cp949',
  ksc_5601: 'cp949',
  'ksc5601-1987': 'cp949',
  csksc56011987: 'cp949',
  korean: 'cp949',
  'iso-ir-149': 'cp949',
  'euc-kr': 'cp949',
  euckr: 'cp949',
  cseuckr: 'cp949',
  uhc: 'cp949',
  csiso2022kr: 'iso-2022-kr',
  // As browsers have it (WHATWG Encoding): the Windows page has letters where the ISO one has control characters.
  'iso-8859-1': 'windows-1252',
  iso8859_1: 'windows-1252',
  iso88591: 'windows-1252',
  latin1: 'windows-1252',
  l1: 'windows-1252',
  'iso-8859-9': 'windows-1254',
  latin5: 'windows-1254',
  'iso-8859-11': 'windows-874',
  'tis-620': 'windows-874',
  'iso-8859-8-i': 'iso-8859-8',
  'iso-8859-8-e': 'iso-8859-8',
  'iso-8859-6-i': 'iso-8859-6',
  'iso-8859-6-e': 'iso-8859-6',
  gb2312: 'gb18030',
  gbk: 'gb18030',
  'x-gbk': 'gb18030',
  'big5-hkscs': 'big5',
  'x-sjis': 'shift_jis',
  csiso2022jp: 'iso-2022-jp',
  'iso-2022-jp-1': 'iso-2022-jp',
  'iso-2022-jp-ms': 'iso-2022-jp',
  'unicode-1-1-utf-7': 'utf-7',
  'x-unicode-2-0-utf-7': 'utf-7',
  csunicode11utf7: 'utf-7',
  'unicode-1-1-utf-8': 'utf-8',
  unicode: 'utf-16',
}

/** Windows' numbers of charsets that have names. */
const pages: Readonly<Record<string, string>> = {
  '874': 'windows-874',
  '932': 'shift_jis',
  '936': 'gb18030',
  '949': 'cp949',
  '950': 'big5',
  '28591': 'windows-1252',
  '51949': 'cp949',
  '65001': 'utf-8',
}

/** Labels that say nothing of the charset, and some that iconv-lite takes for things that are none. */
const meaningless =
  /^(?:|ascii|us-?ascii|ansi_x3\.4-19\d\d|.*(?:unknown|8bit|7bit|default|binary|none).*|base64|hex|internal)$/

/** No charset has a longer name. */
const longestLabel = 60

/** Charsets in which octets below 128 are not always ASCII. */
const shifted = /^(?:utf-?(?:7|16|32)|iso-2022|ucs|hz)/

/**
 * Decodes octets of the charset that a label names, such as `ks_c_5601-1987`.
 *
 * @param label as mail writes it; undefined, or one that says nothing, is as {@link decodeUnlabelled}
 * @param hint the charset that octets without a label are taken for when they are not UTF-8
 */
export function decodeCharset(octets: Buffer, label: string | undefined, hint?: string): string {
  const charset = charsetOf(label ?? '')
  try {
    if (isAscii(octets) && !shifted.test(charset)) return octets.toString('latin1')
    if (charset === 'utf-8') return withoutMark(octets.toString('utf8'))
    if (charset === 'iso-2022-kr') return decodeIso2022Kr(octets)
    if (charset !== '' && iconv.encodingExists(charset)) return iconv.decode(octets, charset)
    if (charset !== '') return new TextDecoder(charset).decode(octets)
  } catch {
    // Not a charset anybody knows.
  }
  return decodeUnlabelled(octets, hint)
}

/**
 * Text as octets of the charset that a label names.
 *
 * @returns undefined where the charset is not known, or has no octets for some of it
 */
export function encodeCharset(text: string, label: string): Buffer | undefined {
  const charset = charsetOf(label)
  if (charset === '' || shifted.test(charset) || !iconv.encodingExists(charset)) return undefined
  const octets = iconv.encode(text, charset)
  return iconv.decode(octets, charset) === text ? octets : undefined
}

/** Decodes octets that nothing is said of: UTF-8 if they are valid UTF-8, else the hint, else windows-1252. */
export function decodeUnlabelled(octets: Buffer, hint?: string): string {
  if (isUtf8(octets)) return withoutMark(octets.toString('utf8'))
  const charset = charsetOf(hint ?? '')
  const known = charset !== '' && charset !== 'utf-8' && iconv.encodingExists(charset)
  return iconv.decode(octets, known ? charset : 'windows-1252')
}

/** The charset that a label means; empty when it says nothing. */
function charsetOf(label: string): string {
  if (label.length > longestLabel) return ''
  const name = label
    .toLowerCase()
    .replace(/\*.*$/, '') // RFC 2231 §5: a language
    .replace(/^[\s"']+|[\s"']+$/g, '')
  if (meaningless.test(name)) return ''
  if (Object.hasOwn(aliases, name)) return aliases[name] ?? ''
  const page = /^(?:x-)?(?:cp|windows|win|ms|ibm)[-_]?(\d{3,5})$/.exec(name)?.[1]
  if (page) return pages[page] ?? (/^125\d$/.test(page) ? `windows-${page}` : `cp${page}`)
  if (name === 'utf8') return 'utf-8'
  return name.replace(
    /^iso[-_]?8859[-_]?(\d+)$/,
    (_, part: string) => aliases[`iso-8859-${part}`] ?? `iso-8859-${part}`,
  )
}

/**
 * ISO-2022-KR (RFC 1557): after a designation, SO begins the two-byte characters of EUC-KR without their high bits,
 * and SI, or the line's end, ends them.
 */
function decodeIso2022Kr(octets: Buffer): string {
  const text = octets.toString('latin1').replaceAll('\x1b$)C', '')
  const eucKr = text.replace(/\x0e([^\x0f\r\n]*)\x0f?/g, (_, run: string) =>
    run.replace(/[\x21-\x7e]/g, char => String.fromCharCode(char.charCodeAt(0) | 0x80)),
  )
  return iconv.decode(Buffer.from(eucKr.replaceAll('\x0f', ''), 'latin1'), 'cp949')
}

function withoutMark(text: string): string {
  return text.startsWith('\ufeff') ? text.slice(1) : text
}
