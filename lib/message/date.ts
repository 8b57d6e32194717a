/** Dates: the Date field of RFC 5322 §3.3 and whatever is sent in its place, and IMAP's date-time (RFC 3501 §9). */

/** A moment, and the zone it was written in. */
export interface ZonedDate {
  /** Milliseconds since 1970-01-01T00:00:00Z. */
  readonly utc: number
  /** Minutes that the writer's clock was ahead of UTC. */
  readonly offset: number
}

const months = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec']
const monthNames = months.map(name => (name[0] ?? '').toUpperCase() + name.slice(1))
const dayNames = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat']
/** Hours of RFC 5322 §4.3's named zones, and of a few that are sent all the same. */
// biome-ignore format: a table
const zones: Record<string, number> = {
  ut: 0, utc: 0, gmt: 0, z: 0, bst: 1, cet: 1, cest: 2, eet: 2, eest: 3, msk: 3, kst: 9, jst: 9,
  est: -5, edt: -4, cst: -6, cdt: -5, mst: -7, mdt: -6, pst: -8, pdt: -7,
}
const minute = 60_000
const day = 86_400_000
/** A date has no use for more text than this; the rest is not looked at. */
const longest = 256

/**
 * Reads a date as mail carries it: RFC 5322 with its obsolete forms (two-digit years, named zones, no seconds, no
 * day name, comments), asctime(3) and ISO 8601 orders, dashes between day, month and year. A zone that is missing
 * or not known counts as UTC.
 *
 * @returns undefined for what is no date
 */
export function parseDate(text: string): ZonedDate | undefined {
  const plain = withoutComments(text.slice(0, longest)).replace(/\s*:\s*/g, ':')
  const fields: DateFields = { zone: 0, zoneSeen: false }
  const iso = /^\s*(\d{4})-(\d{1,2})-(\d{1,2})(?:T|\s|$)/i.exec(plain)
  if (iso) {
    fields.year = Number(iso[1])
    fields.month = Number(iso[2]) - 1
    fields.day = Number(iso[3])
  }
  const rest = plain.slice(iso?.[0].length ?? 0)
  for (const token of rest.match(/[+-]\d{1,2}:?\d{2}|\d+(?:[:.]\d+)+|\d+|[a-z]+/gi) ?? [])
    readToken(token, fields)
  return makeDate(fields)
}

interface DateFields {
  year?: number
  month?: number
  day?: number
  /** Milliseconds since midnight. */
  time?: number
  afternoon?: boolean
  /** Minutes. */
  zone: number
  zoneSeen: boolean
}

function readToken(token: string, fields: DateFields): void {
  const signed = /^[+-]/.test(token)
  if (signed && fields.time !== undefined) readOffset(token, fields)
  // Before the time has come, a sign is the dash of 17-Jul-2024.
  else if (signed) readNumber(token.slice(1), fields)
  else if (/[:.]/.test(token)) fields.time ??= readTime(token)
  else if (/^\d/.test(token)) readNumber(token, fields)
  else readWord(token.toLowerCase(), fields)
}

function readOffset(token: string, fields: DateFields): void {
  const digits = token.slice(1).replace(':', '').padStart(4, '0')
  const minutes = Number(digits.slice(0, 2)) * 60 + Number(digits.slice(2))
  if (minutes >= 24 * 60) return
  fields.zone = token[0] === '-' ? 0 - minutes : minutes
  fields.zoneSeen = true
}

function readTime(token: string): number {
  const [hours = 0, minutes = 0, seconds = 0] = token.split(/[:.]/).map(Number)
  if (hours > 24 || minutes > 59 || seconds > 60) return Number.NaN
  return (hours * 3600 + minutes * 60 + Math.min(seconds, 59)) * 1000
}

function readNumber(token: string, fields: DateFields): void {
  if (fields.day === undefined && token.length <= 2) fields.day = Number(token)
  else fields.year ??= readYear(token)
}

/** RFC 5322 §4.3: two digits up to 49 are of this century, from 50 and all of three digits count from 1900. */
function readYear(token: string): number {
  const year = Number(token)
  if (token.length === 2) return year < 50 ? 2000 + year : 1900 + year
  if (token.length === 3) return 1900 + year
  return token.length === 4 ? year : Number.NaN
}

function readWord(word: string, fields: DateFields): void {
  const month = months.indexOf(word.slice(0, 3))
  if (month >= 0) fields.month ??= month
  else if (word === 'pm' || word === 'am') fields.afternoon = word === 'pm'
  else if (!fields.zoneSeen && Object.hasOwn(zones, word)) {
    fields.zone = (zones[word] ?? 0) * 60
    fields.zoneSeen = fields.zone !== 0
  }
}

function makeDate({ year, month, day: date, time = 0, afternoon, zone }: DateFields): ZonedDate | undefined {
  if (year === undefined || month === undefined || date === undefined) return undefined
  const midnight = utcDay(year, month, date)
  if (midnight === undefined || Number.isNaN(time)) return undefined
  const half = 12 * 60 * minute
  const clock =
    afternoon === undefined || time >= 13 * 60 * minute ? time : (time % half) + (afternoon ? half : 0)
  return { utc: midnight + clock - zone * minute, offset: zone }
}

/** Midnight of a day that the calendar has, in milliseconds. */
function utcDay(year: number, month: number, date: number): number | undefined {
  const value = new Date(0)
  value.setUTCFullYear(year, month, date)
  return value.getUTCMonth() === month && value.getUTCDate() === date ? value.getTime() : undefined
}

/** Takes out comments, which nest (RFC 5322 §3.2.2); one that does not end goes to the end. */
function withoutComments(text: string): string {
  if (!text.includes('(')) return text
  let plain = ''
  let depth = 0
  for (let at = 0; at < text.length; at++) {
    const char = text[at]
    if (char === '(') depth++
    else if (char === ')') depth = Math.max(0, depth - 1)
    else if (char === '\\' && depth > 0) at++
    else if (depth === 0) plain += char
  }
  return plain
}

/**
 * Writes a Date field's value: `Tue, 15 Nov 1994 08:12:31 -0500` (RFC 5322 §3.3).
 *
 * @param utc milliseconds since 1970
 * @param offset minutes that the clock it is written for is ahead of UTC
 */
export function formatDate(utc: number, offset = 0): string {
  const local = new Date(utc + offset * minute)
  const date = `${local.getUTCDate()} ${monthNames[local.getUTCMonth()]} ${year(local)}`
  return `${dayNames[local.getUTCDay()]}, ${date} ${clock(local)} ${formatOffset(offset)}`
}

/** The day that was written last: of a hundred thousand messages, many in a row are of one day. */
let lastDay = Number.NaN
let lastDayText = ''
const twoDigits = Array.from({ length: 60 }, (_, number) => String(number).padStart(2, '0'))

/** Writes an IMAP date-time without its quotes: `17-Jul-1996 02:44:25 -0700`, the day padded with a space. */
export function formatInternalDate(utc: number, offset = 0): string {
  const local = utc + offset * minute
  const wanted = Math.floor(local / day)
  if (wanted !== lastDay) {
    const date = new Date(local)
    const month = monthNames[date.getUTCMonth()]
    lastDayText = `${String(date.getUTCDate()).padStart(2, ' ')}-${month}-${year(date)}`
    lastDay = wanted
  }
  const seconds = Math.floor((local - wanted * day) / 1000)
  const [hour, rest] = [Math.floor(seconds / 3600), seconds % 3600]
  const time = `${twoDigits[hour]}:${twoDigits[Math.floor(rest / 60)]}:${twoDigits[rest % 60]}`
  return `${lastDayText} ${time} ${offset === 0 ? '+0000' : formatOffset(offset)}`
}

/** Reads an IMAP date-time without its quotes (RFC 3501 §9); undefined for what is none. */
export function parseInternalDate(text: string): ZonedDate | undefined {
  const match = /^ ?(\d{1,2}-[a-z]{3}-\d{4}) (\d\d):(\d\d):(\d\d) ([+-])(\d\d)([0-5]\d)$/i.exec(text)
  const date = parseDay(match?.[1] ?? '')
  if (!match || date === undefined) return undefined
  const [hours = 0, minutes = 0, seconds = 0] = match.slice(2, 5).map(Number)
  if (hours > 23 || minutes > 59 || seconds > 60) return undefined
  const offset = (Number(match[6]) * 60 + Number(match[7])) * (match[5] === '-' ? -1 : 1)
  const time = (hours * 3600 + minutes * 60 + Math.min(seconds, 59)) * 1000
  return { utc: date * day + time - offset * minute, offset }
}

/** Reads an IMAP date such as `1-Feb-1994`, as days since 1970-01-01; undefined for what is none. */
export function parseDay(text: string): number | undefined {
  const match = /^(\d{1,2})-([a-z]{3})-(\d{4})$/i.exec(text)
  const month = months.indexOf(match?.[2]?.toLowerCase() ?? '')
  if (!match || month < 0) return undefined
  const midnight = utcDay(Number(match[3]), month, Number(match[1]))
  return midnight === undefined ? undefined : midnight / day
}

/** The day that a moment fell on for its writer, in days since 1970-01-01. */
export function dayOf({ utc, offset }: ZonedDate): number {
  return Math.floor((utc + offset * minute) / day)
}

function year(local: Date): string {
  return String(local.getUTCFullYear()).padStart(4, '0')
}

function clock(local: Date): string {
  return local.toISOString().slice(-13, -5)
}

function formatOffset(offset: number): string {
  const minutes = Math.abs(offset)
  const digits = [Math.floor(minutes / 60), minutes % 60].map(part => String(part).padStart(2, '0')).join('')
  return (offset < 0 ? '-' : '+') + digits
}
