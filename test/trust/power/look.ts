/** What stands on a disk whose power went, held against the story. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ImapClient } from '../../support/imap-client.js'
import { Program } from '../../support/program.js'
import { mayBe, type Story } from './story.js'

export const users = ['alice', 'bob', 'carol', 'dave'] as const
const folders = ['INBOX', 'Archive'] as const

/** @param at how long the log was @returns what is wrong */
export async function look(root: string, config: string, story: Story, at: number): Promise<string[]> {
  const faults: string[] = []
  const found = new Map<string, string[]>()
  const note = (id: string, place: string) => found.set(id, [...(found.get(id) ?? []), place])
  for (const user of users)
    for (const folder of folders) files(root, `${user}/${folder}`, story, note, faults)
  queue(root, story, note, faults)
  for (const [id, tale] of story.tales) {
    const there = (found.get(id) ?? []).sort().join(' ')
    const may = mayBe(tale, at)
    if (!may.includes(there)) faults.push(`${id} is at [${there}] and may be at [${may.join('] or [')}]`)
  }
  faults.push(...(await served(config, story, at, found)))
  return faults
}

function files(
  root: string,
  place: string,
  { tales }: Story,
  note: (id: string, place: string) => void,
  faults: string[],
): void {
  const [user = '', folder] = place.split('/')
  const maildir = join(root, 'home', user, 'Maildir', folder === 'INBOX' ? '' : `.${folder}`)
  for (const part of ['new', 'cur']) {
    if (!existsSync(join(maildir, part))) continue
    for (const name of readdirSync(join(maildir, part))) {
      const text = readFileSync(join(maildir, part, name), 'latin1')
      const id = /^X-Trust: (\S+)$/m.exec(text)?.[1] ?? '?'
      const tale = tales.get(id)
      if (!tale || !text.endsWith(tale.text)) faults.push(`${place}/${part}/${name} (${id}) is not whole`)
      note(id, place)
    }
  }
}

/** Messages that wait to be sent: an envelope and its text. */
function queue(
  root: string,
  { tales }: Story,
  note: (id: string, place: string) => void,
  faults: string[],
): void {
  const folder = join(root, 'queue/mail')
  for (const name of existsSync(folder) ? readdirSync(folder) : []) {
    // An envelope is what was accepted; what stands without one is a draft.
    if (!/^[^.].*\.envelope$/.test(name)) continue
    const message = join(folder, name.replace(/envelope$/, 'message'))
    const text = existsSync(message) ? readFileSync(message, 'latin1').replace(/\r\n/g, '\n') : ''
    const id = /^X-Trust: (\S+)$/m.exec(text)?.[1] ?? '?'
    const tale = tales.get(id)
    if (!tale || !text.endsWith(tale.text)) faults.push(`queue/${name} (${id}) is not whole`)
    if (readFileSync(join(folder, name)).length === 0) faults.push(`queue/${name} is empty`)
    note(id, 'queue')
  }
}

/** What a server says of it, and which UID it gives next. */
async function served(
  config: string,
  story: Story,
  at: number,
  found: ReadonlyMap<string, readonly string[]>,
): Promise<string[]> {
  const faults: string[] = []
  const program = await Program.start('mail-imapd', config)
  try {
    for (const user of ['alice', 'bob']) {
      const client = await ImapClient.login(program.ports('imapd')[0] as number, user, 'pw')
      for (const folder of folders) {
        const place = `${user}/${folder}`
        client.uids.length = 0
        const selected = await client.command(`SELECT ${folder}`)
        if (selected.status !== 'OK') continue
        const validity = /UIDVALIDITY (\d+)/.exec(selected.untagged.join('\n'))?.[1] ?? ''
        const there = new Map<number, string>()
        for (const line of await client.ok('UID FETCH 1:* (UID BODY.PEEK[HEADER.FIELDS (X-Trust)])')) {
          const [, uid, id] = /UID (\d+).*X-Trust: (\S+)/s.exec(line) ?? []
          if (uid !== undefined && id !== undefined) there.set(Number(uid), id)
        }
        const served = [...there.values()].sort().join()
        const onDisk = [...found].flatMap(([id, places]) =>
          places.filter(each => each === place).map(() => id),
        )
        if (served !== onDisk.sort().join()) faults.push(`${place}: IMAP and the disk differ`)
        const told = story.uids.filter(
          each => each.place === place && each.validity === validity && each.at <= at,
        )
        for (const { uid, id } of told)
          if ((there.get(uid) ?? id) !== id)
            faults.push(`${place}: UID ${uid} was ${id}, and is ${there.get(uid)}`)
        const { text } = await client.command(`APPEND ${folder}`, Buffer.from('Subject: next\r\n\r\n'))
        const next = Number(/APPENDUID \d+ (\d+)/.exec(text)?.[1])
        const highest = Math.max(0, ...told.map(({ uid }) => uid))
        if (!(next > highest)) faults.push(`${place}: UID ${next} is given after ${highest}`)
      }
      client.close()
    }
  } finally {
    await program.stop('SIGKILL')
  }
  return faults
}
