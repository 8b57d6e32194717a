/** Whether mailboxes are there, and which one is meant: RFC 5490 §3, RFC 8579, RFC 9042. */
import type { Action } from '../action.js'
import type { Extension, Tag } from '../definition.js'

/** RFC 5490 §3.2. */
const create: Tag = {
  name: 'create',
  effect: () => (_run, action) => ({ ...action, create: true }) as Action,
}

export const mailbox: Extension = {
  name: 'mailbox',
  tests: [
    {
      name: 'mailboxexists',
      takes: [{ name: 'mailbox names', type: 'strings' }],
      compile(call) {
        const names = call.texts('mailbox names')
        return run => names.values(run).every(name => run.context.mailboxExists?.(name) ?? false)
      },
    },
  ],
  tags: [{ on: ['fileinto'], tag: create }],
  families: [{ family: 'fcc', tag: create }],
}

/** RFC 8579 §4.1: a use is written as IMAP writes it. */
function wrongUse(use: string): string | undefined {
  return /^\\[A-Za-z][\w-]*$/.test(use) ? undefined : `"${use}" is no special use; write "\\\\Junk"`
}

/** RFC 8579 §5. */
const useTag: Tag = {
  name: 'specialuse',
  value: 'string',
  check: wrongUse,
  effect: given => (run, action) => ({ ...action, specialUse: given.texts?.values(run)[0] }) as Action,
}

/** RFC 9042 §4. */
const idTag: Tag = {
  name: 'mailboxid',
  value: 'string',
  effect: given => (run, action) => ({ ...action, mailboxId: given.texts?.values(run)[0] }) as Action,
}

export const specialUse: Extension = {
  name: 'special-use',
  tests: [
    {
      // RFC 8579 §4.
      name: 'specialuse_exists',
      takes: [
        { name: 'mailbox', type: 'string', optional: true },
        { name: 'special-use flags', type: 'strings', check: wrongUse },
      ],
      compile(call) {
        const name = call.hasArgument('mailbox') ? call.text('mailbox') : undefined
        const uses = call.texts('special-use flags')
        return run => {
          const where = name?.value(run)
          return uses.values(run).every(use => run.context.specialUseExists?.(where, use) ?? false)
        }
      },
    },
  ],
  tags: [{ on: ['fileinto'], tag: useTag }],
  families: [{ family: 'fcc', tag: useTag }],
}

export const mailboxId: Extension = {
  name: 'mailboxid',
  tests: [
    {
      // RFC 9042 §5.
      name: 'mailboxidexists',
      takes: [{ name: 'mailbox objectids', type: 'strings' }],
      compile(call) {
        const ids = call.texts('mailbox objectids')
        return run => ids.values(run).every(id => run.context.mailboxIdExists?.(id) ?? false)
      },
    },
  ],
  tags: [{ on: ['fileinto'], tag: idTag }],
  families: [{ family: 'fcc', tag: idTag }],
}
