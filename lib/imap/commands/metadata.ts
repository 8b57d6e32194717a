/** GETMETADATA and SETMETADATA (RFC 5464): what clients note of mailboxes, and of the server where the name is "". */
import type { Metadata } from '../backend.js'
import type { Answer } from '../command.js'
import type { Decoder } from '../decode.js'
import { astring, OctetWriter } from '../encode.js'
import { tellMetadataNews } from '../listing.js'
import { bad, no } from '../reply.js'
import type { Session } from '../session.js'

/** Longest value, in octets. */
const longestValue = 64 * 1024

interface Options {
  /** Larger values are not told, in octets. */
  maxSize: number
  /** How many levels below an entry are told too. */
  depth: number
}

export async function getMetadata(session: Session, args: Decoder): Promise<Answer | undefined> {
  const options: Options = { maxSize: Number.POSITIVE_INFINITY, depth: 0 }
  args.space()
  if (args.peek === '(') {
    readOptions(args, options)
    args.space()
  }
  const mailbox = args.mailbox()
  args.space()
  // The grammar has the options before the mailbox, the RFC's examples after it.
  if (/^\([a-z]/i.test(args.rest)) {
    readOptions(args, options)
    args.space()
  }
  const asked = args.peek === '(' ? args.list(() => readName(args)) : readNames(args)
  args.end()
  for (const name of asked) checkName(name, options.depth > 0)
  const entries = await session.mail.metadata(mailbox === '' ? undefined : mailbox)
  return tell(session, mailbox, chosen(entries, asked, options.depth), options.maxSize)
}

/** `(MAXSIZE 1024 DEPTH infinity)` */
function readOptions(args: Decoder, options: Options): void {
  args.list(() => {
    const name = args.word('An option')
    args.space()
    if (name === 'MAXSIZE') options.maxSize = args.number('The size')
    else if (name === 'DEPTH') options.depth = readDepth(args)
    else throw bad('There is no such option.')
  })
}

function readDepth(args: Decoder): number {
  const depth = args.word('The depth')
  if (!/^(0|1|INFINITY)$/.test(depth)) throw bad('The depth is 0, 1 or infinity.')
  return depth === 'INFINITY' ? Number.POSITIVE_INFINITY : Number(depth)
}

/** One name; or several without parentheses, as in an example of the RFC (§4.4.1). */
function readNames(args: Decoder): string[] {
  const names: string[] = []
  do names.push(readName(args))
  while (args.trySpace() && !args.atEnd)
  return names
}

/** Entry names are compared without case. */
function readName(args: Decoder): string {
  return args.text('An entry').toLowerCase()
}

/** @param isTop whether `/private` and `/shared` alone mean something */
function checkName(name: string, isTop: boolean): void {
  const isName = /^\/(private|shared)(\/[^/*%\x00-\x1f\x7f-\uffff]+)+$/.test(name)
  if (!isName && !(isTop && /^\/(private|shared)$/.test(name)))
    throw bad('An entry is named /private/… or /shared/….')
}

/** What was asked for, and what stands below it; NIL for an entry that is asked for alone and has no value. */
function chosen(entries: Metadata, asked: readonly string[], depth: number): Map<string, Buffer | undefined> {
  const found = new Map<string, Buffer | undefined>()
  for (const name of asked) {
    const value = entries.get(name)
    if (value || depth === 0) found.set(name, value)
    if (depth === 0) continue
    for (const [other, below] of entries)
      if (other.startsWith(`${name}/`) && levels(other.slice(name.length + 1)) <= depth)
        found.set(other, below)
  }
  return found
}

function levels(path: string): number {
  return path.split('/').length
}

function tell(
  session: Session,
  mailbox: string,
  found: ReadonlyMap<string, Buffer | undefined>,
  maxSize: number,
): Answer | undefined {
  let longest = 0
  const out = new OctetWriter(1024)
  let told = 0
  for (const [name, value] of found) {
    if (value && value.length > maxSize) {
      longest = Math.max(longest, value.length)
      continue
    }
    out.text(told++ === 0 ? '' : ' ').text(`${astring(name)} `)
    writeValue(out, value)
  }
  if (told > 0) {
    session.connection.write(`* METADATA ${session.nameText(mailbox)} (`)
    session.connection.write(out.text(')\r\n').take())
  }
  return longest > 0 ? { code: `METADATA LONGENTRIES ${longest}` } : undefined
}

function writeValue(out: OctetWriter, value: Buffer | undefined): void {
  if (!value) out.text('NIL')
  else if (value.includes(0)) out.text('~').literal(value)
  else out.binary(value.toString('latin1'))
}

export async function setMetadata(session: Session, args: Decoder): Promise<void> {
  args.space()
  const mailbox = args.mailbox()
  args.space()
  const changes = new Map<string, Buffer | undefined>()
  args.list(() => {
    const name = readName(args)
    checkName(name, false)
    args.space()
    changes.set(name, args.nstring('The value'))
  })
  args.end()
  for (const value of changes.values())
    if (value && value.length > longestValue)
      throw no(`METADATA MAXSIZE ${longestValue}`, 'That value is too large.')
  // What others changed is told first, so that what is new then is the client's own.
  await tellMetadataNews(session)
  await session.mail.setMetadata(mailbox === '' ? undefined : mailbox, changes)
  if (session.metadataTold) session.metadataTold = await session.mail.allMetadata()
}
