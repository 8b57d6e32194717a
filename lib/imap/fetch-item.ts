/** What FETCH may ask for, decoded (RFC 3501 §6.4.5, §9 fetch-att). */
import { createHash } from 'node:crypto'
import type { SectionKind } from '../message/section.js'
import type { Decoder } from './decode.js'
import { astring } from './encode.js'
import { bad } from './reply.js'

export type FetchItem =
  | { readonly kind: 'flags' | 'uid' | 'date' | 'size' | 'envelope' | 'body' | 'structure' }
  /** RFC 7162 §3.1.4.2, RFC 8514. */
  | { readonly kind: 'modseq' | 'savedate' }
  /** RFC 8474. */
  | { readonly kind: 'emailid' | 'threadid' }
  /** RFC 8970; lazy: only if it is at hand. */
  | { readonly kind: 'preview'; readonly lazy: boolean }
  | SectionItem
  | BinaryItem

/** A part without its transfer encoding, or the size of that (RFC 3516). */
export interface BinaryItem {
  readonly kind: 'binary'
  readonly label: string
  readonly numbers: readonly number[]
  readonly partial: Piece | undefined
  readonly peek: boolean
  readonly size: boolean
}

/** From which octet, and how many. */
export interface Piece {
  readonly offset: number
  readonly length: number
}

/** A piece of the message itself. */
export interface SectionItem {
  readonly kind: 'section'
  /** What the answer calls it: `BODY[1.MIME]<0>`, `RFC822`. */
  readonly label: string
  readonly numbers: readonly number[]
  readonly section: SectionKind
  readonly fields: FieldChoice | undefined
  /** Octets of the section as it goes on the wire. */
  readonly partial: Piece | undefined
  /** Leaves \Seen alone. */
  readonly peek: boolean
}

/** Whether it is HEADER.FIELDS of the message itself. */
export function isChoice({ fields, numbers, partial }: SectionItem): boolean {
  return fields !== undefined && numbers.length === 0 && !partial
}

/** HEADER.FIELDS, or HEADER.FIELDS.NOT where `not` is set. */
export interface FieldChoice {
  readonly not: boolean
  /** In lower case. */
  readonly names: ReadonlySet<string>
  /** The same for every way to write the same choice, and short: what an answer is kept under. */
  readonly key: string
}

const simple: Readonly<Record<string, FetchItem>> = {
  FLAGS: { kind: 'flags' },
  UID: { kind: 'uid' },
  INTERNALDATE: { kind: 'date' },
  'RFC822.SIZE': { kind: 'size' },
  ENVELOPE: { kind: 'envelope' },
  BODYSTRUCTURE: { kind: 'structure' },
  MODSEQ: { kind: 'modseq' },
  SAVEDATE: { kind: 'savedate' },
  EMAILID: { kind: 'emailid' },
  THREADID: { kind: 'threadid' },
  RFC822: whole('RFC822', 'body', false),
  'RFC822.HEADER': whole('RFC822.HEADER', 'header', true),
  'RFC822.TEXT': whole('RFC822.TEXT', 'text', false),
}
const fast = ['FLAGS', 'INTERNALDATE', 'RFC822.SIZE'].map(name => simple[name] as FetchItem)
const macros: Readonly<Record<string, readonly FetchItem[]>> = {
  FAST: fast,
  ALL: [...fast, { kind: 'envelope' }],
  FULL: [...fast, { kind: 'envelope' }, { kind: 'body' }],
}

function whole(label: string, section: SectionKind, peek: boolean): SectionItem {
  return { kind: 'section', label, numbers: [], section, fields: undefined, partial: undefined, peek }
}

/** Several items in parentheses. */
export function readItemList(args: Decoder): readonly FetchItem[] {
  const items = args.list(() => readItem(args, args.keyword('What to fetch')))
  if (items.length === 0) throw bad('Say what to fetch.')
  return items
}

/** A macro, one item, or several in parentheses. */
export function readItems(args: Decoder): readonly FetchItem[] {
  if (args.peek === '(') return args.list(() => readItem(args, args.keyword('What to fetch')))
  const name = args.keyword('What to fetch')
  return Object.hasOwn(macros, name) ? (macros[name] as FetchItem[]) : [readItem(args, name)]
}

function readItem(args: Decoder, name: string): FetchItem {
  if (name === 'BODY' && args.peek !== '[') return { kind: 'body' }
  if (name === 'BODY' || name === 'BODY.PEEK') return readSection(args, name === 'BODY.PEEK')
  if (/^BINARY(\.PEEK|\.SIZE)?$/.test(name)) return readBinary(args, name)
  if (name === 'PREVIEW') return { kind: 'preview', lazy: args.tryText(' (LAZY)') }
  const item = Object.hasOwn(simple, name) ? simple[name] : undefined
  if (!item) throw bad('There is no such thing to fetch.')
  return item
}

const sectionText = /^((?:\d{1,10}\.)*\d{1,10})?(?:(?<=\d)\.(?=[A-Z]))?([A-Z.]*)$/
const kinds: Readonly<Record<string, SectionKind>> = {
  '': 'body',
  HEADER: 'header',
  'HEADER.FIELDS': 'header',
  'HEADER.FIELDS.NOT': 'header',
  TEXT: 'text',
  MIME: 'mime',
}

/** `[1.2.HEADER.FIELDS (From To)]<0.1024>` */
export function readSection(args: Decoder, peek: boolean): SectionItem {
  args.char('[')
  const spec = args.peek === ']' ? '' : args.keyword('The section')
  const [matched, digits = '', text = ''] = sectionText.exec(spec) ?? []
  const section = Object.hasOwn(kinds, text) ? kinds[text] : undefined
  const numbers = digits === '' ? [] : digits.split('.').map(Number)
  if (matched === undefined || !section || numbers.includes(0) || (section === 'mime' && digits === ''))
    throw bad('There is no such section.')
  const written = text.startsWith('HEADER.FIELDS') ? readFieldNames(args) : undefined
  args.char(']')
  const partial = args.tryChar('<') ? readPartial(args) : undefined
  const names = written ? ` (${written.map(astring).join(' ')})` : ''
  return {
    kind: 'section',
    label: `BODY[${spec}${names}]${partial ? `<${partial.offset}>` : ''}`,
    numbers,
    section,
    fields: written && fieldChoice(written, text.endsWith('NOT')),
    partial,
    peek,
  }
}

function readFieldNames(args: Decoder): string[] {
  args.space()
  const names = args.list(() => args.text('A field name'))
  if (names.length === 0) throw bad('Name the fields.')
  return names
}

function fieldChoice(written: readonly string[], not: boolean): FieldChoice {
  const names = new Set(written.map(name => name.toLowerCase()))
  const key = `${not ? 'not' : 'fields'} ${[...names].sort().join(' ')}`
  const short = key.length <= 64 ? key : createHash('sha256').update(key).digest('base64')
  return { not, names, key: short }
}

/** `[1.2]<0.1024>`, the parts counted as in BODY. */
function readBinary(args: Decoder, name: string): BinaryItem {
  args.char('[')
  const spec = args.peek === ']' ? '' : args.keyword('The part')
  args.char(']')
  const numbers = spec === '' ? [] : spec.split('.').map(Number)
  if (!/^([1-9]\d{0,9}(\.[1-9]\d{0,9})*)?$/.test(spec)) throw bad('There is no such part.')
  const size = name === 'BINARY.SIZE'
  const partial = !size && args.tryChar('<') ? readPartial(args) : undefined
  const label = `${size ? name : 'BINARY'}[${spec}]${partial ? `<${partial.offset}>` : ''}`
  return { kind: 'binary', label, numbers, partial, size, peek: name !== 'BINARY' }
}

/** Whether fetching this marks a message \Seen. */
export function marksSeen(item: FetchItem): boolean {
  return (item.kind === 'section' || item.kind === 'binary') && !item.peek
}

/** `0.1024>` */
function readPartial(args: Decoder): Piece {
  const [, offset, length] = /^(\d{1,15})\.(\d{1,15})$/.exec(args.keyword('The part of the section')) ?? []
  args.char('>')
  if (offset === undefined || length === undefined || Number(length) === 0)
    throw bad('Write the part of a section as <0.1024>.')
  return { offset: Number(offset), length: Number(length) }
}
