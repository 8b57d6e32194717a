/** Passwords from who types them, unseen, or from a pipe; never from the command line, which everybody can read. */
import { StringDecoder } from 'node:string_decoder'
import { exits, MailError } from '../sys/error.js'

/** Longest line that is taken for a password, in octets. */
const longest = 4_096

/**
 * Reads a password: from a terminal without showing it, twice when `twice`; else the first line of stdin.
 *
 * @throws MailError (65) when nothing came, or the two differ
 */
export async function readPassword(prompt: string, twice: boolean): Promise<string> {
  if (!process.stdin.isTTY) return firstLine()
  const password = await unseen(`${prompt}: `)
  if (twice && (await unseen(`${prompt} again: `)) !== password)
    throw new MailError('the two passwords differ; nothing was changed', { exit: exits.data })
  return checked(password)
}

function checked(password: string): string {
  if (password !== '') return password
  throw new MailError('no password was given; nothing was changed', { exit: exits.data })
}

async function firstLine(): Promise<string> {
  let text = ''
  const decoder = new StringDecoder('utf8')
  for await (const chunk of process.stdin) {
    text += decoder.write(chunk as Buffer)
    if (text.includes('\n') || text.length > longest) break
  }
  return checked((text + decoder.end()).split('\n')[0]?.replace(/\r$/, '') ?? '')
}

/** One line from the terminal, without echo. Ctrl-C ends the program, as it would with echo. */
function unseen(prompt: string): Promise<string> {
  const { stdin, stderr } = process
  const decoder = new StringDecoder('utf8')
  const typed: string[] = []
  stdin.setRawMode(true)
  stderr.write(prompt)
  stdin.resume()
  return new Promise(resolve => {
    const end = () => {
      stdin.off('data', read)
      stdin.setRawMode(false)
      stdin.pause()
      stderr.write('\n')
    }
    const read = (chunk: Buffer) => {
      const text = [...decoder.write(chunk)]
      for (const [index, character] of text.entries()) {
        if (character === '\r' || character === '\n' || character === '\u0004') {
          end()
          // Both passwords may come at once when they are pasted.
          const rest = text.slice(index + 1).join('')
          if (rest !== '') stdin.unshift(Buffer.from(rest))
          return resolve(typed.join(''))
        }
        if (character === '\u0003') {
          end()
          process.kill(process.pid, 'SIGINT')
        } else if (character === '\u007f' || character === '\b') typed.pop()
        else if (character === '\u0015') typed.length = 0
        else typed.push(character)
      }
    }
    stdin.on('data', read)
  })
}
