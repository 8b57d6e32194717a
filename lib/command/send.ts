/** mail-send: the sendmail(1) interface. Everything it takes it leaves in the queue; no daemon need be running. */
import { basename } from 'node:path'
import { exits, MailError } from '../sys/error.js'
import { type Command, command } from './options.js'
import { parseSendmail, sendOptions } from './send-options.js'

export const send: Command = command({
  name: 'mail-send',
  summary: 'Send the message on standard input, as sendmail does',
  options: sendOptions,
  operands: '[ADDRESS ...]',
  parse: parseSendmail,
  run: async ({ values, operands, config }): Promise<number> => {
    switch (modeOf(values)) {
      case 'm': {
        const { sendMessage } = await import('./send-message.js')
        return sendMessage({ values, operands, config })
      }
      case 'p': {
        const { printQueue } = await import('./queue.js')
        await printQueue(config, {}, [], 'mailq')
        return exits.ok
      }
      case 'q': {
        const { retryAll } = await import('./send-flush.js')
        return retryAll(config)
      }
      case 's': {
        const { serveStdin } = await import('./send-smtp.js')
        return serveStdin(config)
      }
      case 'v': {
        const { verify } = await import('./send-verify.js')
        return verify(config, operands)
      }
      case 'i': {
        const { checkAliases } = await import('./send-verify.js')
        return checkAliases(config)
      }
      default:
        throw new MailError(
          '-bd and -bD are done by mail-smtpd and mail-relay here; of -b there are m, p, s, v and i',
          {
            exit: exits.usage,
          },
        )
    }
  },
})

/** What is asked for: by -b, by -q or -I, or by the name it is called by. */
function modeOf({
  b,
  q,
  I: rebuild,
}: {
  b?: string | undefined
  q?: string | undefined
  I?: boolean
}): string {
  const name = basename(process.argv[1] ?? '')
  if (name.startsWith('mailq')) return 'p'
  if (name.startsWith('newaliases') || rebuild) return 'i'
  if (q !== undefined && (b === undefined || b === 'm')) return 'q'
  return b ?? 'm'
}
