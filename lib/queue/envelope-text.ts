/** An envelope as it stands in its file: one line of JSON. Somebody else may have written it, so all of it is checked. */
import type { Envelope } from './entry.js'

export function formatEnvelope(envelope: Envelope): string {
  return `${JSON.stringify({ version: 1, ...envelope })}\n`
}

/** Reads an envelope, ours or one that somebody else wrote; undefined when it is none. */
export function parseEnvelope(text: string): Envelope | undefined {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return undefined
  }
  if (!isRecord(value)) return undefined
  const { version, ...envelope } = value
  return version === 1 && fits(envelope, envelopeShape) ? (envelope as unknown as Envelope) : undefined
}

type Check = (value: unknown) => boolean
type Shape = Readonly<Record<string, { readonly check: Check; readonly optional?: true }>>

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
const isText: Check = value => typeof value === 'string'
const isTrue: Check = value => typeof value === 'boolean'
const isCount: Check = value => Number.isSafeInteger(value) && (value as number) >= 0
const isAddress: Check = value =>
  typeof value === 'string' && value.length <= 1_000 && !/[\r\n\0<>]/.test(value)
const oneOf =
  (...words: readonly string[]): Check =>
  value =>
    words.includes(value as string)
const listOf =
  (check: Check): Check =>
  value =>
    Array.isArray(value) && value.every(check)
const shaped =
  (shape: Shape): Check =>
  value =>
    isRecord(value) && fits(value, shape)

function fits(value: Record<string, unknown>, shape: Shape): boolean {
  for (const key of Object.keys(value)) if (!Object.hasOwn(shape, key)) return false
  return Object.entries(shape).every(([key, { check, optional }]) =>
    value[key] === undefined ? optional === true : check(value[key]),
  )
}

const saidShape: Shape = {
  at: { check: isCount },
  code: { check: isCount },
  status: { check: isText },
  text: { check: isText },
  host: { check: isText, optional: true },
}

const recipientShape: Shape = {
  address: { check: value => isAddress(value) && value !== '' },
  original: { check: isAddress, optional: true },
  notify: { check: listOf(oneOf('never', 'success', 'failure', 'delay')), optional: true },
  state: { check: oneOf('waiting', 'delivered', 'relayed', 'passed', 'failed') },
  due: { check: isCount },
  attempts: { check: isCount },
  said: { check: shaped(saidShape), optional: true },
}

const owedShape: Shape = {
  kind: { check: oneOf('failure', 'delay', 'success') },
  number: { check: isCount },
  recipients: { check: listOf(isText) },
}

const byShape: Shape = {
  at: { check: isCount },
  mode: { check: oneOf('notify', 'return') },
  trace: { check: isTrue, optional: true },
}

const envelopeShape: Shape = {
  arrived: { check: isCount },
  sender: { check: isAddress },
  recipients: { check: listOf(shaped(recipientShape)) },
  size: { check: isCount },
  wireSize: { check: isCount },
  envid: { check: isText, optional: true },
  ret: { check: oneOf('full', 'headers'), optional: true },
  utf8: { check: isTrue, optional: true },
  requireTls: { check: isTrue, optional: true },
  by: { check: shaped(byShape), optional: true },
  origin: { check: isText, optional: true },
  login: { check: isText, optional: true },
  held: { check: isText, optional: true },
  warned: { check: isTrue, optional: true },
  filed: { check: isTrue, optional: true },
  report: { check: oneOf('report', 'double'), optional: true },
  reports: { check: isCount, optional: true },
  owed: { check: listOf(shaped(owedShape)), optional: true },
}
