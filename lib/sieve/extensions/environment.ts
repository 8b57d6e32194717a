/** What a script may know of where it runs: RFC 5183, RFC 6785 §4.1, and Pigeonhole's vnd.dovecot.environment. */
import type { Extension } from '../definition.js'
import { compileMatch } from '../match.js'
import type { Run } from '../run.js'

/** The value of an item; undefined for one that is not known. */
function item(run: Run, name: string): string | undefined {
  const { context, settings } = run
  const given = context.environment?.get(name)
  if (given !== undefined) return given
  switch (name) {
    case 'host':
      return settings.hostname
    case 'domain':
      return settings.hostname.includes('.') ? settings.hostname.replace(/^[^.]*\./, '') : settings.hostname
    case 'location':
      return context.imap ? 'MS' : 'MDA'
    case 'phase':
      return context.imap ? 'post' : 'during'
    case 'remote-host':
    case 'remote-ip':
      return ''
    default:
      return imapItem(run, name) ?? vendorItem(run, name)
  }
}

/** RFC 6785 §4.2 to §4.5; empty at delivery. */
function imapItem({ context: { imap } }: Run, name: string): string | undefined {
  switch (name) {
    case 'imap.user':
      return imap?.user ?? ''
    case 'imap.email':
      return imap?.email ?? ''
    case 'imap.cause':
      return imap?.cause ?? ''
    case 'imap.mailbox':
      return imap?.mailbox ?? ''
    case 'imap.changedflags':
      return imap?.changedFlags.join(' ') ?? ''
    default:
      return undefined
  }
}

function vendorItem({ context, frame }: Run, name: string): string | undefined {
  if (!frame.script.extensions.has('vnd.dovecot.environment')) return undefined
  if (name === 'vnd.dovecot.default-mailbox') return 'INBOX'
  return name === 'vnd.dovecot.username' ? context.user : undefined
}

export const environment: Extension = {
  name: 'environment',
  tests: [
    {
      name: 'environment',
      families: ['match'],
      takes: [
        { name: 'name', type: 'string' },
        { name: 'key list', type: 'strings' },
      ],
      compile(call, scope) {
        const name = call.text('name')
        const { match, type } = compileMatch(call, scope, call.texts('key list'))
        return run => {
          const value = item(run, name.value(run).toLowerCase())
          // RFC 5183 §4: an empty item counts as none.
          return match(run, value === undefined || (value === '' && type.name === 'count') ? [] : [value])
        }
      },
    },
  ],
}

export const dovecotEnvironment: Extension = {
  name: 'vnd.dovecot.environment',
  implies: ['environment'],
  namespaces: [{ name: 'env', read: (run, rest) => item(run, rest) ?? '' }],
}

/** RFC 6785: the capability only; who runs the script is an IMAP server. */
export const imapsieve: Extension = { name: 'imapsieve', implies: ['environment'] }
