/**
 * Settings by name, as `mail-sieve --set` and the configuration's [sieve.settings] write them. Names are those of
 * Pigeonhole's plugin settings, with or without `sieve_`, so that what is known of these holds here too.
 */
import { exits, MailError } from '../sys/error.js'
import type { ScoreSettings, Settings } from './settings.js'

type Change = (settings: Settings, value: string) => Partial<Settings>

const seconds: Readonly<Record<string, number>> = {
  '': 1,
  s: 1,
  sec: 1,
  secs: 1,
  m: 60,
  min: 60,
  mins: 60,
  h: 3600,
  hour: 3600,
  hours: 3600,
  d: 86_400,
  day: 86_400,
  days: 86_400,
  w: 604_800,
  week: 604_800,
  weeks: 604_800,
}
const octets: Readonly<Record<string, number>> = { '': 1, B: 1, K: 2 ** 10, M: 2 ** 20, G: 2 ** 30 }

class BadValue extends Error {}

function count(value: string): number {
  if (!/^\d{1,12}$/.test(value)) throw new BadValue('a number')
  return Number(value)
}

function time(value: string): number {
  const [, digits, unit = ''] = /^(\d{1,9})\s*([a-z]*)$/i.exec(value) ?? []
  const factor = seconds[unit.toLowerCase()]
  if (digits === undefined || factor === undefined) throw new BadValue('a time, such as 1d or 12h')
  return Number(digits) * factor
}

function size(value: string): number {
  const [, digits, unit = ''] = /^(\d{1,12})\s*([BKMG]?)B?$/i.exec(value) ?? []
  const factor = octets[unit.toUpperCase()]
  if (digits === undefined || factor === undefined) throw new BadValue('a size, such as 64K')
  return Number(digits) * factor
}

function yes(value: string): boolean {
  if (!/^(yes|no|true|false|on|off|1|0)$/i.test(value)) throw new BadValue('yes or no')
  return /^(yes|true|on|1)$/i.test(value)
}

function names(value: string): ReadonlySet<string> {
  return new Set(
    value
      .toLowerCase()
      .split(/[\s,]+/)
      .filter(name => name !== ''),
  )
}

/** `+name -name`: on and off from what there is; names alone: just these. */
function extensions(
  { extensions: before }: Settings,
  value: string,
  all: () => readonly string[],
): Partial<Settings> {
  const words = value.split(/[\s,]+/).filter(word => word !== '')
  const plain = words.filter(word => !/^[+-]/.test(word))
  const chosen = new Set(plain.length > 0 ? plain : (before ?? all()))
  for (const word of words)
    if (word.startsWith('+')) chosen.add(word.slice(1))
    else if (word.startsWith('-')) chosen.delete(word.slice(1))
  return { extensions: chosen }
}

function score(of: 'spamtest' | 'virustest', change: (value: string) => Partial<ScoreSettings>): Change {
  return (settings, value) => ({ [of]: { ...settings[of], ...change(value) } })
}

function statusType(value: string): ScoreSettings['statusType'] {
  if (value === 'score' || value === 'strlen' || value === 'text') return value
  throw new BadValue('score, strlen or text')
}

function scoreKeys(of: 'spamtest' | 'virustest', most: number): [string, Change][] {
  const values = Array.from({ length: most + 1 }, (_, value): [string, Change] => [
    `${of}_text_value${value}`,
    (settings, text) => ({
      [of]: { ...settings[of], values: new Map([...settings[of].values, [value, text]]) },
    }),
  ])
  return [
    [`${of}_status_header`, score(of, value => ({ statusHeader: value }))],
    [`${of}_status_type`, score(of, value => ({ statusType: statusType(value) }))],
    [`${of}_max_header`, score(of, value => ({ maxHeader: value }))],
    [`${of}_max_value`, score(of, value => ({ maxValue: Number.parseFloat(value) }))],
    [`${of}_score_max_header`, score(of, value => ({ maxHeader: value }))],
    [`${of}_score_max_value`, score(of, value => ({ maxValue: Number.parseFloat(value) }))],
    ...values,
  ]
}

/** Every key; the second name of a line, where there is one, is a newer or older one for the same. */
const table: ReadonlyMap<string, Change> = new Map<string, Change>([
  ['max_script_size', (_, value) => ({ maxScriptSize: size(value) })],
  ['max_actions', (_, value) => ({ maxActions: count(value) })],
  ['max_redirects', (_, value) => ({ maxRedirects: count(value) })],
  ['max_work', (_, value) => ({ maxWork: count(value) })],
  // A second of a processor is about this much work.
  ['max_cpu_time', (_, value) => ({ maxWork: Math.max(time(value), 1) * 10_000_000 })],
  ['max_message_size', (_, value) => ({ maxMessageSize: size(value) })],
  ['variables_max_variable_size', (_, value) => ({ maxVariableSize: size(value) })],
  ['variables_max_value_size', (_, value) => ({ maxVariableSize: size(value) })],
  ['include_max_nesting_depth', (_, value) => ({ maxIncludeDepth: count(value) })],
  ['include_max_includes', (_, value) => ({ maxIncludes: count(value) })],
  ['recipient_delimiter', (_, value) => ({ recipientDelimiter: value })],
  ['subaddress_sep', (_, value) => ({ recipientDelimiter: value })],
  ['user_email', (_, value) => ({ userEmail: value.replace(/^<(.*)>$/, '$1') || undefined })],
  ['redirect_envelope_from', (_, value) => ({ redirectFrom: value.trim() })],
  ['max_received', (_, value) => ({ maxReceived: count(value) })],
  [
    'vacation_min_period',
    (_, value) => ({ vacationMinPeriod: time(value), vacationMinSeconds: time(value) }),
  ],
  ['vacation_max_period', (_, value) => ({ vacationMaxPeriod: time(value) })],
  ['vacation_default_period', (_, value) => ({ vacationDefaultPeriod: time(value) })],
  ['vacation_dont_check_recipient', (_, value) => ({ vacationDontCheckRecipient: yes(value) })],
  ['vacation_check_recipient', (_, value) => ({ vacationDontCheckRecipient: !yes(value) })],
  ['vacation_use_original_recipient', (_, value) => ({ vacationUseOriginalRecipient: yes(value) })],
  ['vacation_send_from_recipient', (_, value) => ({ vacationSendFromRecipient: yes(value) })],
  ['vacation_to_header_ignore_envelope', (_, value) => ({ vacationToHeader: yes(value) })],
  ['vacation_max_subject_codepoints', (_, value) => ({ vacationMaxSubject: count(value) })],
  ['vacation_default_subject', (_, value) => ({ vacationDefaultSubject: value })],
  ['vacation_default_subject_template', (_, value) => ({ vacationSubjectTemplate: value })],
  ['duplicate_default_period', (_, value) => ({ duplicateDefaultPeriod: time(value) })],
  ['duplicate_max_period', (_, value) => ({ duplicateMaxPeriod: time(value) })],
  ['editheader_protected', (_, value) => ({ protectedHeaders: names(value) })],
  ['editheader_forbid_add', (_, value) => ({ forbidAddHeaders: names(value) })],
  ['editheader_forbid_delete', (_, value) => ({ forbidDeleteHeaders: names(value) })],
  ['editheader_max_header_size', (_, value) => ({ maxHeaderSize: Math.max(size(value), 1024) })],
  ['notify_mailto_envelope_from', (_, value) => ({ notifyFrom: value.trim() || 'postmaster' })],
  ['notify_mailto_max_recipients', (_, value) => ({ notifyMaxRecipients: count(value) })],
  ['reject_max_reason', (_, value) => ({ rejectReasonMax: count(value) })],
  ['postmaster_address', (_, value) => ({ postmaster: value.replace(/^.*<(.*)>$/, '$1') })],
  ['hostname', (_, value) => ({ hostname: value })],
  ...scoreKeys('spamtest', 10),
  ...scoreKeys('virustest', 5),
])

/** The keys there are, without `sieve_`. */
export const settingKeys: readonly string[] = [...table.keys(), 'extensions', 'global_extensions']

/**
 * Settings with one changed.
 *
 * @param all what `extensions` counts from where nothing was chosen yet
 * @throws MailError (64) for a key that is none, or a value that it cannot have
 */
export function applySetting(
  settings: Settings,
  key: string,
  value: string,
  all: () => readonly string[],
): Settings {
  const name = key.toLowerCase().replace(/^sieve_/, '')
  if (name === 'extensions' || name === 'global_extensions')
    return { ...settings, ...extensions(settings, value, all) }
  const change = table.get(name)
  if (!change)
    throw new MailError(`there is no setting "${key}" for scripts; see mail-sieve(1)`, { exit: exits.usage })
  try {
    return { ...settings, ...change(settings, value.trim()) }
  } catch (error) {
    if (!(error instanceof BadValue)) throw error
    throw new MailError(`${key} must be ${error.message}, not "${value}"`, { exit: exits.usage })
  }
}
