/** How the queue looks: for people, as mailq of other systems, as JSON. */
import { readHeader } from '../message/header.js'
import type { Attempt } from '../queue/dialogue.js'
import { dueAt, type Entry, type Recipient, type Said } from '../queue/entry.js'
import type { Rest } from '../relay/status.js'

export interface BudgetUse {
  readonly name: string
  /** Messages in the last 24 hours. */
  readonly used: number
  readonly limit: number
}

export interface Listing {
  readonly entries: readonly Entry[]
  readonly rests: readonly Rest[]
  readonly budgets: readonly BudgetUse[]
  /** Milliseconds since 1970. */
  readonly now: number
}

/** Several lines an entry, then what rests, then a sum. */
export function* listText({ entries, rests, budgets, now }: Listing): Generator<string> {
  for (const { id, envelope } of entries) {
    const held = envelope.held === undefined ? '' : `  held: ${plain(envelope.held)}`
    yield `${id}  ${sizeOf(envelope.size)}  ${dateOf(envelope.arrived)}  <${plain(envelope.sender)}>${held}\n`
    for (const each of envelope.recipients) yield recipientText(each, envelope.held !== undefined, now)
  }
  for (const { name, until, said, waiting } of rests)
    yield `${name} rests until ${dateOf(until)} (${waiting} waiting): ${saidText(said)}\n`
  for (const { name, used, limit } of budgets) yield `${name}: ${used} of ${limit} messages in 24 hours\n`
  yield sum(entries)
}

function recipientText(recipient: Recipient, held: boolean, now: number): string {
  const { address, state, due, attempts, said } = recipient
  const when = held ? 'held' : due <= now ? 'now' : `next attempt ${dateOf(due)}`
  const what = state === 'waiting' ? `${when}, ${attempts} so far` : state
  return `    <${plain(address)}>  ${what}\n${said ? `        ${saidText(said)}\n` : ''}`
}

function sum(entries: readonly Entry[]): string {
  const octets = entries.reduce((total, { envelope }) => total + envelope.size, 0)
  if (entries.length === 0) return 'The queue is empty.\n'
  return `${entries.length} ${entries.length === 1 ? 'entry' : 'entries'}, ${sizeOf(octets).trim()}\n`
}

/** Postfix's look, which scripts read: `*` is under way or due, `!` is held. */
export function* listMailq({ entries, now }: Listing): Generator<string> {
  if (entries.length === 0) return yield 'Mail queue is empty\n'
  yield '-Queue ID-  --Size-- ----Arrival Time---- -Sender/Recipient-------\n'
  for (const { id, envelope } of entries) {
    const mark = envelope.held === undefined ? (dueAt(envelope) <= now ? '*' : ' ') : '!'
    const sender = envelope.sender === '' ? 'MAILER-DAEMON' : plain(envelope.sender)
    yield `${id}${mark} ${String(envelope.size).padStart(8)} ${classicDate(envelope.arrived)}  ${sender}\n`
    const waiting = envelope.recipients.filter(({ state }) => state === 'waiting')
    for (const { address, said } of waiting) {
      if (said) yield `${`(${plain(said.text)})`.padStart(80)}\n`
      yield `${' '.repeat(41)}${plain(address)}\n`
    }
    yield '\n'
  }
  const octets = entries.reduce((total, { envelope }) => total + envelope.size, 0)
  yield `-- ${Math.ceil(octets / 1024)} Kbytes in ${entries.length} Request${entries.length === 1 ? '' : 's'}.\n`
}

/** One object a line: entries as they are stored, with `id` and `due`; then destinations that rest, and budgets. */
export function* listJson({ entries, rests, budgets }: Listing): Generator<string> {
  for (const entry of entries) yield `${JSON.stringify(jsonOf(entry))}\n`
  for (const rest of rests) yield `${JSON.stringify({ type: 'rest', ...rest })}\n`
  for (const budget of budgets) yield `${JSON.stringify({ type: 'budget', ...budget })}\n`
}

function jsonOf({ id, envelope }: Entry) {
  const due = dueAt(envelope)
  return { type: 'entry', id, due: Number.isFinite(due) ? due : null, ...envelope }
}

export function showText({ id, envelope }: Entry, attempts: readonly Attempt[], header: Buffer): string {
  const { arrived, sender, size, origin, login, held, envid, ret, recipients } = envelope
  const rows: [string, string | undefined][] = [
    ['Identifier', id],
    ['Arrived', dateOf(arrived)],
    ['From', `<${sender}>`],
    ['Size', `${size} octets`],
    ['Origin', origin],
    ['Login', login],
    ['Held', held],
    ['Envelope id', envid],
    ['Return', ret],
  ]
  const lines = rows.flatMap(([name, value]) =>
    value === undefined ? [] : [`${name.padEnd(12)} ${plain(value)}\n`],
  )
  const now = Date.now()
  const people = recipients.map(each => recipientText(each, held !== undefined, now))
  const dialogues = attempts.map(
    ({ at, host, lines: said }) =>
      `\n${dateOf(at)}, ${plain(host)}:\n${said.map(line => `    ${plain(line)}\n`).join('')}`,
  )
  return `${lines.join('')}${people.join('')}${dialogues.join('')}\n${printable(header.toString())}`
}

export function showJson(entry: Entry, attempts: readonly Attempt[], header: Buffer): string {
  const block = readHeader(header)
  const fields = block.fields.map(field => ({ name: field.name, value: block.value(field) }))
  return `${JSON.stringify({ ...jsonOf(entry), attempts, header: fields })}\n`
}

function saidText({ code, status, text, host }: Said): string {
  return `${host === undefined ? '' : `${plain(host)}: `}${code} ${plain(status)} ${plain(text)}`
}

/** What came from elsewhere cannot move the cursor of a terminal. */
function plain(text: string): string {
  return text.replace(/[\x00-\x1f\x7f-\x9f]/g, '?')
}

function printable(text: string): string {
  return text.replace(/\r\n/g, '\n').replace(/[\x00-\x08\x0b-\x1f\x7f-\x9f]/g, '?')
}

function sizeOf(octets: number): string {
  const text =
    octets < 10_000
      ? `${octets}`
      : octets < 10_000_000
        ? `${Math.round(octets / 1000)}k`
        : `${Math.round(octets / 1e6)}M`
  return text.padStart(6)
}

/** In this machine's zone: `2026-11-23 20:02:11`. */
function dateOf(time: number): string {
  const local = new Date(time - new Date(time).getTimezoneOffset() * 60_000)
  return local.toISOString().slice(0, 19).replace('T', ' ')
}

/** As ctime(3) without the year: `Mon Nov 23 20:02:11`. */
function classicDate(time: number): string {
  const date = new Date(time)
  const day = date
    .toDateString()
    .slice(0, 10)
    .replace(/ 0(?=\d$)/, '  ')
  return `${day} ${date.toTimeString().slice(0, 8)}`
}
