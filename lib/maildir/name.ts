/**
 * Names of message files: `SECONDS.MmicrosecondsPpid[Qn].HOST,S=size,W=wiresize:2,FLAGS`.
 *
 * The part before ":" never changes while the message lives in its folder and is what dovecot-uidlist lists; what
 * follows are the flags, letters in ASCII order. Names are octets, not text: they are handled here as latin1
 * strings, one character an octet, and become paths with {@link pathOf} only.
 */
import { hostname } from 'node:os'
import { firstKeywordBit, systemFlags } from '../message/flags.js'

/** What a name says. Sizes are hints that a careless program may have carried over to other content. */
export interface MaildirName {
  /** Everything before ":", the identity of the file. */
  readonly unique: string
  /** The letters of the first set of flags, as they stand; empty for a file without `:2,`. */
  readonly flags: string
  /** `S=`: octets on disk. */
  readonly storedSize?: number
  /** `W=`: octets on the wire, each line end counted as CRLF. */
  readonly size?: number
}

/**
 * Everything a file name can hold: the five system flags of `message/flags.ts`, and in bits 5 to 30 the letters a to
 * z, whose meaning dovecot-keywords gives for each folder.
 */
export const maskOfAll = 0x7fffffff

const bitOfCode = new Int32Array(256)
for (const { letter, bit } of systemFlags) bitOfCode[letter.charCodeAt(0)] = bit
for (let i = 0; i < 26; i++) bitOfCode[97 + i] = 1 << (firstKeywordBit + i)

/** All flag letters in ASCII order, which is the order they are written in. */
const letters = [...'DFRST', ...'abcdefghijklmnopqrstuvwxyz']
const lettersOfMask = new Map<number, string>()

function lettersOf(mask: number): string {
  let found = lettersOfMask.get(mask)
  if (found === undefined) {
    found = letters.filter(letter => mask & bitOfCode[letter.charCodeAt(0)]!).join('')
    lettersOfMask.set(mask, found)
  }
  return found
}

/** Takes a name apart. */
export function parseName(name: string): MaildirName {
  const unique = uniqueOf(name)
  const storedSize = sizeField(unique, ',S=')
  const size = sizeField(unique, ',W=')
  return {
    unique,
    flags: name.slice(flagsStart(name), flagsEnd(name)),
    ...(storedSize === undefined ? {} : { storedSize }),
    ...(size === undefined ? {} : { size }),
  }
}

/** The part before ":". */
export function uniqueOf(name: string): string {
  const colon = name.indexOf(':')
  return colon < 0 ? name : name.slice(0, colon)
}

/** The flags of a name as a mask; letters that are no flags count nothing. */
export function maskOf(name: string): number {
  let mask = 0
  for (let i = flagsStart(name); i < name.length; i++) {
    const code = name.charCodeAt(i)
    if (code === 0x2c) break
    mask |= bitOfCode[code]!
  }
  return mask
}

/**
 * The same name with other flags. Characters that are no flags keep their place in the order, and a further set,
 * `,…` after the flags, is kept whole: other programs put them there.
 */
export function withMask(name: string, mask: number): string {
  const start = flagsStart(name)
  const end = flagsEnd(name)
  let flags = lettersOf(mask)
  for (let i = start; i < end; i++)
    if (bitOfCode[name.charCodeAt(i)] === 0) {
      const others = [...name.slice(start, end)].filter(letter => bitOfCode[letter.charCodeAt(0)] === 0)
      flags = [...others, ...flags].sort().join('')
      break
    }
  return `${uniqueOf(name)}:2,${flags}${name.slice(end)}`
}

/** What a name says of sizes, without taking the rest apart: `S=`, the octets on disk; undefined when it does not. */
export function storedSizeIn(name: string): number | undefined {
  return sizeField(name, ',S=')
}

/** The same for `W=`, the octets on the wire. */
export function sizeIn(name: string): number | undefined {
  return sizeField(name, ',W=')
}

/** `S=` or `W=`: decimal digits up to the next ",", ":" or the end; anything else is no size, nor is what stands behind ":". */
function sizeField(name: string, key: string): number | undefined {
  const start = name.indexOf(key)
  const colon = name.indexOf(':')
  if (start < 0 || (colon >= 0 && start > colon)) return undefined
  let value = 0
  let i = start + key.length
  for (; i < name.length; i++) {
    const digit = name.charCodeAt(i) - 0x30
    if (digit < 0 || digit > 9) break
    value = value * 10 + digit
  }
  const isEnd = i === name.length || name[i] === ',' || name[i] === ':'
  return i > start + key.length && isEnd && Number.isSafeInteger(value) ? value : undefined
}

function flagsStart(name: string): number {
  const colon = name.indexOf(':')
  return colon >= 0 && name.startsWith('2,', colon + 1) ? colon + 3 : name.length
}

function flagsEnd(name: string): number {
  const start = flagsStart(name)
  const comma = name.indexOf(',', start)
  return comma < 0 ? name.length : comma
}

/** Whether a directory entry can be a message: no dot file, no line end in its name, not all of it flags. */
export function isMessageName(name: string): boolean {
  const first = name.charCodeAt(0)
  return first !== 0x2e && first !== 0x3a && !name.includes('\n') && !name.includes('\r')
}

/**
 * When a name says its message was delivered, in microseconds since 1970. Seconds and microseconds are numbers: a
 * comparison of strings breaks where their digits grow.
 */
export function timeOf(name: string): number {
  return digits(name, 0) * 1e6 + micros(name)
}

/** The number that stands at an offset; 0 where none does. */
function digits(text: string, start: number): number {
  let value = 0
  for (let i = start; i < text.length; i++) {
    const digit = text.charCodeAt(i) - 0x30
    if (digit < 0 || digit > 9) break
    value = value * 10 + digit
  }
  return value
}

function micros(name: string): number {
  const dot = name.indexOf('.')
  return name[dot + 1] === 'M' ? digits(name, dot + 2) : 0
}

let last = 0

/**
 * A name nobody else gives: without sizes and flags. Names of one process rise strictly, also when the clock does not.
 *
 * @param now microseconds since 1970
 */
export function uniqueName(now: number = microseconds(), host?: string): string {
  last = Math.max(now, last + 1)
  const seconds = Math.floor(last / 1e6)
  return `${seconds}.M${last - seconds * 1e6}P${process.pid}.${host === undefined ? ownHost() : safeHost(host)}`
}

/** The clock's milliseconds, with a finer order within each (Node's `performance` would take longer to load). */
function microseconds(): number {
  return Date.now() * 1000 + (Math.floor(process.hrtime()[1] / 1000) % 1000)
}

let known: string | undefined

/** This machine's name as it was when the process first gave a name. */
function ownHost(): string {
  known ??= safeHost(hostname())
  return known
}

/** A host name with nothing in it that a path or a name gives a meaning to (maildir(5)). */
export function safeHost(host: string): string {
  return host.replaceAll('/', '\\057').replaceAll(':', '\\072').replaceAll(',', '\\054') || 'localhost'
}

/** A unique name with its exact sizes. */
export function withSizes(unique: string, storedSize: number, size: number): string {
  return `${unique},S=${storedSize},W=${size}`
}

/** The path of a file whose name is a latin1 string; octets beyond ASCII need a Buffer to stay what they are. */
export function pathOf(directory: string, name: string): string | Buffer {
  return /^[\x00-\x7f]*$/.test(name)
    ? `${directory}/${name}`
    : Buffer.concat([Buffer.from(`${directory}/`), Buffer.from(name, 'latin1')])
}
