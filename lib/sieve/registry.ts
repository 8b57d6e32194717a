/** Every extension there is. */
import { describe, exits, MailError } from '../sys/error.js'
import type { Extension } from './definition.js'
import { body } from './extensions/body.js'
import { comparators } from './extensions/comparators.js'
import { copy } from './extensions/copy.js'
import { core, encodedCharacter, envelope, fileinto } from './extensions/core.js'
import { date } from './extensions/date.js'
import { duplicate } from './extensions/duplicate.js'
import { editheader } from './extensions/editheader.js'
import { enotify } from './extensions/enotify.js'
import { dovecotEnvironment, environment, imapsieve } from './extensions/environment.js'
import { extlists } from './extensions/extlists.js'
import { extracttext } from './extensions/extracttext.js'
import { fcc } from './extensions/fcc.js'
import { index } from './extensions/field-index.js'
import { foreverypart } from './extensions/foreverypart.js'
import { ihave } from './extensions/ihave.js'
import { imap4flags } from './extensions/imap4flags.js'
import { include } from './extensions/include.js'
import { mailbox, mailboxId, specialUse } from './extensions/mailbox.js'
import { mboxmetadata, servermetadata } from './extensions/metadata.js'
import { mime } from './extensions/mime.js'
import { envelopeDeliverby, envelopeDsn, redirectDeliverby, redirectDsn } from './extensions/redirect.js'
import { regex } from './extensions/regex.js'
import { ereject, reject } from './extensions/reject.js'
import { relational } from './extensions/relational.js'
import { enclose, replace } from './extensions/replace.js'
import { spamtest, spamtestplus, virustest } from './extensions/spamtest.js'
import { subaddress } from './extensions/subaddress.js'
import { vacation, vacationSeconds } from './extensions/vacation.js'
import { variables } from './extensions/variables.js'
import { debug, execute, filter, pipe, report } from './extensions/vendor.js'
import { applySetting } from './setting-keys.js'
import { configuredSettings, type Settings, type SieveConfig } from './settings.js'

const extensions: readonly Extension[] = [
  ...comparators,
  ...[body, copy, date, duplicate, editheader, encodedCharacter, enclose, enotify, envelope],
  ...[
    envelopeDeliverby,
    envelopeDsn,
    environment,
    ereject,
    extlists,
    extracttext,
    fcc,
    fileinto,
    foreverypart,
  ],
  ...[
    ihave,
    imap4flags,
    imapsieve,
    include,
    index,
    mailbox,
    mailboxId,
    mboxmetadata,
    mime,
    redirectDeliverby,
  ],
  ...[redirectDsn, regex, reject, relational, replace, servermetadata, spamtest, spamtestplus, specialUse],
  ...[subaddress, vacation, vacationSeconds, variables, virustest],
  ...[debug, dovecotEnvironment, execute, filter, pipe, report],
]

/** What `require` may ask for. */
export interface Registry {
  /** What needs no `require`. */
  readonly core: Extension
  /** The extension of that name, if this installation offers it. */
  find(name: string, settings: Settings): Extension | undefined
  offered(settings: Settings): readonly Extension[]
}

const byName = new Map(extensions.map(extension => [extension.name, extension]))

export const registry: Registry = {
  core,
  find: (name, settings) => {
    const extension = byName.get(name)
    return extension && isOffered(extension, settings) ? extension : undefined
  },
  offered: settings => extensions.filter(extension => isOffered(extension, settings)),
}

function isOffered(extension: Extension, settings: Settings): boolean {
  if (settings.extensions && !settings.extensions.has(extension.name)) return false
  return extension.offered?.(settings) ?? true
}

/** The capabilities that `require` accepts, comparators included, in alphabetical order. */
export function capabilities(settings: Settings): readonly string[] {
  return registry
    .offered(settings)
    .map(({ name }) => name)
    .sort()
}

/** {@link applySetting}, by what there is. @throws MailError (64) */
export function withSetting(settings: Settings, key: string, value: string): Settings {
  return applySetting(settings, key, value, () => capabilities({ ...settings, extensions: undefined }))
}

/** The settings that a configuration comes to. @throws MailError (78) for a bad one in [sieve.settings] */
export function settingsOf(config: SieveConfig): Settings {
  try {
    return Object.entries(config.sieve.settings).reduce(
      (settings, [key, value]) => withSetting(settings, key, value),
      configuredSettings(config),
    )
  } catch (error) {
    throw new MailError(`[sieve.settings]: ${describe(error)}`, { exit: exits.config })
  }
}
