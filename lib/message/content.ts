/**
 * The Content-* fields of a message or MIME part (RFC 2045 §5, RFC 2183), as they are and as they should be.
 *
 * All strings hold one character an octet, as {@link HeaderBlock.binary} gives them. Types, the encoding and
 * the disposition are in lower case; parameters are as written, each segment of RFC 2231 one of its own:
 * `joinSegments()` of parameters.ts puts them together, `parameterText()` of words.ts decodes them.
 */
import type { HeaderBlock } from './header.js'
import {
  longestValue,
  maxParameters,
  type Parameter,
  type Parameterised,
  parseParameterised,
} from './parameters.js'

export type { Parameter, Parameterised } from './parameters.js'

export interface Content {
  readonly type: string
  readonly subtype: string
  readonly parameters: readonly Parameter[]
  /** Content-Transfer-Encoding; `7bit` when there is none. */
  readonly encoding: string
  readonly id: string | undefined
  readonly description: string | undefined
  readonly md5: string | undefined
  readonly disposition: Parameterised | undefined
  readonly languages: readonly string[]
  readonly location: string | undefined
}

/**
 * Reads the content fields of a header; of several with one name, the first.
 *
 * @param digest whether it is a part of a multipart/digest, which is a message unless it says otherwise
 */
export function readContent(header: HeaderBlock, digest = false): Content {
  const given = new Map<string, string>()
  for (const field of header.fields)
    if (field.key.startsWith('content-') && !given.has(field.key))
      given.set(field.key, header.binary(field).slice(0, longestValue))
  const { type, subtype, parameters } = parseContentType(given.get('content-type'), digest)
  const disposition = parseParameterised(given.get('content-disposition') ?? '')
  return {
    type,
    subtype,
    parameters,
    encoding: parseParameterised(given.get('content-transfer-encoding') ?? '').value || '7bit',
    id: given.get('content-id'),
    description: given.get('content-description'),
    md5: given.get('content-md5'),
    disposition: disposition.value === '' ? undefined : disposition,
    languages: readLanguages(given.get('content-language') ?? ''),
    location: given.get('content-location')?.replace(/\s+/g, ''),
  }
}

/**
 * Reads a Content-Type. What is missing or makes no sense is text/plain (RFC 2045 §5.2), or message/rfc822 in a
 * digest (RFC 2046 §5.1.5). Text without parameters gets those that it has by default.
 */
export function parseContentType(
  text: string | undefined,
  digest = false,
): Pick<Content, 'type' | 'subtype' | 'parameters'> {
  const { value, parameters } = parseParameterised(text ?? '')
  const [type = '', subtype = ''] = value.split('/')
  if (type === 'text') {
    const charset = parameters.length > 0 ? parameters : usAscii
    return { type, subtype: subtype || 'plain', parameters: charset }
  }
  if (type === 'multipart') return { type, subtype: subtype || 'mixed', parameters }
  if (type !== '' && subtype !== '') return { type, subtype, parameters }
  if (digest) return { type: 'message', subtype: 'rfc822', parameters: none }
  return { type: 'text', subtype: 'plain', parameters: usAscii }
}

const usAscii: readonly Parameter[] = [{ name: 'charset', value: 'us-ascii' }]
const none: readonly never[] = []

/** The languages of Content-Language (RFC 3282), as written. */
function readLanguages(text: string): readonly string[] {
  if (text === '') return none
  return text
    .replace(/\([^()]*\)/g, '')
    .split(/[\s,;]+/)
    .filter(language => language !== '')
    .slice(0, maxParameters)
}
