/** Clients that give messages away, file them and remove them, one step of each message at a time. */

import type { Chance } from '../ledger.js'
import { Caller } from '../soak/caller.js'
import type { Story, Tale } from './story.js'

export interface Load {
  readonly story: Story
  readonly chance: Chance
  readonly ports: { readonly smtp: number; readonly imap: number; readonly pop3: number }
  readonly isOver: () => boolean
}

const sizeOf = (chance: Chance) => (chance.below(15) === 0 ? 2_000 : chance.below(60))
const dotted = (text: string) => `${text.replace(/\n/g, '\r\n')}.\r\n`

/** Deliveries to two users, and mail for elsewhere, which is queued. */
export async function smtp({ story, chance, ports, isOver }: Load): Promise<void> {
  const caller = await Caller.open({ port: ports.smtp })
  await caller.ask('EHLO power\r\n', /^250 [^\r]*\r\n/m)
  while (!isOver()) {
    const to = chance.pick(['carol', 'dave', 'queue'])
    const tale = story.make(to, sizeOf(chance))
    const address = to === 'queue' ? 'far@example.org' : `${to}@x.internal`
    await caller.ask(`MAIL FROM:<sender@example.org>\r\nRCPT TO:<${address}>\r\nDATA\r\n`, /354[^\r]*\r\n/)
    await story.step(tale, [to === 'queue' ? 'queue' : `${to}/INBOX`], () =>
      caller.ask(dotted(tale.text), /^250 [^\r]*\r\n/m),
    )
  }
  caller.drop()
}

/** One user's session: appends, marks, copies, moves and removes its own messages. */
export async function imap(load: Load, user: string): Promise<void> {
  const { story, chance, ports, isOver } = load
  const caller = await Caller.open({ port: ports.imap })
  let tag = 0
  const run = async (command: string) => {
    const end = `t${++tag}`
    const told = await caller.ask(`${end} ${command}\r\n`, new RegExp(`(?:^|\\r\\n)${end} [^\\r]*\\r\\n`))
    if (!told.includes(`${end} OK`)) throw new Error(`${command.slice(0, 60)}: ${told.slice(-200)}`)
    return told
  }
  await run(`LOGIN ${user} pw`)
  const inbox = `${user}/INBOX`
  const archive = `${user}/Archive`
  await run('SELECT INBOX')
  const mine: { tale: Tale; uid: number; places: string[] }[] = []
  while (!isOver()) {
    const kind = chance.below(6)
    const one = mine.length === 0 ? undefined : chance.pick(mine)
    if (!one || kind < 2) {
      const tale = story.make('append', sizeOf(chance))
      const octets = tale.text.replace(/\n/g, '\r\n')
      const answer = await story.step(tale, [inbox], () =>
        run(`APPEND INBOX {${octets.length}+}\r\n${octets}`),
      )
      const [, validity = '', uid] = /APPENDUID (\d+) (\d+)/.exec(answer) ?? []
      story.tell(inbox, validity, Number(uid), tale.id)
      mine.push({ tale, uid: Number(uid), places: [inbox] })
    } else if (kind === 2) await run(`UID STORE ${one.uid} +FLAGS.SILENT (\\Seen Blue)`)
    else if (kind === 3 && !one.places.includes(archive)) {
      one.places.push(archive)
      await transfer(story, run, 'COPY', one, archive)
    } else if (kind === 4 && !one.places.includes(archive)) {
      mine.splice(mine.indexOf(one), 1)
      one.places = [archive]
      await transfer(story, run, 'MOVE', one, archive)
    } else if (kind === 5) {
      mine.splice(mine.indexOf(one), 1)
      const left = one.places.filter(place => place !== inbox)
      await run(`UID STORE ${one.uid} +FLAGS.SILENT (\\Deleted)`)
      await story.step(one.tale, left, () => run(`UID EXPUNGE ${one.uid}`), true)
    }
  }
  caller.drop()
}

async function transfer(
  story: Story,
  run: (command: string) => Promise<string>,
  verb: 'COPY' | 'MOVE',
  { tale, uid, places }: { readonly tale: Tale; readonly uid: number; readonly places: readonly string[] },
  archive: string,
): Promise<void> {
  const answer = await story.step(tale, places, () => run(`UID ${verb} ${uid} Archive`))
  const [, validity = '', to] = /COPYUID (\d+) \d+ (\d+)/.exec(answer) ?? []
  story.tell(archive, validity, Number(to), tale.id)
}

/** Reads dave's mail and removes it. */
export async function pop3({ story, ports, isOver }: Load): Promise<void> {
  while (!isOver()) {
    const caller = await Caller.open({ port: ports.pop3 })
    await caller.ask('USER dave\r\nPASS pw\r\n', /(\+OK[^\r]*\r\n){3}/)
    const count = Number(/\+OK (\d+)/.exec(await caller.ask('STAT\r\n', /\+OK \d+[^\r]*\r\n/))?.[1])
    const gone: Tale[] = []
    for (let i = 1; i <= Math.min(count, 4); i++) {
      const text = await caller.ask(`TOP ${i} 0\r\nDELE ${i}\r\n`, /\r\n\.\r\n\+OK[^\r]*\r\n/)
      const tale = story.tales.get(/X-Trust: (\S+)/.exec(text)?.[1] ?? '')
      // What is there before its 250 was heard is for the next time.
      if (tale && Number.isFinite(tale.steps.at(-1)?.done)) gone.push(tale)
      else await caller.ask('RSET\r\n', /\+OK[^\r]*\r\n/).then(() => gone.splice(0))
    }
    const quit = () => caller.ask('QUIT\r\n', /\+OK[^\r]*\r\n/)
    let answer: Promise<string> | undefined
    await Promise.all(
      gone.map(tale =>
        story.step(
          tale,
          [],
          () => {
            answer ??= quit()
            return answer
          },
          true,
        ),
      ),
    )
    caller.drop()
    await new Promise(resolve => setTimeout(resolve, 50))
  }
}
