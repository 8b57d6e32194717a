/** Putting other text in place of a part, and messages into messages: RFC 5703 §5, §6. */
import { createHash } from 'node:crypto'
import { formatDate } from '../../message/date.js'
import type { Part } from '../../message/structure.js'
import type { CommandDefinition, Extension } from '../definition.js'
import { Field, type Version } from '../message.js'
import type { PartCursor, Replacements } from '../mime.js'
import type { Run } from '../run.js'
import { ownAddress } from '../user-address.js'
import { wrongAddress } from './actions.js'

const replaceCommand: CommandDefinition = {
  name: 'replace',
  tags: [
    { name: 'mime' },
    { name: 'subject', value: 'string' },
    { name: 'from', value: 'string', check: wrongAddress },
  ],
  takes: [{ name: 'replacement', type: 'string' }],
  compile(call) {
    const [subject, from] = [call.tagText('subject'), call.tagText('from')]
    const text = call.text('replacement')
    const mime = call.has('mime')
    return run => {
      const { lineEnd } = run.message
      const given = text.value(run).replaceAll('\r\n', lineEnd)
      const entity = mime ? given : plainEntity(given, lineEnd)
      const { part } = run
      if (part && part.part !== part.version.structure) replacePart(run, part, entity)
      else replaceAll(run, entity, subject?.value(run), from?.value(run))
      limit(run)
    }
  },
}

/** Text as a MIME entity. */
function plainEntity(text: string, lineEnd: string): string {
  const ascii = /^[\0-\x7f]*$/.test(text)
  const head = [
    `Content-Type: text/plain; charset=${ascii ? 'us-ascii' : 'utf-8'}`,
    `Content-Transfer-Encoding: ${ascii ? '7bit' : '8bit'}`,
  ]
  return `${head.join(lineEnd)}${lineEnd}${lineEnd}${text}`
}

/** Parts are replaced by their places in the version that the loop goes through, all at once each time. */
function replacePart(run: Run, { version, part }: PartCursor, entity: string): void {
  const before = run.replaced?.version === version ? run.replaced.edits : []
  // What stands within something replaced is no longer there.
  if (before.some(({ start, end }) => part.start >= start && part.bodyEnd <= end)) return
  const outside = before.filter(({ start, end }) => end <= part.start || start >= part.bodyEnd)
  const edit = { start: part.start, end: part.bodyEnd, octets: Buffer.from(entity) }
  const edits = [...outside, edit].sort((a, b) => a.start - b.start)
  run.replaced = { version, edits }
  run.message = run.message.withBody(apply(version, version.structure, edits))
}

function apply({ octets }: Version, { bodyStart }: Part, edits: Replacements['edits']): Buffer {
  const pieces: Buffer[] = []
  let at = bodyStart
  for (const edit of edits) {
    pieces.push(octets.subarray(at, edit.start), edit.octets)
    at = edit.end
  }
  return Buffer.concat([...pieces, octets.subarray(at)])
}

/** The whole body: the header stays, but for what says how to read the body, and what the tags change. */
function replaceAll(run: Run, entity: string, subject: string | undefined, from: string | undefined): void {
  const { message } = run
  const { lineEnd } = message
  const [, head = '', body = ''] = /^((?:[^\r\n]+\r?\n)*)\r?\n?([\s\S]*)$/.exec(entity) ?? []
  let fields = message.header.fields.filter(
    ({ key }) => !key.startsWith('content-') && key !== 'mime-version',
  )
  fields = exchange(fields, 'Subject', subject, lineEnd)
  fields = exchange(fields, 'From', from, lineEnd)
  const raw = Buffer.from(`MIME-Version: 1.0${lineEnd}${head}${lineEnd}${body}`)
  run.message = message.replaced(Buffer.concat([...fields.map(field => field.raw), raw]))
  run.replaced = undefined
}

/** Sets a field anew; what it was is kept beside it as Original-… */
function exchange(
  fields: readonly Field[],
  name: string,
  value: string | undefined,
  lineEnd: '\r\n' | '\n',
): Field[] {
  if (value === undefined) return [...fields]
  const key = name.toLowerCase()
  const original = fields.find(field => field.key === key)?.value
  const rest = fields.filter(field => field.key !== key)
  const kept = original === undefined ? [] : [Field.of(`Original-${name}`, original, lineEnd)]
  return [...rest, Field.of(name, value, lineEnd), ...kept]
}

const encloseCommand: CommandDefinition = {
  name: 'enclose',
  tags: [
    { name: 'subject', value: 'string' },
    { name: 'headers', value: 'strings' },
  ],
  takes: [{ name: 'text', type: 'string' }],
  compile(call) {
    const [subject, headers] = [call.tagText('subject'), call.tagTexts('headers')]
    const text = call.text('text')
    return run => {
      const { message } = run
      run.unenclosed ??= message
      const names = (headers?.values(run) ?? []).map(name => name.toLowerCase())
      const head = encloseHeader(run, names, subject?.value(run))
      run.message = message.replaced(encloseBody(message, head, text.value(run)))
      run.replaced = undefined
      limit(run)
    }
  },
}

/** RFC 5703 §6: fields that are asked for are copied; Date and From are new unless they are among them. */
function encloseHeader(run: Run, names: readonly string[], subject: string | undefined): Field[] {
  const { message, context } = run
  const { lineEnd } = message
  const copied = message.header.fields.filter(
    ({ key }) => names.includes(key) && !/^(content-|mime-|subject$)/.test(key),
  )
  const has = (key: string) => copied.some(field => field.key === key)
  const title = subject ?? message.named('subject')[0]?.value
  return [
    ...copied,
    ...(has('date') ? [] : [Field.of('Date', formatDate(context.now, context.zone), lineEnd)]),
    ...(has('from') ? [] : [Field.of('From', ownAddress(context), lineEnd)]),
    ...(title === undefined ? [] : [Field.of('Subject', title, lineEnd)]),
  ]
}

function encloseBody(message: Version, head: readonly Field[], text: string): Buffer {
  const { lineEnd } = message
  const boundary = boundaryFor(message.octets)
  const intro = plainEntity(text.replaceAll('\r\n', lineEnd), lineEnd)
  const before = [
    'MIME-Version: 1.0',
    `Content-Type: multipart/mixed; boundary="${boundary}"`,
    '',
    `--${boundary}`,
    intro,
    `--${boundary}`,
    'Content-Type: message/rfc822',
    '',
    '',
  ].join(lineEnd)
  const after = `${lineEnd}--${boundary}--${lineEnd}`
  return Buffer.concat([
    ...head.map(({ raw }) => raw),
    Buffer.from(before),
    message.octets,
    Buffer.from(after),
  ])
}

/** A boundary that the message does not hold; the same one for the same message. */
function boundaryFor(octets: Buffer): string {
  for (let salt = 0; ; salt++) {
    const hash = createHash('sha256').update(`${salt}`).update(octets).digest('hex')
    const boundary = `=_${hash.slice(0, 32)}`
    if (!octets.includes(boundary)) return boundary
  }
}

function limit(run: Run): void {
  const { maxMessageSize } = run.settings
  run.spend(run.message.octets.length)
  if (maxMessageSize > 0 && run.message.octets.length > maxMessageSize)
    run.fail(`the message grew larger than ${maxMessageSize} octets`)
}

export const replace: Extension = { name: 'replace', commands: [replaceCommand] }

export const enclose: Extension = { name: 'enclose', commands: [encloseCommand] }
