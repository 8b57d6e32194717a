/** The kinds of value that keys of the configuration have: the only file that knows valibot. */
import { resolve } from 'node:path'
import { domainToASCII } from 'node:url'
import * as v from 'valibot'
import { ipFamily, Networks } from '../sys/network.js'
import { type Address, parseAddress } from '../sys/sockets.js'
import { parseSize, parseTime } from './value.js'

export type Infer<S extends v.GenericSchema> = v.InferOutput<S>
export type Schema = v.GenericSchema

/** A value of the file that is not as it should be; the message goes on after the key: `must be …`. */
export interface Problem {
  readonly path: (string | number)[]
  readonly message: string
}

/** Checks a parsed file. Keys that the schema does not know are not looked at. */
export function check<S extends v.GenericSchema>(
  schema: S,
  document: unknown,
): { readonly value: v.InferOutput<S> } | { readonly problems: Problem[] } {
  const result = v.safeParse(schema, document)
  if (result.success) return { value: result.output }
  return {
    problems: result.issues.map(issue => ({
      path: (issue.path ?? []).map(item => item.key as string | number),
      message: issue.message.startsWith('Invalid key') ? 'is missing' : issue.message,
    })),
  }
}

const text = v.string('must be text in quotes')

export const string = v.pipe(text, v.nonEmpty('must not be empty'))
export const boolean = v.boolean('must be true or false')

/** A count from `least` up. */
export function count(least = 0) {
  const message = `must be a whole number from ${least} up`
  return v.pipe(v.number(message), v.integer(message), v.minValue(least, message))
}

export function oneOf<const T extends readonly string[]>(...values: T) {
  return v.picklist(values, issue => `must be ${either(values)}${found(issue.input)}`)
}

/** `"50M"`, or octets as a number. */
export const size = v.pipe(
  v.union([v.string(), v.number()], sizeMessage),
  v.transform(input => (typeof input === 'number' ? input : parseSize(input))),
  v.number(sizeMessage),
  v.integer(sizeMessage),
  v.minValue(0, sizeMessage),
)

function sizeMessage(): string {
  return 'must be a size, such as "50M"'
}

/** `"5m"`; milliseconds in the configuration that comes of it. */
export const time = reading(parseTime, 'must be a time, such as "5m", "90s" or "0s"')

export const network = v.pipe(
  text,
  v.check(isNetwork, 'must be a network, such as "192.168.1.0/24" or "fd00::/8"'),
)

function isNetwork(text: string): boolean {
  try {
    return new Networks([text]) instanceof Networks
  } catch {
    return false
  }
}

/** A name as DNS has it, in lower case; what is not ASCII in the form that goes on the wire. */
export const domain = reading(text => {
  const name = domainToASCII(text.replace(/\.$/, '')).toLowerCase()
  const valid = /^(?!-)[a-z0-9_-]{1,63}(?:\.(?!-)[a-z0-9_-]{1,63})*$/.test(name) && name.length <= 253
  return valid && ipFamily(name) !== 4 ? name : undefined
}, 'must be a name such as "mail.example.org"')

/** `me@example.org`. */
export const mailAddress = v.pipe(
  text,
  v.regex(/^[^\s@]+@[^\s@]+$/, 'must be an address, such as "me@example.org"'),
)

/** `me@example.org`, `*@example.org`, `example.org`, `*`, `<>`; see {@link fitsPattern}. */
export const pattern = v.pipe(
  text,
  v.regex(/^(<>|[^\s@<>]+(@[^\s@<>]+)?)$/, 'must be an address, a pattern such as "*@example.org", or "<>"'),
)

/** Characters that separate a detail from a local part: `+`, or `+-`. */
export const delimiter = v.pipe(
  text,
  v.regex(/^[!#$%&'*+/=?^_`{|}~-]+$/, 'must be "+", "-" or other signs that an address may have'),
)

/** Host and port of somebody else's server: `smtp.gmail.com:465`. */
export const server = reading(text => {
  const address = parseAddress(text)
  return address && 'host' in address && address.port > 0 ? address : undefined
}, 'must be a host with its port, such as "smtp.gmail.com:465"')

/** An address of the web that secrets are sent to: in the clear only to this machine. */
export const url = v.pipe(
  text,
  v.regex(
    /^(https:\/\/|http:\/\/(localhost|127\.[\d.]+|\[::1\])[:/])[^\s]*$/,
    'must be an address that begins with https://, or with http:// on this machine',
  ),
  v.check(text => URL.canParse(text), 'is no address'),
)

/** The types that depend on where the file stands. */
export function placed(directory: string) {
  const path = v.pipe(
    string,
    v.transform(path => resolve(directory, path)),
  )
  const address = reading((text): Address | undefined => {
    const address = parseAddress(text)
    return address && 'path' in address ? { path: resolve(directory, address.path) } : address
  }, 'must be an address with its port, such as "0.0.0.0:587", "[::]:587" or "unix:/run/postern/lmtp.sock"')
  return { path, address }
}

/** Text that `parse` must understand. */
function reading<T>(parse: (text: string) => T | undefined, message: string) {
  return v.pipe(
    text,
    v.rawTransform(({ dataset, addIssue, NEVER }): T => {
      const value = parse(dataset.value)
      if (value !== undefined) return value
      addIssue({ message: message + found(dataset.value) })
      return NEVER
    }),
  )
}

export function list<S extends v.GenericSchema>(item: S) {
  return v.array(item, 'must be a list in brackets')
}

export function table<E extends v.ObjectEntries>(entries: E) {
  return v.object(entries, issue => (issue.expected?.startsWith('"') ? 'is missing' : 'must be a table'))
}

/** A table whose keys the user names: `[fetch.gmail]`. */
export function named<S extends v.GenericSchema>(item: S) {
  return v.record(v.string(), item, 'must be a table of tables')
}

/** A table with all its defaults where the file does not mention it. */
export function section<E extends v.ObjectEntries>(entries: E) {
  return v.optional(table(entries), {} as never)
}

/** What fits either of two types. */
export function eitherOf<A extends v.GenericSchema, B extends v.GenericSchema>(a: A, b: B, message: string) {
  return v.union([a, b], message)
}

export const optional = v.optional

function found(value: unknown): string {
  return typeof value === 'string' && value.length < 60 ? `; it is ${JSON.stringify(value)}` : ''
}

function either(values: readonly string[]): string {
  const all = values.map(value => `"${value}"`)
  return all.length < 2 ? all.join() : `${all.slice(0, -1).join(', ')} or ${all.at(-1)}`
}
