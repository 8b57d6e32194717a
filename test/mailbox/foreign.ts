/**
 * A program that changes a mailbox at random until it is told to stop, then says what it put in and took out. Started
 * with `foreign` it knows no lock, as mutt and rm do not; with `ours` it is a second process of our own.
 */
import { readdirSync, readFileSync, renameSync, unlinkSync, writeFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import type { Mailbox } from '../../lib/mailbox/mailbox.js'
import { isMissing } from '../../lib/sys/error.js'
import { add, elsewhere } from './support.js'

/** What a program did: the texts of messages, each of them different. */
export interface Deeds {
  readonly put: string[]
  readonly taken: string[]
}

const flags = ['\\Seen', '\\Flagged', '\\Answered', 'Work', 'Later']

/** Any of a list. */
export function anyOf<T>(list: readonly T[]): T {
  return list[Math.floor(Math.random() * list.length)]!
}

/** One random change through a Mailbox. */
export async function changeOurs(mailbox: Mailbox, who: string, step: number, deeds: Deeds): Promise<void> {
  const uids = [...mailbox.uids]
  const some = uids.filter(() => Math.random() < 0.1)
  const choice = Math.random()
  if (choice < 0.3 || uids.length < 20) {
    const text = `${who} ${step}\n`
    await add(mailbox, text.replace('\n', '\r\n'), Math.random() < 0.5 ? [] : [anyOf(flags)])
    deeds.put.push(text)
  } else if (choice < 0.5) {
    const uid = anyOf(uids)
    const text = mailbox.read(uid)?.toString()
    // Somebody else may be taking it at this moment: that it is gone afterwards is all we know.
    if (text !== undefined && (await mailbox.remove([uid])).includes(uid)) deeds.taken.push(text)
  } else {
    const mode = anyOf(['add', 'remove', 'replace'] as const)
    await mailbox.store(some, { mode, flags: [anyOf(flags)] })
  }
  if (Math.random() < 0.3) await mailbox.refresh()
}

function changeForeign(maildir: string, step: number, deeds: Deeds): void {
  const part = anyOf(['cur', 'cur', 'new'])
  const name = anyOf(readdirSync(`${maildir}/${part}`))
  const choice = Math.random()
  try {
    if (choice < 0.3 || name === undefined) {
      const text = `foreign ${step}\n`
      const unique = `${1_700_000_000 + step}.M${step}P${process.pid}.foreign`
      writeFileSync(`${maildir}/tmp/${unique}`, text)
      renameSync(`${maildir}/tmp/${unique}`, `${maildir}/new/${unique}`)
      deeds.put.push(text)
    } else if (choice < 0.5) {
      const text = readFileSync(`${maildir}/${part}/${name}`, 'utf8')
      unlinkSync(`${maildir}/${part}/${name}`)
      deeds.taken.push(text)
    } else {
      const letters = [...'FRSa'].filter(() => Math.random() < 0.5).join('')
      renameSync(`${maildir}/${part}/${name}`, `${maildir}/cur/${name.replace(/:.*/, '')}:2,${letters}`)
    }
  } catch (error) {
    if (!isMissing(error)) throw error
  }
}

async function main(kind: string, maildir: string): Promise<void> {
  const deeds: Deeds = { put: [], taken: [] }
  let going = true
  process.on('message', () => {
    going = false
  })
  const mailbox = kind === 'ours' ? await elsewhere(maildir) : undefined
  for (let step = 0; going; step++) {
    if (mailbox) await changeOurs(mailbox, `second ${process.pid}`, step, deeds)
    else changeForeign(maildir, step, deeds)
    await delay(Math.random() * 4)
  }
  process.send?.(deeds, () => process.disconnect())
}

const [, , kind, maildir] = process.argv
if (process.send && kind && maildir) await main(kind, maildir)
