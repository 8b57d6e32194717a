/** Copies of what a script sends, kept for the user: RFC 8580. */
import type { Action, Fcc, StoreAction } from '../action.js'
import type { Call } from '../call.js'
import type { Extension } from '../definition.js'
import type { Run } from '../run.js'
import type { Scope } from '../scope.js'
import { storeAction } from './actions.js'

/** What `:fcc`, and the tags of fileinto that go with it, say; undefined without `:fcc`. */
export function compileFcc(call: Call, scope: Scope): ((run: Run) => Fcc) | undefined {
  const mailbox = call.tagText('fcc')
  if (!mailbox) {
    for (const name of ['flags', 'create', 'specialuse', 'mailboxid'])
      if (call.has(name))
        scope.problems.error(call.given.get(name)?.at ?? call.at, `:${name} needs :fcc here`)
    return undefined
  }
  const change = call.effects()
  return run => {
    const plain: Action = { ...storeAction(run, 'store', mailbox.value(run)), flags: [] }
    const { flags, create, specialUse, mailboxId } = change(run, plain) as StoreAction
    return {
      mailbox: mailbox.value(run),
      flags,
      create,
      ...(specialUse === undefined ? {} : { specialUse }),
      ...(mailboxId === undefined ? {} : { mailboxId }),
    }
  }
}

export const fcc: Extension = {
  name: 'fcc',
  families: [{ family: 'fcc', tag: { name: 'fcc', value: 'string' } }],
}
