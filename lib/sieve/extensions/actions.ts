/** The actions of RFC 5228 §4. */
import type { StoreAction } from '../action.js'
import type { CommandDefinition } from '../definition.js'
import { listName } from '../list-name.js'
import { parseMailAddress } from '../mailbox-address.js'
import { isInbox } from '../result.js'
import type { Run } from '../run.js'

/** What a `keep` or `fileinto` is before tags change it: the flags are those of the internal variable (RFC 5232 §3). */
export function storeAction(run: Run, type: StoreAction['type'], mailbox: string): StoreAction {
  return { ...run.taken, type, mailbox, flags: run.flags, copy: false, create: false }
}

/** RFC 5228 §4.3. */
export const keep: CommandDefinition = {
  name: 'keep',
  compile: call => {
    const change = call.effects()
    return run => run.take(change(run, storeAction(run, 'keep', 'INBOX')))
  },
}

/** RFC 5228 §4.4. */
export const discard: CommandDefinition = {
  name: 'discard',
  compile: () => run => run.take({ ...run.taken, type: 'discard' }),
}

/** RFC 5228 §4.1. */
export const fileinto: CommandDefinition = {
  name: 'fileinto',
  takes: [{ name: 'mailbox', type: 'string', check: wrongMailbox }],
  compile: call => {
    const mailbox = call.text('mailbox')
    const change = call.effects()
    return run => {
      const name = mailbox.value(run)
      const wrong = wrongMailbox(name)
      if (wrong) return run.fail(`fileinto: ${wrong}`)
      return run.take(change(run, storeAction(run, 'store', isInbox(name) ? 'INBOX' : name)))
    }
  },
}

/** Whether a mailbox of that name can be at all; whether there is one shows when the message is stored. */
function wrongMailbox(name: string): string | undefined {
  if (name === '') return 'the name of the mailbox is empty'
  return /[\0-\x1f\x7f]/.test(name) ? 'the name of the mailbox has a control character in it' : undefined
}

/** RFC 5228 §4.2; with `:list`, to everybody on it (RFC 6134 §2.6). */
export const redirect: CommandDefinition = {
  name: 'redirect',
  takes: [{ name: 'address', type: 'string' }],
  compile(call, scope) {
    const text = call.text('address')
    const list = call.has('list')
    const wrong = list || text.constant === undefined ? undefined : wrongAddress(text.constant)
    if (wrong) scope.problems.error(text.at, `the redirect command: ${wrong}`)
    const change = call.effects()
    return run => {
      const written = text.value(run)
      for (const each of list ? membersOf(run, written) : [written]) {
        const address = parseMailAddress(each)?.address
        if (address === undefined) return run.fail(`redirect: ${wrongAddress(each)}`)
        const message = run.unenclosed ?? run.message
        run.take(change(run, { ...run.taken, message, type: 'redirect', address, copy: false }))
      }
      return undefined
    }
  },
}

function membersOf(run: Run, name: string): readonly string[] {
  const list = listName(name)
  if (!run.context.listExists?.(list)) return run.fail(`redirect: there is no list "${name}"`)
  return run.context.listMembers?.(list) ?? []
}

/** Says what is wrong with an address to send to. */
export function wrongAddress(text: string): string | undefined {
  return parseMailAddress(text) ? undefined : `${JSON.stringify(text)} is not one valid mail address`
}
