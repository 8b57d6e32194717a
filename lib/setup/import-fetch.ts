/** Programs that pull mail in: mbsync's .mbsyncrc, getmail's getmailrc, fetchmail's .fetchmailrc. */
import type { Imported, ImportedAccount } from './import.js'
import type { Note } from './import-note.js'
import { readSource } from './import-postfix-files.js'

type Section = { readonly kind: string; readonly name: string; readonly values: Map<string, string[]> }

const never = 'mail-fetch changes nothing at the provider'

/** mbsync(1): accounts, stores and channels become accounts. @throws MailError (66) */
export function importMbsync(file: string, imported: Imported): void {
  const sections = mbsyncSections(readSource(file))
  const find = (kind: string, name: string) => sections.find(each => each.kind === kind && each.name === name)
  const add = (note: Pick<Note, 'fate' | 'detail'>, setting: string) =>
    imported.notes.push({ ...note, where: file, setting })
  for (const channel of sections.filter(each => each.kind === 'channel')) {
    const far = /^:([^:]+):/.exec(one(channel, 'far', 'master') ?? '')?.[1]
    const store = far === undefined ? undefined : find('imapstore', far)
    // A store may name an account, or be one itself.
    const account = store && (find('imapaccount', one(store, 'account') ?? '') ?? store)
    const label = `Channel ${channel.name}`
    const host = account && one(account, 'host')
    if (!account || host === undefined) {
      add({ fate: 'unsupported', detail: 'its far side is no IMAP account' }, label)
      continue
    }
    imported.fetch.push(accountOf(channel, account, host))
    add({ fate: 'kept', detail: `fetch.${channel.name}, from ${host}` }, label)
    for (const [key, values] of channel.values)
      add(channelFate(key, values.join(' ')), `${label}: ${key} ${values.join(' ')}`)
    for (const [key, values] of account.values)
      add(accountFate(key), `${account.name}: ${key} ${key === 'pass' ? '(hidden)' : values.join(' ')}`)
  }
  for (const { name } of sections.filter(({ kind }) => kind === 'maildirstore'))
    add(
      { fate: 'changed', detail: 'mail goes into the Maildir of the user that the account names as into' },
      `MaildirStore ${name}`,
    )
}

function accountOf(channel: Section, account: Section, host: string): ImportedAccount {
  const kind = (one(account, 'tlstype', 'ssltype') ?? 'IMAPS').toLowerCase()
  const tls = kind === 'none' ? 'off' : kind === 'starttls' ? 'required' : 'implicit'
  const port = one(account, 'port') ?? (tls === 'implicit' ? '993' : '143')
  const patterns = (channel.values.get('pattern') ?? channel.values.get('patterns') ?? []).flatMap(words)
  const far = /^:[^:]+:(.*)$/.exec(one(channel, 'far', 'master') ?? '')?.[1]
  const folders = patterns.filter(each => !each.startsWith('!'))
  const expunges = /^(near|both|slave)$/i.test(one(channel, 'expunge') ?? '')
  return {
    name: channel.name,
    protocol: 'imap',
    host: `${host}:${port}`,
    tls,
    ...userOf(one(account, 'user'), one(account, 'pass'), one(account, 'passcmd')),
    folders: folders.length > 0 ? folders.map(each => each.replaceAll('%', '*')) : far ? [far] : ['INBOX'],
    exclude: patterns.filter(each => each.startsWith('!')).map(each => each.slice(1)),
    ...(expunges ? { gone: 'trash' as const } : {}),
  }
}

function userOf(user: string | undefined, password: string | undefined, command: string | undefined) {
  if (user === undefined) return {}
  const line = command?.replace(/^\+/, '')
  return { user, ...(line === undefined ? { password: password ?? '' } : { passwordCommand: line }) }
}

function channelFate(key: string, value: string): Pick<Note, 'fate' | 'detail'> {
  switch (key) {
    case 'far':
    case 'master':
    case 'near':
    case 'slave':
      return { fate: 'kept', detail: 'the account' }
    case 'pattern':
    case 'patterns':
      return { fate: 'kept', detail: 'folders and exclude' }
    case 'sync':
      return /^pull\b/i.test(value)
        ? { fate: 'kept', detail: never }
        : { fate: 'changed', detail: `mail is pulled only: ${never}` }
    case 'create':
      return /near|slave/i.test(value)
        ? { fate: 'kept', detail: 'folders are made here' }
        : { fate: 'changed', detail: `folders are made here only: ${never}` }
    case 'expunge':
      return /^(near|slave)$/i.test(value)
        ? { fate: 'changed', detail: 'what is gone there goes to Trash here (gone = "trash")' }
        : { fate: 'changed', detail: `nothing is removed there: ${never}` }
    case 'remove':
      return { fate: 'changed', detail: `folders stay: ${never}` }
    case 'syncstate':
      return {
        fate: 'changed',
        detail: 'mail-fetch has a state of its own; what is here already is known by Message-ID',
      }
    default:
      return { fate: 'unsupported', detail: 'there is no such setting' }
  }
}

function accountFate(key: string): Pick<Note, 'fate' | 'detail'> {
  if (/^(host|port|user|tlstype|ssltype|account)$/.test(key)) return { fate: 'kept', detail: 'the account' }
  if (key === 'pass') return { fate: 'kept', detail: 'a file below secrets/, mode 600' }
  if (key === 'passcmd')
    return { fate: 'kept', detail: 'password_command; the user postern must be able to run it' }
  if (/^(certificatefile|systemcertificates)$/.test(key))
    return { fate: 'changed', detail: 'set ca where the provider has an authority of its own' }
  if (/^(sslversions?|tlsversions?|authmechs?)$/.test(key))
    return { fate: 'changed', detail: 'the best that both sides know is taken' }
  return { fate: 'unsupported', detail: 'there is no such setting' }
}

function mbsyncSections(text: string): Section[] {
  const sections: Section[] = []
  let current: Section | undefined
  for (const raw of text.split('\n')) {
    const line = raw.trim()
    if (line.startsWith('#')) continue
    if (line === '') current = undefined
    const [, word = '', rest = ''] = /^(\w+)\s*(.*)$/.exec(line) ?? []
    const key = word.toLowerCase()
    if (key === '') continue
    if (/^(imapaccount|imapstore|maildirstore|channel|group)$/.test(key)) {
      current = { kind: key, name: words(rest)[0] ?? '', values: new Map() }
      sections.push(current)
    } else if (current) {
      const value = /^patterns?$/.test(key) ? rest : words(rest).join(' ')
      current.values.set(key, [...(current.values.get(key) ?? []), value])
    }
  }
  return sections
}

function one({ values }: Section, ...keys: readonly string[]): string | undefined {
  return keys.map(key => values.get(key)?.at(-1)).find(value => value !== undefined)
}

/** Words, of which some may be in double quotes. */
function words(text: string): string[] {
  return [...text.matchAll(/"((?:[^"\\]|\\.)*)"|(\S+)/g)].map(
    ([, quoted, plain]) => quoted?.replace(/\\(.)/g, '$1') ?? plain ?? '',
  )
}

/** getmail(1): one account a file. @throws MailError (66) */
export function importGetmail(file: string, imported: Imported): void {
  const values = new Map<string, string>()
  let section = ''
  for (const raw of readSource(file).split('\n')) {
    const line = raw.trim()
    section = /^\[(\w+)\]$/.exec(line)?.[1] ?? section
    const [, key, value = ''] = /^(\w+)\s*[=:]\s*(.*)$/.exec(line) ?? []
    if (key !== undefined && !/^[#;]/.test(line)) values.set(`${section}.${key}`, value)
  }
  const type = values.get('retriever.type') ?? ''
  const host = values.get('retriever.server') ?? ''
  const isImap = /IMAP/.test(type)
  const ssl = /SSL/.test(type)
  const port = values.get('retriever.port') ?? (isImap ? (ssl ? '993' : '143') : ssl ? '995' : '110')
  const command = [...(values.get('retriever.password_command') ?? '').matchAll(/["']([^"']+)["']/g)].map(
    ([, word]) => word,
  )
  const folders = [...(values.get('retriever.mailboxes') ?? '').matchAll(/["']([^"']+)["']/g)].map(
    ([, name]) => name as string,
  )
  imported.fetch.push({
    name: host.split('.').slice(-2, -1)[0] ?? 'getmail',
    protocol: isImap ? 'imap' : 'pop3',
    host: `${host}:${port}`,
    tls: ssl ? 'implicit' : 'offered',
    ...userOf(
      values.get('retriever.username'),
      values.get('retriever.password'),
      command.length > 0 ? command.join(' ') : undefined,
    ),
    folders: isImap ? (folders.length > 0 ? folders : ['INBOX']) : [],
    exclude: [],
  })
  const kept = /^retriever\.(type|server|port|username|password|password_command|mailboxes)$/
  for (const [key, value] of values) {
    const setting = `${key} = ${key === 'retriever.password' ? '(hidden)' : value}`
    const fate: Pick<Note, 'fate' | 'detail'> = kept.test(key)
      ? { fate: 'kept', detail: 'the account' }
      : /^options\.delete/.test(key)
        ? { fate: 'changed', detail: never }
        : { fate: 'unsupported', detail: 'mail goes into a Maildir here' }
    imported.notes.push({ ...fate, where: file, setting })
  }
}

/** fetchmail(1): `poll HOST … user NAME … password WORD …`. @throws MailError (66) */
export function importFetchmail(file: string, imported: Imported): void {
  const text = readSource(file).replace(/^\s*#.*$/gm, '')
  for (const [, rest = ''] of text.matchAll(
    /\b(?:poll|server)\s+([\s\S]*?)(?=\bpoll\s|\bserver\s|$(?![\s\S]))/g,
  )) {
    const all = [...rest.matchAll(/"([^"]*)"|'([^']*)'|([^\s,;]+)/g)].map(([, a, b, c]) => a ?? b ?? c ?? '')
    const after = (...names: string[]) => all[all.findIndex(word => names.includes(word.toLowerCase())) + 1]
    const has = (...names: string[]) => all.some(word => names.includes(word.toLowerCase()))
    const value = (...names: string[]) => (has(...names) ? after(...names) : undefined)
    const [host = ''] = all
    const isPop = /^pop3?$/i.test(value('proto', 'protocol') ?? 'imap')
    const ssl = has('ssl')
    const port = value('port', 'service') ?? (isPop ? (ssl ? '995' : '110') : ssl ? '993' : '143')
    const into = value('is', 'to')
    imported.fetch.push({
      name: host.split('.').slice(-2, -1)[0] ?? host,
      protocol: isPop ? 'pop3' : 'imap',
      host: `${value('via') ?? host}:${port}`,
      tls: ssl ? 'implicit' : 'offered',
      ...userOf(value('user', 'username'), value('pass', 'password'), undefined),
      ...(into === undefined ? {} : { into }),
      folders: isPop ? [] : [value('folder', 'folders') ?? 'INBOX'],
      exclude: [],
    })
    imported.notes.push({ fate: 'kept', where: file, setting: `poll ${host}`, detail: 'an account of fetch' })
    if (!has('keep'))
      imported.notes.push({ fate: 'changed', where: file, setting: `poll ${host}: no keep`, detail: never })
    for (const word of ['mda', 'smtphost', 'preconnect', 'postconnect', 'fetchall', 'limit'])
      if (has(word))
        imported.notes.push({
          fate: 'unsupported',
          where: file,
          setting: `poll ${host}: ${word}`,
          detail: 'mail goes into a Maildir here',
        })
  }
}
