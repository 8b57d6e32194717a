/** A configuration on disk, with its users, certificate and homes, for servers under test. */
import { copyFileSync, mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { removeTree } from './world.js'

/** The users of every such place, and their passwords. */
export const passwords = { alice: 'wonderland', bob: 'two words' } as const

/** A configuration on disk with its users, certificate and homes. */
export interface Place {
  readonly directory: string
  readonly config: string
  /** The certificate authority, for clients. */
  readonly ca: string
  maildir(user: string): string
  remove(): void
}

/**
 * @param listeners tables of the configuration, their addresses with port 0
 * @param login lines of its table [login]
 */
export function makePlace(listeners: string, login = ''): Place {
  const directory = mkdtempSync(join(tmpdir(), 'postern-'))
  const config = join(directory, 'mail.toml')
  writeFileSync(
    config,
    `hostname = "mail.ilnmors.internal"
domains = ["ilnmors.internal"]
[users]
file = "users"
home = "${directory}/home/%n"
[login]
${login}
[tls]
certificate = "mail.crt"
key = "mail.key"
${listeners}
`,
  )
  writeFileSync(
    join(directory, 'users'),
    Object.entries(passwords)
      .map(([user, password]) => `${user}:{PLAIN}${password}\n`)
      .join(''),
  )
  copyFileSync('fixtures/tls/localhost.pem', join(directory, 'mail.crt'))
  copyFileSync('fixtures/tls/localhost-key.pem', join(directory, 'mail.key'))
  copyFileSync('fixtures/tls/ca.pem', join(directory, 'ca.crt'))
  return {
    directory,
    config,
    ca: join(directory, 'ca.crt'),
    maildir: user => join(directory, 'home', user, 'Maildir'),
    remove: () => removeTree(directory),
  }
}
