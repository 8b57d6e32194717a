/** DKIM signatures (RFC 6376, RFC 8463) for mail that goes to the servers of its recipients directly. */
import { createHash, type KeyObject, sign } from 'node:crypto'
import { parseAddressList } from '../message/address.js'
import { type HeaderBlock, readHeader } from '../message/header.js'

export interface DkimKey {
  /** Senders of this domain, and of those below it, are signed for. */
  readonly domain: string
  readonly selector: string
  /** RSA or Ed25519. */
  readonly key: KeyObject
}

/** What is signed where it is there; From twice, so that no second one can be put in (§8.15). */
const signed =
  'from to cc subject date message-id reply-to in-reply-to references mime-version content-type content-transfer-encoding'.split(
    ' ',
  )

/**
 * Makes the DKIM-Signature field of a message, its line ending in LF; empty where the sender is of another domain.
 *
 * @param header as it will be sent, its lines ending in LF
 * @param body the octets after it, as they are stored
 * @param now in milliseconds since 1970
 */
export async function dkimSignature(
  header: Buffer,
  body: AsyncIterable<Buffer>,
  { domain, selector, key }: DkimKey,
  now: number,
): Promise<string> {
  const block = readHeader(header)
  const sender = parseAddressList(block.first('from') ?? '')[0]?.host.toLowerCase() ?? ''
  if (sender !== domain && !sender.endsWith(`.${domain}`)) return ''
  const names = signed.filter(name => block.find(name))
  const rsa = key.asymmetricKeyType === 'rsa'
  const tags = [
    'v=1',
    `a=${rsa ? 'rsa' : 'ed25519'}-sha256`,
    'c=relaxed/relaxed',
    `d=${domain}`,
    `s=${selector}`,
    `t=${Math.floor(now / 1000)}`,
    `h=${[...names, 'from'].join(':')}`,
    `bh=${await bodyHash(body)}`,
  ]
  const field = `DKIM-Signature: ${tags.join('; ')};\n\tb=`
  const data = Buffer.from(
    `${canonicalHeader(block, names)}${relaxed('dkim-signature', field.slice(15))}`,
    'latin1',
  )
  // RFC 8463 §3: Ed25519 signs the hash.
  const signature = rsa
    ? sign('sha256', data, key)
    : sign(null, createHash('sha256').update(data).digest(), key)
  return `${fold(field)}${signature.toString('base64').replace(/.{72}(?=.)/g, '$&\n\t')}\n`
}

/** The last field of each name, in the order of `h=` (§5.4.2). */
function canonicalHeader(block: HeaderBlock, names: readonly string[]): string {
  return names
    .map(name => {
      const field = block.fields.findLast(each => each.key === name)
      return field ? `${relaxed(name, block.octets.toString('latin1', field.valueStart, field.end))}\r\n` : ''
    })
    .join('')
}

/** §3.4.2. */
function relaxed(name: string, value: string): string {
  return `${name}:${value
    .replace(/\r?\n/g, '')
    .replace(/[ \t]+/g, ' ')
    .trim()}`
}

/** Breaks the field where lines would be long; the white space at the breaks is not signed apart. */
function fold(field: string): string {
  return field.replace(/; (?=h=|bh=)/g, ';\n\t').replace(/(h=[^;]{60,}?:)(?=[^;]{10,};)/, '$1\n\t')
}

/** SHA-256 of the body in its relaxed form (§3.4.4), as it is on the wire: a CR that ends no line is sent as a space. */
async function bodyHash(body: AsyncIterable<Buffer>): Promise<string> {
  const hash = createHash('sha256')
  let partial = ''
  let empty = 0
  const add = (line: string) => {
    const text = line
      .replace(/\r$/, '')
      .replace(/[ \t\r]+/g, ' ')
      .replace(/ $/, '')
    if (text === '') return void empty++
    hash.update(`${'\r\n'.repeat(empty)}${text}\r\n`, 'latin1')
    empty = 0
  }
  for await (const chunk of body) {
    const lines = (partial + chunk.toString('latin1')).split('\n')
    partial = lines.pop() ?? ''
    for (const line of lines) add(line)
  }
  if (partial !== '') add(partial)
  return hash.digest('base64')
}
