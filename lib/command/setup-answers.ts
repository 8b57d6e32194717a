/** What mail-setup has to know: from options, from the last time, and from who sits there. */
import { createInterface } from 'node:readline/promises'
import { parseName } from '../auth/name.js'
import { type Answers, accountsOf } from '../setup/setup.js'
import { exits, MailError } from '../sys/error.js'

export interface Given {
  readonly domain: string | undefined
  readonly hostname: string | undefined
  readonly user: readonly string[]
  readonly relay: readonly string[]
  readonly fetch: readonly string[]
  readonly pop3: boolean
}

/**
 * Puts the answers together: options add to what was said the last time.
 *
 * @param sieve whether filters can be served here
 * @throws MailError (64) for what is missing when nobody sits there, or makes no sense
 */
export async function gatherAnswers(given: Given, before: unknown, sieve: boolean): Promise<Answers> {
  const known = (before ?? {}) as Partial<Answers>
  const ask = asking()
  try {
    const domain = plain(
      given.domain ?? known.domain ?? (await ask('The domain of your mail', '', '--domain')),
    )
    const hostname = plain(
      given.hostname ??
        known.hostname ??
        (await ask('The name of this machine in that domain', `mail.${domain}`, '--hostname')),
    )
    const users = [...new Set([...(known.users ?? []), ...given.user])]
    if (users.length === 0) users.push(await ask('The first user', '', '--user'))
    const answers: Answers = {
      domain,
      hostname,
      users,
      relays: [...new Set([...(known.relays ?? []), ...given.relay])],
      fetch: [...new Set([...(known.fetch ?? []), ...given.fetch])],
      pop3: given.pop3 || known.pop3 === true,
      sieve,
    }
    return checked(answers)
  } finally {
    ask.end()
  }
}

function checked(answers: Answers): Answers {
  for (const user of answers.users) {
    const name = parseName(user, answers.domain)
    if (name?.domain === answers.domain) continue
    throw new MailError(`--user ${user}: write NAME, or NAME@${answers.domain}`, { exit: exits.usage })
  }
  accountsOf(answers)
  return answers
}

function plain(name: string): string {
  return name.trim().toLowerCase().replace(/\.$/, '')
}

interface Ask {
  (question: string, usual: string, option: string): Promise<string>
  end(): void
}

/** Asks on the terminal; where there is none, a missing answer is a wrong call. */
function asking(): Ask {
  const isPerson = process.stdin.isTTY === true && process.stderr.isTTY === true
  const lines = isPerson ? createInterface({ input: process.stdin, output: process.stderr }) : undefined
  const ask = async (question: string, usual: string, option: string) => {
    if (!lines) {
      if (usual !== '') return usual
      throw new MailError(`say ${option}`, { exit: exits.usage })
    }
    for (;;) {
      const answer = (await lines.question(`${question}${usual ? ` [${usual}]` : ''}: `)).trim() || usual
      if (answer !== '') return answer
    }
  }
  return Object.assign(ask, { end: () => lines?.close() })
}
