/** One Maildir, opened by Debian's Dovecot and by lib/mailbox, by turns and at once: nothing that a client keeps changes. */
import assert from 'node:assert/strict'
import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import type { Mailbox } from '../../lib/mailbox/mailbox.js'
import { parseInternalDate } from '../../lib/message/date.js'
import { toCrlf } from '../../lib/message/wire.js'
import { add, elsewhere, put } from '../mailbox/support.js'
import { Dovecot, mailUser, noDovecot } from '../support/dovecot.js'
import { ImapClient } from '../support/imap-client.js'

/** What a client keeps of a message, by UID. */
type Kept = Record<number, { flags: string; size: number; date: number; text: string }>

const flagNames = ['\\Seen', '\\Flagged', '\\Answered', '\\Draft', 'Work', '$Forwarded', 'NonJunk']
const anyOf = <T>(list: readonly T[]): T => list[Math.floor(Math.random() * list.length)]!

/** As the user that Dovecot serves mail as: files are to belong to both. */
async function asMailUser(work: () => Promise<void>): Promise<void> {
  process.setegid?.(mailUser)
  process.seteuid?.(mailUser)
  try {
    await work()
  } finally {
    process.seteuid?.(0)
    process.setegid?.(0)
  }
}

async function keptByDovecot(client: ImapClient): Promise<Kept> {
  const kept: Kept = {}
  for (const line of await client.ok('UID FETCH 1:* (UID FLAGS RFC822.SIZE INTERNALDATE BODY.PEEK[])')) {
    const match =
      /^\d+ FETCH \(UID (\d+) FLAGS \(([^)]*)\) RFC822.SIZE (\d+) INTERNALDATE "([^"]+)" BODY\[\] (.*)\)$/s.exec(
        line,
      )
    if (!match) continue
    const [, uid, flags = '', size, date = '', text = ''] = match
    kept[Number(uid)] = {
      flags: flags
        .split(' ')
        .filter(flag => flag !== '\\Recent')
        .sort()
        .join(' '),
      size: Number(size),
      date: parseInternalDate(date)!.utc,
      text,
    }
  }
  return kept
}

function keptByUs(mailbox: Mailbox): Kept {
  return Object.fromEntries(
    [...mailbox.uids].map(uid => [
      uid,
      {
        flags: [...mailbox.message(uid)!.flags].sort().join(' '),
        size: mailbox.size(uid)!,
        date: mailbox.date(uid)!,
        text: toCrlf(mailbox.read(uid)!).toString('latin1'),
      },
    ]),
  )
}

async function validityOf(client: ImapClient): Promise<string> {
  const status = await client.ok('STATUS INBOX (UIDVALIDITY UIDNEXT MESSAGES)')
  return status.join().replace(/^STATUS "?INBOX"? /, '')
}

const ourValidity = (mailbox: Mailbox) =>
  `(MESSAGES ${mailbox.count} UIDNEXT ${mailbox.uidNext} UIDVALIDITY ${mailbox.uidValidity})`

let serial = 0
const textOf = () => `Subject: ${++serial}\r\n\r\n${'line of text\r\n'.repeat(serial % 7)}`

async function changeByDovecot(client: ImapClient, uids: readonly number[]): Promise<void> {
  await client.ok(`APPEND INBOX (${anyOf(flagNames)})`, Buffer.from(textOf()))
  await client.ok('APPEND INBOX () "02-Jan-2008 03:04:05 +0000"', Buffer.from(textOf()))
  if (uids.length < 6) return
  await client.ok(`UID STORE ${anyOf(uids)}:* +FLAGS.SILENT (${anyOf(flagNames)})`)
  await client.ok(`UID STORE ${anyOf(uids)} FLAGS.SILENT (${anyOf(flagNames)} ${anyOf(flagNames)})`)
  await client.ok(`UID STORE ${anyOf(uids)} +FLAGS.SILENT (\\Deleted)`)
  await client.ok('EXPUNGE')
}

async function changeByUs(mailbox: Mailbox): Promise<void> {
  await add(mailbox, textOf(), [anyOf(flagNames)])
  await add(mailbox, textOf(), [], Date.UTC(2009, 1, 1, 1, 2, 3))
  const uids = [...mailbox.uids]
  await mailbox.store(
    uids.filter(() => Math.random() < 0.4),
    { mode: 'add', flags: [anyOf(flagNames)] },
  )
  await mailbox.store([anyOf(uids)], { mode: 'replace', flags: [anyOf(flagNames), anyOf(flagNames)] })
  await mailbox.remove([anyOf(uids)])
  await mailbox.copy([anyOf(uids)], mailbox)
}

async function withDovecot(work: (dovecot: Dovecot, maildir: string) => Promise<void>): Promise<void> {
  const base = mkdtempSync(join(tmpdir(), 'postern-turns-'))
  chmodSync(base, 0o755)
  const dovecot = await Dovecot.start({ homes: { alice: join(base, 'alice') } })
  try {
    await asMailUser(() => work(dovecot, join(base, 'alice', 'Maildir')))
    const complaints = dovecot.log.split('\n').filter(line => /Error|Warning|Panic|corrupt/i.test(line))
    assert.deepEqual(complaints, [])
  } finally {
    await dovecot.stop()
    rmSync(base, { recursive: true, force: true })
  }
}

test('by turns: UIDs, flags, keywords, sizes and dates stay', { skip: noDovecot() }, async () => {
  await withDovecot(async (dovecot, maildir) => {
    let stays: Mailbox | undefined
    for (let round = 0; round < 8; round++) {
      const client = await ImapClient.login(dovecot.imap, 'alice', 'pw')
      await client.ok('SELECT INBOX')
      if (stays) assert.deepEqual(await keptByDovecot(client), keptByUs(stays), `round ${round}`)
      await changeByDovecot(
        client,
        client.uids.filter(uid => uid > 0),
      )
      const theirs = await keptByDovecot(client)
      await client.ok('CLOSE')
      const validity = await validityOf(client)
      await client.ok('LOGOUT')
      client.close()

      // One of ours sees it for the first time, the other had it open all the while.
      const fresh = await elsewhere(maildir)
      stays ??= fresh
      await stays.refresh()
      for (const mailbox of [fresh, stays]) {
        assert.deepEqual(keptByUs(mailbox), theirs, `round ${round}`)
        assert.equal(ourValidity(mailbox), validity)
      }
      put(maildir, `new/${1_700_000_000 + round}.M1P1.foreign`, `Subject: foreign ${round}\n\nbody\n`)
      await stays.refresh()
      await changeByUs(stays)
      fresh.close()
    }
    stays?.close()
  })
})

test('at once: both agree in the end, and no UID is another message', { skip: noDovecot() }, async () => {
  await withDovecot(async (dovecot, maildir) => {
    const client = await ImapClient.login(dovecot.imap, 'alice', 'pw')
    await client.ok('SELECT INBOX')
    const ours = await elsewhere(maildir)
    const view = await ours.select()
    const texts = new Map<number, string>()
    const remember = (kept: Kept) => {
      for (const [uid, { text }] of Object.entries(kept)) {
        // Dovecot's word for a file that we have just renamed or removed.
        if (text === 'NIL') continue
        assert.equal(texts.get(Number(uid)) ?? text, text, `UID ${uid}`)
        texts.set(Number(uid), text)
      }
    }
    const until = Date.now() + 4000
    const theirs = async () => {
      while (Date.now() < until) {
        remember(await keptByDovecot(client))
        await changeByDovecot(
          client,
          client.uids.filter(uid => uid > 0),
        )
      }
    }
    const mine = async () => {
      for (let i = 0; Date.now() < until; i++) {
        put(maildir, `new/${1_700_000_000 + i}.M1P1.foreign`, `Subject: foreign ${i}\n\nbody\n`)
        await ours.refresh()
        view.sync({ expunge: true })
        await changeByUs(ours)
        await delay(20)
      }
    }
    await Promise.all([theirs(), mine()])
    await client.ok('NOOP')
    await delay(1500)
    await client.ok('CHECK')
    await ours.refresh()
    remember(keptByUs(ours))
    const left = await keptByDovecot(client)
    remember(left)
    assert.deepEqual(keptByUs(ours), left)
    assert.equal(new Set(Object.values(left).map(({ text }) => text)).size > 0, true)
    view.close()
    ours.close()
    client.close()
  })
})
