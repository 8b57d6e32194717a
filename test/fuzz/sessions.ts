/** Targets: whole sessions of the four servers, over real sockets, each input one connection. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { imapService } from '../../lib/command/imapd.js'
import { pop3Service } from '../../lib/command/pop3d.js'
import type { Service } from '../../lib/command/service.js'
import { sieveService } from '../../lib/command/sieved.js'
import { smtpdService } from '../../lib/command/smtpd.js'
import { type Running, startService } from '../support/service.js'
import { clientLines, texts } from './seeds.js'
import type { Target } from './targets.js'

interface Door {
  readonly service: Service
  readonly listener?: string
  /** Said before the input. */
  readonly before?: string
  prepare?(running: Running): void
}

/** A server that is started with the first input, and what a session with it must not come to. */
function session(name: string, door: Door, rest: Pick<Target, 'seeds' | 'words'>): Target {
  let started: Promise<Running> | undefined
  const open = async () => {
    const running = await startService(door.service, {
      ...(door.listener === undefined ? {} : { listener: door.listener }),
    })
    door.prepare?.(running)
    return running
  }
  return {
    name,
    ...rest,
    limit: 2_000,
    lineLimit: 2,
    async run(octets) {
      started ??= open()
      const running = await started
      const before = running.lines.length
      await talk(running.port, door.before ?? '', octets)
      const wrong = running.lines
        .splice(before)
        .filter(line => /stack|session-failed|TypeError|RangeError| {4}at /.test(line))
      if (wrong.length > 0) throw new Error(wrong.join('\n'))
      running.lines.length = 0
    },
    close: async () => (await started)?.close(),
  }
}

/** How long a server that waits for more is waited for, in milliseconds. */
const pause = 40
/** Turns of half a second that a session may last: turns, since the clock also runs while the fuzzer is stopped. */
const patience = 30

/**
 * Says it all at once, and hangs up: one time in four when nothing more is answered, else when all is said, which is
 * quicker.
 */
function talk(port: number, before: string, octets: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1' }, () => {
      socket.write(before)
      socket.write(octets)
      socket.write('\r\nz LOGOUT\r\nQUIT\r\nLOGOUT\r\n')
      if (octets.length % 4 !== 0) socket.end()
    })
    let quiet = setTimeout(() => socket.end(), 1_000)
    socket.on('data', () => {
      clearTimeout(quiet)
      quiet = setTimeout(() => socket.end(), pause)
    })
    let turns = 0
    const watch = setInterval(() => {
      if (++turns < patience) return
      clearInterval(watch)
      socket.destroy()
      reject(new Error('the session does not end'))
    }, 500)
    socket.on('error', () => {})
    socket.on('close', () => {
      clearTimeout(quiet)
      clearInterval(watch)
      resolve()
    })
  })
}

function fillMaildir(running: Running): void {
  const maildir = running.maildir('alice')
  for (const part of ['cur', 'new', 'tmp']) mkdirSync(join(maildir, part), { recursive: true })
  for (let i = 1; i < 4; i++)
    writeFileSync(
      join(maildir, 'cur', `170000000${i}.M1P1.h:2,S`),
      `From: a@b\nSubject: ${i}\nContent-Type: multipart/mixed; boundary=x\n\n--x\n\nhello\n--x--\n`,
    )
}

const literal = [
  '{1}\r\n',
  '{0+}\r\n',
  '{99999999}\r\n',
  '{4096+}\r\n',
  '~{3+}\r\n',
  '\r\n',
  ' (',
  ')',
  '"',
  '\\',
  '*',
  '%',
]

export const sessionTargets: readonly Target[] = [
  session(
    'smtp',
    { service: smtpdService() as Service, listener: 'tls = "off"\nauth = "offered"' },
    {
      seeds: () => [
        ...clientLines('smtp'),
        ...texts(
          'EHLO x\r\nMAIL FROM:<a@b> SIZE=1\r\nRCPT TO:<alice@ilnmors.internal>\r\nDATA\r\nx\r\n.\r\nBDAT 1 LAST\r\nxRSET\r\nQUIT\r\n',
        ),
      ],
      words: [
        'EHLO x\r\n',
        'MAIL FROM:<',
        'RCPT TO:<',
        'DATA\r\n',
        '\r\n.\r\n',
        'BDAT 5',
        ' LAST\r\n',
        'AUTH PLAIN ',
        'XCLIENT ',
        'STARTTLS\r\n',
        'VRFY ',
        '>',
        '=',
      ],
    },
  ),
  session(
    'imap-stranger',
    { service: imapService as Service, listener: 'tls = "off"' },
    {
      seeds: () => clientLines('imap'),
      words: ['a LOGIN ', 'a AUTHENTICATE PLAIN ', 'a ID (', 'a ENABLE ', 'a NOOP\r\n', ...literal],
    },
  ),
  session(
    'imap',
    {
      service: imapService as Service,
      listener: 'tls = "off"',
      before: 'l LOGIN alice wonderland\r\ns SELECT INBOX\r\n',
      prepare: fillMaildir,
    },
    {
      seeds: () => clientLines('imap'),
      words: [
        'a FETCH 1:* (',
        'BODY.PEEK[',
        'HEADER.FIELDS (',
        ']<0.5>',
        'a SEARCH ',
        'OR ',
        'NOT ',
        'a STORE 1 +FLAGS (',
        'a APPEND x ',
        'a LIST "" ',
        'RETURN (',
        'a SORT (',
        'UTF-8 ',
        'a UID ',
        'a COPY 1 ',
        'CATENATE (',
        'a THREAD REFERENCES UTF-8 ALL\r\n',
        ...literal,
      ],
    },
  ),
  session(
    'pop3',
    {
      service: pop3Service as Service,
      listener: 'tls = "off"',
      before: 'USER alice\r\nPASS wonderland\r\n',
      prepare: fillMaildir,
    },
    {
      seeds: () => clientLines('pop3'),
      words: [
        'USER ',
        'PASS ',
        'TOP 1 ',
        'RETR ',
        'UIDL ',
        'AUTH PLAIN ',
        '\r\n',
        'DELE 1\r\n',
        'RSET\r\n',
        'CAPA\r\n',
      ],
    },
  ),
  session(
    'managesieve',
    {
      service: sieveService as Service,
      listener: 'tls = "off"',
      before: 'AUTHENTICATE "PLAIN" "AGFsaWNlAHdvbmRlcmxhbmQ="\r\n',
    },
    {
      seeds: () => clientLines('managesieve'),
      words: [
        'PUTSCRIPT "x" ',
        'CHECKSCRIPT ',
        'HAVESPACE "x" ',
        'GETSCRIPT ',
        'SETACTIVE ',
        'RENAMESCRIPT ',
        'DELETESCRIPT ',
        'LISTSCRIPTS\r\n',
        ...literal,
      ],
    },
  ),
]
