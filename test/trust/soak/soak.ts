/**
 * npm run soak [-- --messages N] [--minutes M] [--home DIR]: a day in an hour. 200,000 messages in and out again, 20,000
 * IMAP sessions and 2,000 fetch runs unless told, with POP3, ManageSieve, logins that fail, connections that break,
 * reloads; and between them, with nobody there, what every daemon holds. Fails where that grows.
 *
 * With --minutes it stops after so long, and goes on the next time: the daemons wait. Their folder is DIR.
 */
import { mkdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { soak } from './course.js'

const { values } = parseArgs({
  options: {
    messages: { type: 'string', default: '200000' },
    minutes: { type: 'string', default: 'Infinity' },
    home: { type: 'string', default: join(tmpdir(), 'postern-soak') },
  },
})
mkdirSync(values.home, { recursive: true })
const result = await soak({
  folder: values.home,
  messages: Number(values.messages),
  minutes: Number(values.minutes),
  say: line => process.stdout.write(`${line}\n`),
})
process.exitCode = result && result.faults.length > 0 ? 1 : 0
