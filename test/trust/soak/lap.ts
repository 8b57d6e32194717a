/** One round of the load: about 300 messages, 30 IMAP sessions, three fetch runs, and some of everything else. */
import { copyFileSync, utimesSync } from 'node:fs'
import { get } from 'node:http'
import { join } from 'node:path'
import { imap } from './imap.js'
import { deliver, fetch, idle, pop, refused, type Scene, send, sieve, trouble } from './sessions.js'
import { accounts, fetcher, users, writeUsers } from './suite.js'

type Task = () => Promise<void>

/** Everybody is there once: what is loaded, compiled and kept for each is so from the beginning. */
export async function warm(scene: Scene): Promise<void> {
  await fetched(scene, accounts.length - 1, false)
  for (let i = 0; i < accounts.length - 1; i++) await fetched(scene, i, true)
  await refused(scene)
  await Promise.all(
    users.map(async user => {
      for (let i = 0; i < 3; i++) {
        await imap(scene, user)
        await pop(scene, user)
      }
    }),
  )
}

/** Sessions at a time. */
const lanes = 20

/** @param lap its number */
export async function runLap(scene: Scene, lap: number): Promise<void> {
  const { chance } = scene
  const tasks: Task[] = []
  const add = (count: number, task: (i: number) => Promise<void>) => {
    for (let i = 0; i < count; i++) tasks.push(() => task(i))
  }
  add(6, i => deliver(scene, i < 4 ? 30 : 9))
  add(25, () => imap(scene, freeUser(scene)))
  add(2, () => idle(scene))
  add(4, () => pop(scene, freeUser(scene)))
  add(2, () => sieve(scene))
  add(4, () => send(scene))
  add(6, () => trouble(scene))
  add(1, () => refused(scene))
  add(3, i => fetched(scene, (3 * lap + i) % (accounts.length - 1), true))
  if (lap % 20 === 3) add(1, () => fetched(scene, accounts.length - 1, false))
  if (lap % 20 === 17) add(1, () => command(scene))
  if (lap % 5 === 3) add(1, () => scrape(scene))
  if (lap % 10 === 9) add(1, () => renew(scene, lap))
  for (let i = tasks.length - 1; i > 0; i--) {
    const j = chance.below(i + 1)
    ;[tasks[i], tasks[j]] = [tasks[j] as Task, tasks[i] as Task]
  }
  const lane = async () => {
    for (let task = tasks.pop(); task; task = tasks.pop()) await task()
  }
  await Promise.all(Array.from({ length: lanes }, lane))
}

/** A fetch run; and what came by fetching is read, and thrown away, like all else. */
async function fetched(scene: Scene, index: number, isWatched: boolean): Promise<void> {
  await fetch(scene, index, isWatched)
  await imap(scene, fetcher, accounts[index])
}

function freeUser({ chance, busy }: Scene): string {
  return chance.pick(users.filter(user => !busy.has(user)))
}

/** A delivery by mail-deliver. */
async function command({ suite }: Scene): Promise<void> {
  const status = await suite.run('mail-deliver', ['-d', 'u3'], 'Subject: by hand\n\nhello\n')
  if (status !== 0) throw new Error(`mail-deliver ended with ${status}`)
  suite.count('messages')
  suite.count('in')
}

async function scrape({ suite }: Scene): Promise<void> {
  await new Promise((resolve, reject) => {
    get(`http://127.0.0.1:${suite.state.ports.metrics}/metrics`, answer => {
      answer.resume().on('end', resolve)
    }).on('error', reject)
  })
}

/** Somebody changes a password, renews the certificate, or asks for the configuration to be read again. */
async function renew({ suite }: Scene, lap: number): Promise<void> {
  const turn = Math.floor(lap / 10) % 3
  if (turn === 0) writeUsers(suite.folder)
  else if (turn === 1) {
    copyFileSync('fixtures/tls/localhost.pem', join(suite.folder, 'mail.crt'))
    utimesSync(join(suite.folder, 'mail.crt'), new Date(), new Date())
  } else suite.signal('SIGHUP')
  suite.count('reloads')
}
