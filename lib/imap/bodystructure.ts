/** BODY and BODYSTRUCTURE (RFC 3501 §7.4.2): the tree of a message's parts. */
import type { Parameter } from '../message/content.js'
import { joinSegments } from '../message/parameters.js'
import type { Part } from '../message/structure.js'
import type { OctetWriter } from './encode.js'
import { emptyEnvelope, writeEnvelope } from './envelope.js'

/** A multipart must have a part (§9 body-type-mpart), and a message a body. */
const emptyBody = '("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 0 0)'
const emptyBodyExtended = '("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 0 0 NIL NIL NIL NIL)'

/** Appends the structure of a message or part. @param extended BODYSTRUCTURE, with disposition and the like */
export function writeStructure(out: OctetWriter, part: Part, extended: boolean): void {
  out.text('(')
  if (part.type === 'multipart') writeMultipart(out, part, extended)
  else writeSingle(out, part, extended)
  out.text(')')
}

function writeMultipart(out: OctetWriter, part: Part, extended: boolean): void {
  for (const child of part.parts) writeStructure(out, child, extended)
  if (part.parts.length === 0) out.text(extended ? emptyBodyExtended : emptyBody)
  out.text(' ').binary(part.subtype)
  if (!extended) return
  writeParameters(out, part.parameters)
  writeExtension(out, part)
}

function writeSingle(out: OctetWriter, part: Part, extended: boolean): void {
  out.binary(part.type).text(' ').binary(part.subtype)
  writeParameters(out, part.parameters)
  writeNil(out, part.id)
  writeNil(out, part.description)
  out.text(' ').binary(part.encoding)
  out.text(` ${part.bodyEnd - part.bodyStart + part.bodyBareLf}`)
  if (part.type === 'message' && part.subtype === 'rfc822') writeMessage(out, part, extended)
  if (part.type === 'text') out.text(` ${part.lines}`)
  if (!extended) return
  writeNil(out, part.md5)
  writeExtension(out, part)
}

function writeMessage(out: OctetWriter, { message, lines }: Part, extended: boolean): void {
  out.text(' ')
  if (message) {
    writeEnvelope(out, message.header)
    out.text(' ')
    writeStructure(out, message, extended)
  } else out.text(`${emptyEnvelope} ${extended ? emptyBodyExtended : emptyBody}`)
  out.text(` ${lines}`)
}

/** Disposition, languages, location. */
function writeExtension(out: OctetWriter, { disposition, languages, location }: Part): void {
  if (disposition) {
    out.text(' (').binary(disposition.value)
    writeParameters(out, disposition.parameters)
    out.text(')')
  } else out.text(' NIL')
  if (languages.length === 0) out.text(' NIL')
  else {
    let sign = ' ('
    for (const language of languages) {
      out.text(sign).binary(language)
      sign = ' '
    }
    out.text(')')
  }
  writeNil(out, location)
}

function writeParameters(out: OctetWriter, parameters: readonly Parameter[]): void {
  if (parameters.length === 0) {
    out.text(' NIL')
    return
  }
  let sign = ' ('
  for (const { name, value } of joinSegments(parameters)) {
    out.text(sign).binary(name).text(' ').binary(value)
    sign = ' '
  }
  out.text(')')
}

function writeNil(out: OctetWriter, text: string | undefined): void {
  if (text === undefined) out.text(' NIL')
  else out.text(' ').binary(text)
}
