/** What clients do in one session each, most of them well, some of them badly. Each counts what it did. */
import { readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { until } from '../../support/world.js'
import type { Chance } from '../ledger.js'
import { Caller, type Door } from './caller.js'
import { accounts, fetcher, password, type Suite, users } from './suite.js'

/** What a task works with. */
export interface Scene {
  readonly suite: Suite
  readonly chance: Chance
  /** Users whose mailboxes a session works in that counts what it removes. */
  readonly busy: Set<string>
}

const replies = (count: number) =>
  new RegExp(`(?:(?:^|\\r\\n)(?:\\d{3}-[^\\r]*\\r\\n)*\\d{3} [^\\r]*){${count}}\\r\\n`)
const plain = (user: string, secret: string = password) =>
  Buffer.from(`\0${user}\0${secret}`).toString('base64')

/** Some address of this machine: who comes from where is counted for everybody. */
function somewhere(chance: Chance): string {
  return `127.${1 + chance.below(250)}.${chance.below(250)}.${1 + chance.below(250)}`
}

function door(port: number, chance: Chance, tls = false): Door {
  return { port, tls, from: somewhere(chance) }
}

let number = 0
/** A message of one to ten kilobytes; one in fifty has two hundred. */
export function letter(chance: Chance): string {
  const lines = chance.below(50) === 0 ? 3_000 : 10 + chance.below(130)
  const head = `From: Somebody <s${chance.below(50)}@example.org>\r\nTo: you@x.internal\r\nSubject: soak ${++number}\r\nMessage-ID: <${number}.${chance.below(1e9)}@example.org>\r\nDate: Tue, 24 Nov 2026 02:00:00 +0000\r\n`
  return `${head}\r\nneedle ${chance.below(100)}\r\n${`${'x'.repeat(70)}\r\n`.repeat(lines)}`
}

/** Many messages in one go, each to a user or two; BDAT lets them be sent without a wait. */
export async function deliver({ suite, chance }: Scene, count: number): Promise<void> {
  const { ports } = suite.state
  const kind = chance.below(4)
  const caller = await Caller.open(
    door([ports.smtp, ports.smtp, ports.smtps, ports.submission][kind] as number, chance, kind === 2),
  )
  await caller.until(replies(1))
  await caller.ask('EHLO soak.example\r\n', replies(1))
  if (kind === 3) {
    await caller.ask('STARTTLS\r\n', replies(1))
    await caller.wrap()
    await caller.ask('EHLO soak.example\r\n', replies(1))
  }
  const sender = chance.pick(users)
  if (kind > 1) await caller.ask(`AUTH PLAIN ${plain(sender)}\r\n`, /235 /)
  const from = kind > 1 ? `${sender}@x.internal` : 'somebody@example.org'
  let copies = 0
  const sent: string[] = []
  for (let i = 0; i < count; i++) {
    const to = [...new Set([chance.pick(users), ...(chance.below(10) === 0 ? [chance.pick(users)] : [])])]
    copies += to.length
    const text = letter(chance)
    const rcpts = to.map(user => `RCPT TO:<${user}@x.internal>\r\n`).join('')
    sent.push(`MAIL FROM:<${from}>\r\n${rcpts}BDAT ${text.length} LAST\r\n${text}`)
  }
  const answers = count * 2 + copies
  const told = await caller.ask(`${sent.join('')}QUIT\r\n`, replies(answers + 1))
  const refused = told.split('\r\n').find(line => /^[45]/.test(line))
  if (refused) throw new Error(`SMTP: ${refused}`)
  await caller.end()
  suite.count('messages', count)
  suite.count('in', copies)
  suite.count('SMTP sessions')
}

/** Messages for elsewhere, by DATA. */
export async function send({ suite, chance }: Scene): Promise<void> {
  const caller = await Caller.open(door(suite.state.ports.smtp, chance))
  await caller.until(replies(1))
  await caller.ask(`EHLO soak.example\r\nAUTH PLAIN ${plain('u0')}\r\n`, /235 [^\r]*\r\n/)
  await caller.ask('MAIL FROM:<u0@x.internal>\r\nRCPT TO:<far@example.org>\r\nDATA\r\n', /354 [^\r]*\r\n/)
  await caller.ask(`${letter(chance)}.\r\n`, /250 [^\r]*\r\n/)
  await caller.ask('QUIT\r\n', /221 /)
  caller.drop()
  suite.count('messages')
  suite.count('sent')
}

/** Those who come for no good, or in no good state. */
export async function trouble({ suite, chance }: Scene): Promise<void> {
  const { ports } = suite.state
  const [name, port] = chance.pick(
    Object.entries(ports).filter(([each]) => !['sink', 'metrics', 'provider'].includes(each)),
  )
  // Whoever speaks in the clear where TLS is meant is one of them too.
  const caller = await Caller.open(door(port, chance, name.endsWith('s') && chance.below(2) === 0))
  const wrong = `nobody${chance.below(100_000)}`
  const said: Readonly<Record<string, string>> = {
    smtp: `EHLO x\r\nAUTH PLAIN ${plain(wrong)}\r\nAUTH PLAIN ${plain('mallory', wrong)}\r\n`,
    imap: `a LOGIN ${wrong} x\r\nb LOGIN mallory {3+}\r\nxyz\r\nc SELECT INBOX\r\n`,
    pop3: `USER ${wrong}\r\nPASS x\r\n`,
    sieve: `AUTHENTICATE "PLAIN" "${plain(wrong)}"\r\n`,
  }
  const dialect = name === 'submission' ? 'smtp' : name.replace(/s$/, '')
  const deeds = [
    () => said[dialect] ?? said['smtp'],
    () => `GET / HTTP/1.1\r\nHost: x\r\n\r\n`,
    () => `${'y'.repeat(100_000)}\r\n`,
    () => '',
    () =>
      `EHLO x\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<u1@x.internal>\r\nDATA\r\n${'cut off\r\n'.repeat(500)}`,
    () => `a LOGIN u1 ${password}\r\nb APPEND INBOX {100000+}\r\n${'cut off\r\n'.repeat(500)}`,
    () => `USER u2\r\nPASS ${password}\r\nSTAT\r\nRETR 1\r\nDELE 1\r\n`,
  ]
  caller.say((chance.pick(deeds)() as string) ?? '')
  // Waits for what is answered, if anything is.
  await Promise.race([caller.until(/\r\n/).catch(() => {}), delay(50)])
  if (chance.below(2) === 0) await delay(20)
  caller.drop()
  suite.count('troubled sessions')
}

/** A wrong password, which a thread has to look at: the thread stays for the next one. */
export async function refused({ suite, chance }: Scene): Promise<void> {
  const user = users.at(-2) as string
  const wrong = `wrong${chance.below(1e9)}`
  const { smtp, imap: imapPort, pop3, sieve: sievePort } = suite.state.ports
  const said: readonly (readonly [port: number, text: string, refusal: RegExp])[] = [
    [smtp, `EHLO x\r\nAUTH PLAIN ${plain(user, wrong)}\r\n`, /\r\n535 /],
    [imapPort, `a LOGIN ${user} ${wrong}\r\n`, /a NO /],
    [pop3, `USER ${user}\r\nPASS ${wrong}\r\n`, /-ERR /],
    [sievePort, `AUTHENTICATE "PLAIN" "${plain(user, wrong)}"\r\n`, /NO /],
  ]
  for (const [port, text, refusal] of said) {
    const caller = await Caller.open(door(port, chance))
    await caller.ask(text, refusal)
    caller.drop()
    suite.count('refused logins')
  }
}

/** Waits in IDLE while others work, sees it or does not, and goes. */
export async function idle({ suite, chance }: Scene): Promise<void> {
  const caller = await Caller.open(door(suite.state.ports.imap, chance))
  const user = chance.pick(users)
  const more = chance.pick([
    '',
    'n NOTIFY SET (SELECTED (MessageNew MessageExpunge)) (PERSONAL (MessageNew))\r\n',
  ])
  await caller.ask(`a LOGIN ${user} ${password}\r\nb SELECT INBOX\r\n${more}c IDLE\r\n`, /\r\n\+ /)
  await delay(50 + chance.below(300))
  if (chance.below(2) === 0) await caller.ask('DONE\r\nz LOGOUT\r\n', /z OK/)
  caller.drop()
  suite.count('IMAP sessions')
}

/** Reads and removes by POP3. */
export async function pop({ suite, chance, busy }: Scene, user: string): Promise<void> {
  busy.add(user)
  try {
    const isSecure = chance.below(3) === 0
    const { ports } = suite.state
    const caller = await Caller.open(door(isSecure ? ports.pop3s : ports.pop3, chance, isSecure))
    await caller.ask(`USER ${user}\r\nPASS ${password}\r\n`, /(\+OK[^\r]*\r\n){3}/)
    const count = Number(/\+OK (\d+)/.exec(await caller.ask('STAT\r\n', /\+OK \d+[^\r]*\r\n/))?.[1])
    await caller.ask('UIDL\r\nLIST\r\n', /\r\n\.\r\n[^.]*[\s\S]*?\r\n\.\r\n/)
    const some = Math.min(count, 10)
    for (let i = 1; i <= some; i++) await caller.ask(`RETR ${i}\r\nDELE ${i}\r\n`, /\r\n\.\r\n\+OK[^\r]*\r\n/)
    const told = await caller.ask('QUIT\r\n', /(?:\+OK|-ERR)[^\r]*\r\n/)
    if (!told.startsWith('+OK')) throw new Error(told)
    caller.drop()
    suite.count('out', some)
    suite.count('POP3 sessions')
  } finally {
    busy.delete(user)
  }
}

/** Looks after scripts. */
export async function sieve({ suite, chance }: Scene): Promise<void> {
  const caller = await Caller.open(door(suite.state.ports.sieve, chance))
  const user = users.at(-1) as string
  const text = readFileSync(join(suite.folder, 'home', user, 'sieve/main.sieve'), 'latin1')
  const name = `s${chance.below(5)}`
  const said = `AUTHENTICATE "PLAIN" "${plain(user)}"\r\nPUTSCRIPT "${name}" {${text.length}+}\r\n${text}\r\nLISTSCRIPTS\r\nSETACTIVE "${name}"\r\nGETSCRIPT "${name}"\r\nSETACTIVE "main"\r\nDELETESCRIPT "${name}"\r\nLOGOUT\r\n`
  caller.say(said)
  await caller.until(/OK "?[^\r]*(?:bye|LOGOUT|logged|[Gg]ood)[^\r]*\r\n|BYE/)
  caller.drop()
  suite.count('ManageSieve sessions')
}

/** New mail at the provider comes here; what the provider has is thrown away now and then. */
export async function fetch({ suite, chance }: Scene, index: number, isWatched: boolean): Promise<void> {
  const account = accounts[index] as string
  const place = `${fetcher}/${account}`
  const there = () =>
    ['new', 'cur'].reduce((sum, part) => {
      try {
        return sum + readdirSync(join(suite.maildir(fetcher), `.${account}`, part)).length
      } catch {
        return sum
      }
    }, 0)
  const before = there()
  const maildir = suite.provided(account)
  for (let i = 0; i < 5; i++) {
    const text = letter(chance).replace(/\r\n/g, '\n')
    const name = `${Math.floor(Date.now() / 1000)}.M${number}P1.provider`
    writeFileSync(join(maildir, 'tmp', name), text)
    renameSync(join(maildir, 'tmp', name), join(maildir, 'new', name))
  }
  if (isWatched) await until(() => there() >= before + 5, 60_000)
  else if ((await suite.run('mail-fetch', ['--once', account])) !== 0) throw new Error('mail-fetch failed')
  if (there() !== before + 5) throw new Error(`${place}: ${there()} messages and not ${before + 5}`)
  suite.count('messages', 5)
  suite.count('in', 5)
  suite.count('fetch runs')
  if (chance.below(10) === 0)
    for (const part of ['new', 'cur'])
      for (const name of readdirSync(join(maildir, part))) rmSync(join(maildir, part, name))
}
