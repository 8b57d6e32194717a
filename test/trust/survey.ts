/** What is there, by the files and by what every server says, held against what was promised. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ImapClient } from '../support/imap-client.js'
import { type DaemonName, password, users } from './fleet.js'
import { type Places, place } from './ledger.js'
import { folders, type Stage } from './load.js'

/** What a Maildir may hold besides mail. Names that end in .tmp are written over the next time. */
export const known =
  /^(?:cur|new|tmp|subscriptions|maildirfolder|maildirsize|dovecot-(?:uidlist|keywords|uidvalidity(?:\.[0-9a-f]+)?)|dovecot-uidlist\.tmp|postern\.(?:index|journal|cache|text)(?:\.tmp)?)$/
export const messageName = /^\d+\.[^:/]+(?::2,[A-Za-z]*)?$/

/** Finds out where every message is, and settles the ledger. */
export async function survey(stage: Stage): Promise<void> {
  const { ledger } = stage
  const onDisk = new Map<string, string[]>()
  const told = new Map<string, string[]>()
  for (const user of users) {
    const here: DaemonName[] = ['mail-imapd', 'mail-imapd 2']
    const listings: string[] = []
    for (const daemon of ledger.chance.below(2) === 0 ? here : here.reverse()) {
      const client = await ImapClient.login(stage.fleet.port(daemon), user, password)
      const lines: string[] = []
      for (const folder of folders) lines.push(...(await look(stage, client, user, folder)))
      await client.ok('SUBSCRIBE INBOX')
      client.close()
      listings.push(lines.sort().join('\n'))
      if (listings.length === 1)
        for (const line of lines) {
          const [id = '', ...at] = line.split(' ')
          told.set(id, [...(told.get(id) ?? []), at.join(' ')])
        }
    }
    if (listings[0] !== listings[1])
      ledger.faults.push(`the two mail-imapd differ about ${user}: ${differences(listings)}`)
    for (const folder of folders) files(stage, user, folder, onDisk)
    debris(stage, user)
  }
  compare(stage, told, onDisk)
  fetched(stage, told)
  ledger.settle(
    new Map([...told].filter(([id]) => !id.startsWith('fetch-')).map(([id, at]) => [id, at.sort()])),
  )
  sendings(stage)
  stage.ledger.faults.push(...stage.uids.faults.splice(0))
}

function differences([one = '', two = '']: readonly string[]): string {
  const [a, b] = [new Set(one.split('\n')), new Set(two.split('\n'))]
  return [...[...a].filter(line => !b.has(line)), '/', ...[...b].filter(line => !a.has(line))]
    .join(', ')
    .slice(0, 500)
}

/** @returns a line for each message: its identifier, folder and flags */
async function look(stage: Stage, client: ImapClient, user: string, folder: string): Promise<string[]> {
  const { uids, ledger, provided } = stage
  const path = `${user}/${folder}`
  if (!existsSync(join(directory(stage, user, folder), 'cur'))) await client.command(`CREATE ${folder}`)
  client.uids.length = 0
  const said = (await client.ok(`SELECT ${folder}`)).join('\n')
  const number = (name: string) => new RegExp(`${name} (\\d+)`).exec(said)?.[1] ?? '0'
  const validity = number('UIDVALIDITY')
  const lines: string[] = []
  const messages = new Map<number, string>()
  for (const line of client.uids.length === 0
    ? []
    : await client.ok('UID FETCH 1:* (UID FLAGS BODY.PEEK[])')) {
    const [whole, uid, flags = ''] = /UID (\d+) FLAGS \(([^)]*)\) BODY\[\] /.exec(line) ?? []
    if (whole === undefined) continue
    const octets = line
      .slice(line.indexOf(whole) + whole.length)
      .replace(/\)$/, '')
      .replace(/\r\n/g, '\n')
    const id = /^X-Trust: (\S+)$/m.exec(octets)?.[1] ?? '?'
    const text = ledger.entries.get(id)?.text ?? provided.get(id)
    if (text === undefined) ledger.faults.push(`${path} ${uid}: nobody sent ${id}`)
    else if (!octets.endsWith(text))
      ledger.faults.push(`${path} ${uid}: ${id} is not whole: ${octets.length} of ${text.length}`)
    messages.set(Number(uid), id)
    lines.push(
      `${id} ${place(
        path,
        flags.split(' ').filter(flag => flag !== '' && flag !== '\\Recent'),
      )}`,
    )
  }
  const told = { validity, next: Number(number('UIDNEXT')), highest: BigInt(number('HIGHESTMODSEQ')) }
  uids.survey(path, told, messages)
  return lines
}

function directory({ fleet }: Stage, user: string, folder: string): string {
  return folder === 'INBOX' ? fleet.maildir(user) : join(fleet.maildir(user), `.${folder}`)
}

function files(stage: Stage, user: string, folder: string, found: Map<string, string[]>): void {
  for (const part of ['new', 'cur']) {
    const path = join(directory(stage, user, folder), part)
    for (const name of existsSync(path) ? readdirSync(path) : []) {
      if (!messageName.test(name)) stage.ledger.faults.push(`${path}: there is ${name}`)
      const id = /^X-Trust: (\S+)$/m.exec(readFileSync(join(path, name), 'latin1'))?.[1] ?? '?'
      found.set(id, [...(found.get(id) ?? []), `${user}/${folder}`])
    }
  }
}

/** Nothing but tmp/ holds what is left over, and every lock is gone or was taken over. */
function debris(stage: Stage, user: string): void {
  const root = stage.fleet.maildir(user)
  const names = readdirSync(root)
  for (const folder of ['', ...names.filter(name => /^\.[^.]/.test(name))])
    for (const name of readdirSync(join(root, folder)))
      if (!known.test(name) && !(folder === '' && /^\.[A-Za-z]+$/.test(name)))
        stage.ledger.faults.push(`${user}: ${folder}/${name} is left over`)
}

function compare({ ledger }: Stage, told: Map<string, string[]>, onDisk: Map<string, string[]>): void {
  for (const id of new Set([...told.keys(), ...onDisk.keys()])) {
    const one = (told.get(id) ?? [])
      .map(at => at.split(' ')[0])
      .sort()
      .join(' ')
    const two = (onDisk.get(id) ?? []).sort().join(' ')
    if (one !== two) ledger.faults.push(`${id}: IMAP has it at [${one}], the disk at [${two}]`)
  }
}

function fetched({ ledger, provided }: Stage, told: ReadonlyMap<string, Places>): void {
  for (const [id, at] of told) {
    if (!id.startsWith('fetch-')) continue
    if (at.length !== 1 || !at[0]?.startsWith('dave/INBOX'))
      ledger.faults.push(`${id} is at [${at.join('; ')}]`)
    if (!provided.has(id)) ledger.faults.push(`${id} was never at the provider`)
  }
}

/** What went out whole; twice only where the relay was killed before it could note the answer. */
function sendings({ sink, ledger, sent, fleet }: Stage): void {
  const counts = new Map<string, number>()
  for (const { text } of sink.received) {
    const id = /^X-Trust: (\S+)\r$/m.exec(text)?.[1] ?? '?'
    if (!text.endsWith(`end of ${id}\r\n`)) ledger.faults.push(`${id} was sent, and not whole`)
    counts.set(id, (counts.get(id) ?? 0) + 1)
  }
  let twice = 0
  for (const [id, count] of counts) {
    if (!sent.has(id)) continue
    twice += count - 1
  }
  if (twice > fleet.relayKills.length * 5)
    ledger.faults.push(
      `${twice} messages were sent twice; the relay was killed ${fleet.relayKills.length} times`,
    )
  ledger.done.set('sent twice', twice)
}
