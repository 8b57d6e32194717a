/** mail-fetch audit: what a transcript proves. */
import { readFileSync } from 'node:fs'
import { audit } from '../fetch/proof.js'
import { errorCode, exits, MailError } from '../sys/error.js'
import { auditLines } from './fetch-print.js'
import { type Command, command } from './options.js'

export const auditCommand: Command = command({
  name: 'audit',
  summary: 'read a file that --proof wrote, and say what it proves',
  options: { json: { type: 'boolean', help: 'write one object' } },
  operands: 'FILE',
  run: async ({ values, operands: [file, ...more] }) => {
    if (file === undefined || more.length > 0)
      throw new MailError('name the file that --proof wrote', { exit: exits.usage })
    const found = audit(readProof(file))
    if (values.json) {
      const { commands, ...rest } = found
      process.stdout.write(`${JSON.stringify({ ...rest, commands: Object.fromEntries(commands) })}\n`)
    } else for (const line of auditLines(found)) process.stdout.write(`${line}\n`)
    return found.wrong.length === 0 && found.complete ? exits.ok : exits.data
  },
})

function readProof(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw new MailError(`cannot read ${file} (${errorCode(error)})`, { exit: exits.noInput })
  }
}
