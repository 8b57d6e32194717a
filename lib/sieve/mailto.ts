/** A mailto URI (RFC 6068) taken apart, as far as a notification uses it (RFC 5436 §2.7). */
import { parseMailAddress } from './mailbox-address.js'

export interface Mailto {
  /** local@domain. */
  readonly to: readonly string[]
  readonly cc: readonly string[]
  readonly bcc: readonly string[]
  readonly subject: string | undefined
  readonly body: string | undefined
  /** Further header fields, in order. */
  readonly fields: readonly { readonly name: string; readonly value: string }[]
}

/** RFC 5436 §2.7: fields that the URI has no say in. */
const unsafe =
  /^(from|sender|reply-to|received|date|message-id|auto-submitted|return-path|resent-.*|content-.*|mime-version|dkim-.*)$/

/** @returns what is wrong with it, as text */
export function parseMailto(uri: string): Mailto | string {
  const [, path = '', query = ''] = /^mailto:([^?#]*)(?:\?([^#]*))?$/i.exec(uri) ?? []
  if (!/^mailto:/i.test(uri) || /[\s<>"]/.test(uri)) return `${JSON.stringify(uri)} is no valid mailto URI`
  const plain = decode(path)
  if (plain === undefined) return `${JSON.stringify(uri)} has a % that encodes nothing`
  const lists = { to: split(plain), cc: [] as string[], bcc: [] as string[] }
  const found: { subject?: string; body?: string } = {}
  const fields: { name: string; value: string }[] = []
  for (const item of query === '' ? [] : query.split('&')) {
    const [, rawName = '', rawValue = ''] = /^([^=]*)=(.*)$/.exec(item) ?? []
    const [name, value] = [decode(rawName)?.toLowerCase(), decode(rawValue)]
    if (!name || value === undefined || !/^[!-9;-~]+$/.test(name))
      return `"${item}" in the mailto URI is no header field`
    if (name === 'to' || name === 'cc' || name === 'bcc') lists[name].push(...split(value))
    else if (name === 'subject' || name === 'body') found[name] ??= value
    else if (!unsafe.test(name)) fields.push({ name, value })
  }
  const { to, cc, bcc } = lists
  const wrong = [...to, ...cc, ...bcc].find(text => address(text) === undefined)
  if (wrong !== undefined) return `"${wrong}" in the mailto URI is no mail address`
  return {
    to: to.flatMap(text => address(text) ?? []),
    cc: cc.flatMap(text => address(text) ?? []),
    bcc: bcc.flatMap(text => address(text) ?? []),
    subject: found.subject,
    body: found.body,
    fields,
  }
}

/** Addresses are separated by commas; an encoded one is sent for a plain one all the same, and quotes protect it. */
function split(list: string): string[] {
  return (list.match(/(?:"(?:[^"\\]|\\.)*"|[^,"])+/g) ?? [])
    .map(item => item.trim())
    .filter(item => item !== '')
}

function address(text: string): string | undefined {
  return parseMailAddress(text)?.address
}

function decode(text: string): string | undefined {
  try {
    return decodeURIComponent(text)
  } catch {
    return undefined
  }
}
