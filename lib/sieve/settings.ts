/** What an administrator decides about scripts: limits, and how extensions behave. */

/** How the number of a spam or virus checker's header becomes the scale of RFC 5235. */
export interface ScoreSettings {
  /** `name: regex`, whose first group is the score; or a name alone, whose whole value is. Undefined: not checked. */
  readonly statusHeader?: string
  /** score: a number; strlen: as many as there are characters; text: one of `values`. */
  readonly statusType: 'score' | 'strlen' | 'text'
  /** `name: regex` where the message itself says what the highest score is. */
  readonly maxHeader?: string
  readonly maxValue?: number
  /** For `text`: result (0–10, 0–5) → what the header says. */
  readonly values: ReadonlyMap<number, string>
}

/** Times are seconds, sizes octets; 0 is no limit where a limit may be off. */
export interface Settings {
  readonly maxScriptSize: number
  readonly maxActions: number
  readonly maxRedirects: number
  /** How much work one message may cost, in units of about a character looked at. */
  readonly maxWork: number
  /** Longest value of a variable, in characters. */
  readonly maxVariableSize: number
  readonly maxIncludeDepth: number
  readonly maxIncludes: number
  /** Largest message that a script may make of one. */
  readonly maxMessageSize: number
  /** Separates user and detail in a local part; each of its characters does. */
  readonly recipientDelimiter: string
  /** The address that is the user's, where the envelope does not tell. */
  readonly userEmail: string | undefined
  /** Envelope sender of redirects: sender, recipient, orig_recipient, user_email, postmaster, or `<address>`. */
  readonly redirectFrom: string
  /** A redirected message with more Received fields than this goes round in circles. */
  readonly maxReceived: number
  readonly vacationMinPeriod: number
  /** As vacationMinPeriod, where a script asks in seconds. */
  readonly vacationMinSeconds: number
  readonly vacationMaxPeriod: number
  readonly vacationDefaultPeriod: number
  /** Answer though none of the user's addresses is in To, Cc or Bcc. */
  readonly vacationDontCheckRecipient: boolean
  /** The original recipient's address counts as the user's. */
  readonly vacationUseOriginalRecipient: boolean
  /** Send the answer from the user's address and not from <>. */
  readonly vacationSendFromRecipient: boolean
  /** Address the answer to the sender the header names (Reply-To, From) in its To field. */
  readonly vacationToHeader: boolean
  readonly vacationMaxSubject: number
  /** Where the message has no subject to answer with. */
  readonly vacationDefaultSubject: string
  /** `%$` stands for the message's subject. */
  readonly vacationSubjectTemplate: string
  readonly duplicateDefaultPeriod: number
  readonly duplicateMaxPeriod: number
  /** Names, in lower case, that editheader may not touch, add, or delete. */
  readonly protectedHeaders: ReadonlySet<string>
  readonly forbidAddHeaders: ReadonlySet<string>
  readonly forbidDeleteHeaders: ReadonlySet<string>
  readonly maxHeaderSize: number
  readonly notifyFrom: string
  readonly notifyMaxRecipients: number
  readonly spamtest: ScoreSettings
  readonly virustest: ScoreSettings
  readonly rejectReasonMax: number
  readonly postmaster: string
  readonly hostname: string
  /** Whether programs of the administrator's folder may be called: vnd.dovecot.pipe, filter, execute. */
  readonly programs: boolean
  /** The capabilities that `require` accepts; undefined: all that there are. */
  readonly extensions: ReadonlySet<string> | undefined
}

const day = 86_400

export const defaultSettings: Settings = {
  maxScriptSize: 1_048_576,
  maxActions: 32,
  maxRedirects: 4,
  maxWork: 100_000_000,
  maxVariableSize: 65_536,
  maxIncludeDepth: 10,
  maxIncludes: 255,
  maxMessageSize: 0,
  recipientDelimiter: '+',
  userEmail: undefined,
  redirectFrom: 'sender',
  maxReceived: 50,
  vacationMinPeriod: day,
  vacationMinSeconds: 0,
  vacationMaxPeriod: 0,
  vacationDefaultPeriod: 7 * day,
  vacationDontCheckRecipient: false,
  vacationUseOriginalRecipient: false,
  vacationSendFromRecipient: false,
  vacationToHeader: false,
  vacationMaxSubject: 256,
  vacationDefaultSubject: 'Automated reply',
  vacationSubjectTemplate: 'Auto: %$',
  duplicateDefaultPeriod: 7 * day,
  duplicateMaxPeriod: 30 * day,
  protectedHeaders: new Set(),
  forbidAddHeaders: new Set(),
  forbidDeleteHeaders: new Set(),
  maxHeaderSize: 2048,
  notifyFrom: 'postmaster',
  notifyMaxRecipients: 8,
  spamtest: { statusType: 'score', values: new Map() },
  virustest: { statusType: 'score', values: new Map() },
  rejectReasonMax: 4096,
  postmaster: '',
  hostname: 'localhost',
  programs: false,
  extensions: undefined,
}

/** The part of the configuration that scripts are run by. */
export interface SieveConfig {
  readonly hostname: string
  readonly sieve: {
    readonly max_script_size: number
    readonly max_redirects: number
    readonly programs?: string | undefined
    readonly extensions?: readonly string[] | undefined
    readonly settings: Readonly<Record<string, string>>
  }
}

/** What the configuration says beside [sieve.settings], which setting-keys.ts reads. */
export function configuredSettings({ hostname, sieve }: SieveConfig): Settings {
  return {
    ...defaultSettings,
    hostname,
    maxScriptSize: sieve.max_script_size,
    maxRedirects: sieve.max_redirects,
    programs: sieve.programs !== undefined,
    extensions: sieve.extensions && new Set(sieve.extensions),
  }
}
