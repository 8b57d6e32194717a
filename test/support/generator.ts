/**
 * Mailboxes to measure on: reproducible from a seed, and like what people have. Of the messages half are plain text
 * of 1 to 4 KiB, one in ten of these a mailing list's with long References; 35 in 100 have text and HTML
 * (6 to 25 KiB), 15 in 100 an attachment (20 to 110 KiB): 18 KiB on the average.
 */
import { closeSync, fchownSync, futimesSync, mkdirSync, openSync, writeSync } from 'node:fs'
import { join } from 'node:path'

/** A sequence of numbers in [0, 1), the same for the same seed (mulberry32). */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

const vocabulary =
  'server nightly backup finished warning disk volume snapshot router firmware update certificate renewal calendar lunch train invoice parcel photo garden release branch review failed passed report weekly family ticket seat password device house heating water battery solar meter camera door school holiday recipe coffee kernel package mirror network switch cable rack fan noise quiet morning evening winter'.split(
    ' ',
  )
const people = [
  'Alice Kim',
  'Bob Moreau',
  '김서연',
  'Erin Müller',
  'Gitea',
  'OPNsense',
  'José Álvarez',
  'Naver 쇼핑',
  'Prometheus',
]
const domains = ['ilnmors.internal', 'example.org', 'example.net', 'lists.example.com', 'naver.example']

/** Makes messages, one after the other. */
export class Generator {
  readonly #random: () => number
  readonly #paragraphs: string[]
  readonly #binary: Buffer

  constructor(seed: number) {
    this.#random = randomFrom(seed)
    this.#paragraphs = Array.from({ length: 300 }, () => this.#words(80, 76))
    this.#binary = Buffer.from(Array.from({ length: 1 << 17 }, () => this.#below(256)))
  }

  /** One message with LF line ends. @param time of its Date field, in seconds since 1970 */
  message(index: number, time: number): string {
    const kind = this.#random()
    const header = this.#header(index, time, kind < 0.05)
    if (kind < 0.5) return `${header}${this.#plainPart(900 + this.#below(3_100))}`
    const boundary = `=_${index}_${this.#below(1e9)}`
    if (kind < 0.85) return header + this.#alternative(boundary, 4_000 + this.#below(17_000))
    const name = `file-${index}.bin`
    const size = 12_000 + this.#below(68_000)
    const data = this.#binary.subarray(0, size).toString('base64').replace(/.{76}/g, '$&\n')
    return (
      `${header}Content-Type: multipart/mixed; boundary="${boundary}"\n\n--${boundary}\n` +
      `${this.#alternative(`${boundary}a`, 2_000 + this.#below(4_000))}\n--${boundary}\n` +
      `Content-Type: application/octet-stream; name="${name}"\nContent-Transfer-Encoding: base64\n` +
      `Content-Disposition: attachment; filename="${name}"\n\n${data}\n--${boundary}--\n`
    )
  }

  #header(index: number, time: number, list: boolean): string {
    const name = this.#pick(people)
    const domain = this.#pick(domains)
    const date = new Date(time * 1000).toUTCString().replace('GMT', '+0000')
    const received = Array.from(
      { length: 1 + this.#below(3) },
      (_, hop) =>
        `Received: from mx${hop}.${domain} (mx${hop}.${domain} [192.0.2.${hop + 1}])\n\tby mail.ilnmors.internal with ESMTPS id ${this.#below(1e9).toString(36)}\n\tfor <me@ilnmors.internal>; ${date}\n`,
    )
    const references = Array.from(
      { length: 4 + this.#below(16) },
      (_, k) => `<${time - k * 997}.${k}@${domain}>`,
    )
    return (
      `Return-Path: <bounce-${index}@${domain}>\n${received.join('')}From: ${word(name)} <user${index % 97}@${domain}>\n` +
      `To: me@ilnmors.internal\nSubject: ${word(this.#subject())}\nDate: ${date}\nMessage-ID: <${time}.${index}@${domain}>\n` +
      `${list ? `In-Reply-To: ${references[0]}\nReferences: ${references.join('\n\t')}\nList-Id: <dev.${domain}>\n` : ''}MIME-Version: 1.0\n`
    )
  }

  #subject(): string {
    const words = this.#words(3 + this.#below(6), 0).trim()
    return `${this.#random() < 0.3 ? 'Re: ' : ''}${this.#random() < 0.15 ? '[알림] ' : ''}${words}`
  }

  #plainPart(size: number): string {
    return `Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\n\n${this.#text(size)}`
  }

  #alternative(boundary: string, size: number): string {
    let html = '<html><body>\n'
    while (html.length < size)
      html += `<p style=3D"margin:0">${this.#pick(this.#paragraphs).replaceAll('\n', '=\n')}</p>\n`
    return (
      `Content-Type: multipart/alternative; boundary="${boundary}"\n\n--${boundary}\n${this.#plainPart(800 + this.#below(2_200))}\n` +
      `--${boundary}\nContent-Type: text/html; charset=utf-8\nContent-Transfer-Encoding: quoted-printable\n\n${html}</body></html>\n` +
      `--${boundary}--\n`
    )
  }

  #text(size: number): string {
    let text = ''
    while (text.length < size) text += `${this.#pick(this.#paragraphs)}\n`
    return `${text.slice(0, size)}\n`
  }

  #words(count: number, width: number): string {
    let text = ''
    let column = 0
    for (let i = 0; i < count; i++) {
      const next = this.#pick(vocabulary)
      const wraps = width > 0 && column + next.length > width
      text += `${i === 0 ? '' : wraps ? '\n' : ' '}${next}`
      column = wraps ? next.length : column + next.length + 1
    }
    return text
  }

  #below(limit: number): number {
    return Math.floor(this.#random() * limit)
  }

  #pick<T>(list: readonly T[]): T {
    return list[this.#below(list.length)] as T
  }
}

function word(text: string): string {
  return /^[ -~]*$/.test(text) ? text : `=?UTF-8?B?${Buffer.from(text).toString('base64')}?=`
}

export interface MailboxOptions {
  readonly seed?: number
  /** Whose files these are to be; this process's own unless given. */
  readonly owner?: number
  /** Whether the names tell the sizes, as a Dovecot's or our own deliveries' do. */
  readonly sizes?: boolean
}

/** Fills a Maildir's cur/ with messages, eight in ten of them \Seen. @returns their octets on disk */
export function fillMaildir(maildir: string, count: number, options: MailboxOptions = {}): number {
  const { seed = 1, owner = process.getuid?.() ?? 0, sizes = false } = options
  for (const folder of ['cur', 'new', 'tmp'])
    mkdirSync(join(maildir, folder), { recursive: true, mode: 0o700 })
  const generator = new Generator(seed)
  const flags = randomFrom(seed + 1)
  const step = Math.max(1, Math.floor(63_072_000 / count))
  let octets = 0
  for (let i = 0; i < count; i++) {
    const time = 1_700_000_000 + i * step
    const text = Buffer.from(generator.message(i, time))
    let lines = 0
    for (let at = text.indexOf(10); at >= 0; at = text.indexOf(10, at + 1)) lines++
    const letters = `${flags() < 0.03 ? 'F' : ''}${flags() < 0.1 ? 'R' : ''}${flags() < 0.8 ? 'S' : ''}`
    const size = sizes ? `,S=${text.length},W=${text.length + lines}` : ''
    const fd = openSync(join(maildir, 'cur', `${time}.M${i}P1.host${size}:2,${letters}`), 'wx', 0o600)
    writeSync(fd, text)
    if (owner !== process.getuid?.()) fchownSync(fd, owner, owner)
    futimesSync(fd, time, time)
    closeSync(fd)
    octets += text.length
  }
  return octets
}
