/** Home directories by template. */
import { isAbsolute } from 'node:path'
import { exits, MailError } from '../sys/error.js'
import { formatName, type Name } from './name.js'

/** Puts a checked name into the template. @throws MailError (78) for a template that makes no absolute path */
export function expandHome(template: string, name: Name): string {
  const home = template.replace(/%(.?)/g, (whole, letter: string) => {
    if (letter === 'u') return formatName(name)
    if (letter === 'n') return name.local
    if (letter === 'd') return name.domain
    if (letter === '%') return '%'
    throw new MailError(`${whole} in users.home "${template}" means nothing; there are %u, %n, %d and %%`, {
      exit: exits.config,
    })
  })
  if (isAbsolute(home)) return home
  throw new MailError(`users.home "${template}" makes no absolute path`, { exit: exits.config })
}
