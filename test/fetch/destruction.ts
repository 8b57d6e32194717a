/** Destroys what was fetched, at random and in every way there is, and looks whether the provider hears of it. */
import assert from 'node:assert/strict'
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, unlinkSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import type { FetchAccount } from '../../lib/fetch/fetch.js'
import { Account } from '../../lib/mailbox/account.js'
import { randomFrom } from '../support/generator.js'
import { digest, fetchOnce, numbers, put } from './world.js'

export interface Scene {
  /** The Maildir at the provider; empty still. */
  readonly remote: string
  readonly home: string
  readonly account: FetchAccount
  readonly seed: number
}

const range = (count: number, from = 1) => Array.from({ length: count }, (_, i) => from + i)
const rounds = 40

/** There nothing changes, to the octet; here nothing is lost but what was destroyed, and nothing doubled. */
export async function destroyAtRandom({ remote, home, account, seed }: Scene): Promise<void> {
  put(remote, range(50), 'S')
  put(join(remote, '.Work'), range(20, 101), 'F')
  const maildir = join(home, 'Maildir')
  const random = randomFrom(seed)
  const pick = <T>(list: readonly T[]) => list[Math.floor(random() * list.length)] as T
  const cur = (folder: string) => join(maildir, folder, 'cur')
  /** What the user did away with, and may so be missing. */
  const away = new Set<number>()
  const numberIn = (path: string) => Number(/^Message-ID: <(\d+)@/m.exec(readFileSync(path, 'latin1'))?.[1])
  const some = (folder: string) => {
    const names = existsSync(cur(folder)) ? readdirSync(cur(folder)) : []
    return names.length === 0 ? undefined : join(cur(folder), pick(names))
  }
  const remove = (path: string | undefined) => {
    if (path === undefined) return
    away.add(numberIn(path))
    unlinkSync(path)
  }
  const deeds: Record<string, () => void | Promise<void>> = {
    rm: () => remove(some(pick(['', '.Work']))),
    mv: () => {
      const path = some('')
      if (path === undefined) return
      away.add(numberIn(path))
      renameSync(path, join(cur('.Archive'), basename(path)))
    },
    flags: () => {
      const path = some('')
      if (path !== undefined) renameSync(path, path.replace(/:2,.*/, `:2,${pick(['', 'FST', 'R'])}`))
    },
    expunge: () => expunge(maildir, pick, away),
    'rm -r': () => {
      for (const name of existsSync(cur('.Work')) ? readdirSync(cur('.Work')) : [])
        away.add(numberIn(join(cur('.Work'), name)))
      rmSync(join(maildir, '.Work'), { recursive: true, force: true })
    },
    'rm state': () => rmSync(account.state, { force: true }),
    'rm uidlist': () => rmSync(join(maildir, 'dovecot-uidlist'), { force: true }),
    'cut state': () => {
      if (existsSync(account.state))
        writeFileSync(account.state, readFileSync(account.state).subarray(0, Math.floor(random() * 3_000)))
    },
  }
  await fetchOnce(account)
  const there = digest(remote)
  for (let round = 0; round < rounds; round++) {
    const name = pick(Object.keys(deeds))
    await deeds[name]?.()
    await fetchOnce(account)
    for (const [folder, all] of [
      ['INBOX', range(50)],
      ['Work', range(20, 101)],
    ] as const) {
      const here = await numbers(home, folder)
      assert.equal(new Set(here).size, here.length, `${folder} has some twice after ${name}`)
      const missing = all.filter(number => !here.includes(number) && !away.has(number))
      assert.deepEqual(missing, [], `missing in ${folder} after ${name}`)
    }
  }
  assert.ok(away.size > 20)
  assert.deepEqual(digest(remote), there)
}

async function expunge(
  maildir: string,
  pick: <T>(list: readonly T[]) => T,
  away: Set<number>,
): Promise<void> {
  const account = await Account.open(maildir)
  const inbox = await account.open('INBOX')
  try {
    await inbox.refresh()
    if (inbox.uids.length === 0) return
    const uid = pick([...inbox.uids])
    away.add(Number(/^Message-ID: <(\d+)@/m.exec(inbox.read(uid)?.toString('latin1') ?? '')?.[1]))
    await inbox.store([uid], { mode: 'add', flags: ['\\Deleted', 'mine'] })
    await inbox.expunge([uid])
  } finally {
    inbox.close()
    await account.close()
  }
}
