/**
 * A provider whose folders are labels of one store of messages, as Gmail's are: as much of IMAP as mail-fetch asks for,
 * said in Gmail's way. A test changes labels between the runs, or lets it be throttled.
 */
import { createServer, type Socket } from 'node:net'
import { encodeMutf7 } from '../../lib/message/mutf7.js'
import { messageOctets } from './fake.js'

interface Message {
  readonly number: number
  readonly labels: Set<string>
  modseq: number
}

const uses: Readonly<Record<string, string>> = {
  '[Gmail]/전체보관함': '\\All',
  '[Gmail]/보낸편지함': '\\Sent',
  '[Gmail]/중요': '\\Important',
}
export const allMail = '[Gmail]/전체보관함'

export class Gmail {
  readonly #messages = new Map<number, Message>()
  /** UIDs by folder and number. */
  readonly #uids = new Map<string, Map<number, number>>([['INBOX', new Map()]])
  readonly #server = createServer(socket => this.#serve(socket))
  readonly #sockets = new Set<Socket>()
  #modseq = 100
  /** What is answered to every FETCH, while it is not empty: `NO [THROTTLED] …`. */
  refusal = ''
  /** What is answered to a login. */
  loginRefusal = ''
  connections = 0
  /** Sessions that idle, and the folders they do it in. */
  readonly #idling = new Map<Socket, { readonly folder: string; readonly tag: string }>()
  /** Commands that came, without their tags. */
  readonly heard: string[] = []

  static async start(t: { after(work: () => void): void }): Promise<Gmail> {
    const gmail = new Gmail()
    await new Promise<void>(resolve => gmail.#server.listen(0, '127.0.0.1', resolve))
    t.after(() => {
      gmail.#server.close()
      for (const socket of gmail.#sockets) socket.destroy()
    })
    return gmail
  }

  get port(): number {
    return (this.#server.address() as { port: number }).port
  }

  /** Connections that are open. */
  get open(): number {
    return this.#sockets.size
  }

  /** Gives a message these labels, and no others; a new one comes. */
  label(number: number, ...labels: string[]): void {
    this.#messages.set(number, { number, labels: new Set(labels), modseq: ++this.#modseq })
    for (const folder of [...labels.map(folderOf), allMail]) {
      const uids = this.#uids.get(folder) ?? new Map<number, number>()
      this.#uids.set(folder, uids)
      if (uids.has(number)) continue
      uids.set(number, Math.max(0, ...uids.values()) + 1)
      for (const [socket, idle] of this.#idling)
        if (idle.folder === folder) socket.write(`* ${uids.size} EXISTS\r\n`)
    }
    for (const [folder, uids] of this.#uids)
      if (folder !== allMail && !labels.map(folderOf).includes(folder)) uids.delete(number)
  }

  #serve(socket: Socket): void {
    this.connections++
    this.#sockets.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => {
      this.#sockets.delete(socket)
      this.#idling.delete(socket)
    })
    socket.write('* OK Gimap ready for requests\r\n')
    let pending = ''
    let folder = ''
    let sasl = ''
    socket.on('data', chunk => {
      pending += chunk.toString('latin1')
      for (let end = pending.indexOf('\r\n'); end >= 0; end = pending.indexOf('\r\n')) {
        const line = pending.slice(0, end)
        pending = pending.slice(end + 2)
        if (sasl !== '') {
          socket.write(this.loginRefusal ? `${sasl} ${this.loginRefusal}\r\n` : `${sasl} OK Success\r\n`)
          sasl = ''
          continue
        }
        const idle = this.#idling.get(socket)
        if (idle) {
          this.#idling.delete(socket)
          socket.write(`${idle.tag} OK IDLE terminated (Success)\r\n`)
          continue
        }
        const [, tag = '', command = ''] = /^(\S+) (.*)$/.exec(line) ?? []
        this.heard.push(command)
        if (command === 'IDLE') {
          this.#idling.set(socket, { folder, tag })
          socket.write('+ idling\r\n')
          continue
        }
        if (command.startsWith('AUTHENTICATE')) {
          sasl = tag
          socket.write('+\r\n')
          continue
        }
        const [, opened] = /^EXAMINE "?([^"]*)"?/.exec(command) ?? []
        if (opened !== undefined)
          folder = [...this.#uids.keys()].find(each => encodeMutf7(each) === opened) ?? ''
        const { lines, said = 'OK Success' } = this.#answer(command, folder)
        socket.write(Buffer.from(`${lines.map(each => `${each}\r\n`).join('')}${tag} ${said}\r\n`, 'latin1'))
      }
    })
  }

  #answer(command: string, folder: string): { lines: string[]; said?: string } {
    const [verb = ''] = command.split(' ')
    if (verb === 'CAPABILITY')
      return {
        lines: [
          '* CAPABILITY IMAP4rev1 UNSELECT IDLE NAMESPACE ID XLIST CHILDREN X-GM-EXT-1 UIDPLUS COMPRESS=DEFLATE ENABLE CONDSTORE ESEARCH LIST-EXTENDED LIST-STATUS LITERAL- SPECIAL-USE AUTH=PLAIN',
        ],
      }
    if (verb === 'NAMESPACE') return { lines: ['* NAMESPACE (("" "/")) NIL NIL'] }
    if (verb === 'ENABLE') return { lines: ['* ENABLED CONDSTORE'] }
    if (verb === 'LIST')
      return {
        lines: [
          '* LIST (\\HasChildren \\Noselect) "/" "[Gmail]"',
          ...[...this.#uids.keys()].flatMap(each => this.#list(each)),
        ],
      }
    if (verb === 'EXAMINE') {
      const { count, next, modseq } = this.#standing(folder)
      return {
        lines: [
          '* FLAGS (\\Answered \\Flagged \\Draft \\Deleted \\Seen)',
          '* OK [UIDVALIDITY 1] UIDs valid.',
          `* ${count} EXISTS`,
          `* OK [UIDNEXT ${next}] Predicted next UID.`,
          `* OK [HIGHESTMODSEQ ${modseq}]`,
        ],
        said: 'OK [READ-ONLY] (Success)',
      }
    }
    if (command.startsWith('UID SEARCH'))
      return { lines: [`* SEARCH ${[...(this.#uids.get(folder)?.values() ?? [])].join(' ')}`] }
    if (command.startsWith('UID FETCH'))
      return this.refusal ? { lines: [], said: this.refusal } : { lines: this.#fetch(command, folder) }
    return { lines: [] }
  }

  #standing(folder: string): { count: number; next: number; modseq: number } {
    const uids = [...(this.#uids.get(folder)?.values() ?? [])]
    return { count: uids.length, next: Math.max(0, ...uids) + 1, modseq: this.#modseq }
  }

  #list(folder: string): string[] {
    const { count, next, modseq } = this.#standing(folder)
    const name = `"${encodeMutf7(folder)}"`
    return [
      `* LIST (\\HasNoChildren${uses[folder] ? ` ${uses[folder]}` : ''}) "/" ${name}`,
      `* STATUS ${name} (MESSAGES ${count} UIDNEXT ${next} UIDVALIDITY 1 HIGHESTMODSEQ ${modseq}) `,
    ]
  }

  #fetch(command: string, folder: string): string[] {
    const [, set = ''] = /^UID FETCH (\S+)/.exec(command) ?? []
    const since = Number(/CHANGEDSINCE (\d+)/.exec(command)?.[1] ?? 0)
    const isMeant = (uid: number) =>
      set.split(',').some(range => {
        const [from, to = from] = range
          .split(':')
          .map(each => (each === '*' ? Number.POSITIVE_INFINITY : Number(each)))
        return uid >= (from as number) && uid <= (to as number)
      })
    const lines: string[] = []
    for (const [number, uid] of [...(this.#uids.get(folder) ?? [])].sort((a, b) => a[1] - b[1])) {
      const { labels, modseq } = this.#messages.get(number) as Message
      if (!isMeant(uid) || modseq <= since) continue
      const octets = messageOctets(number)
      const parts = [
        `X-GM-MSGID ${1_000_000 + number}`,
        `UID ${uid}`,
        `RFC822.SIZE ${octets.length}`,
        `MODSEQ (${modseq})`,
      ]
      if (command.includes('FLAGS')) parts.push('FLAGS (\\Seen)')
      if (command.includes('INTERNALDATE')) parts.push('INTERNALDATE "14-Nov-2023 22:13:21 +0000"')
      if (command.includes('X-GM-LABELS'))
        parts.push(
          `X-GM-LABELS (${[...labels]
            .filter(each => folderOf(each) !== folder)
            .map(labelText)
            .join(' ')})`,
        )
      if (command.includes('BODY.PEEK[]')) parts.push(`BODY[] {${octets.length}}\r\n${octets}`)
      lines.push(`* ${uid} FETCH (${parts.join(' ')})`)
    }
    return lines
  }
}

function folderOf(label: string): string {
  if (label === '\\Inbox') return 'INBOX'
  if (label === '\\Sent') return '[Gmail]/보낸편지함'
  return label === '\\Important' ? '[Gmail]/중요' : label
}

function labelText(label: string): string {
  return `"${encodeMutf7(label).replaceAll('\\', '\\\\')}"`
}
