/**
 * How full a user's mail is: the file `maildirsize` of Maildir++, in the root of the Maildir, as Courier and Dovecot
 * keep it.
 *
 *     10485760S,1000C    the limits it was made for: octets, messages; 0 is none
 *     8123456 812        octets and messages; the sum of all these lines is what is there
 *     4096 1
 *
 * Each change is one appended line. The file is made anew, from the names of all messages, when it is missing, when
 * its limits are not these, and when it says that the mail is too much and is older than a moment: other programs may
 * have removed mail without saying so. Nobody locks it; two that count at once give the same sum.
 */
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { appendFile } from 'node:fs/promises'
import { parseName } from '../maildir/name.js'
import { isMissing } from '../sys/error.js'

/** Undefined is no limit. */
export interface QuotaLimits {
  /** Octets on disk. */
  readonly octets?: number | undefined
  readonly messages?: number | undefined
}

export interface Usage {
  readonly octets: number
  readonly messages: number
}

/** A file with more octets than this is made anew, whatever it says (Maildir++). */
const longest = 5_120
/** After how long a file that says "full" is not believed, in milliseconds (Maildir++: 15 minutes). */
const believed = 15 * 60_000

export class Quota {
  readonly limits: QuotaLimits
  readonly #root: string
  readonly #path: string

  constructor(root: string, limits: QuotaLimits) {
    this.#root = root
    this.#path = `${root}/maildirsize`
    this.limits = limits
  }

  /** What there is. Counts all messages where the file does not tell. */
  usage(): Usage {
    return this.#recorded()?.usage ?? this.recount()
  }

  /**
   * Whether so much more fits.
   *
   * @param now milliseconds since 1970
   */
  fits({ octets, messages }: Usage, now: number): boolean {
    const within = (usage: Usage) => this.allows(usage, { octets, messages })
    const recorded = this.#recorded()
    if (!recorded) return within(this.recount())
    if (within(recorded.usage)) return true
    const { lines, written } = recorded
    const fresh = lines <= 1 && now - written < believed && !this.#changedSince(written)
    return fresh ? false : within(this.recount())
  }

  /** Whether so much more may come to what is there. */
  allows(usage: Usage, more: Usage): boolean {
    const { octets = Number.POSITIVE_INFINITY, messages = Number.POSITIVE_INFINITY } = this.limits
    return usage.octets + more.octets <= octets && usage.messages + more.messages <= messages
  }

  /** Counts what is there, and writes nothing. */
  count(): Usage {
    return count(this.#root)
  }

  /** Whether messages may have been removed since; only asked where the file says that the mail is too much. */
  #changedSince(written: number): boolean {
    return folders(this.#root).some(folder => {
      const found = statSync(`${folder}/cur`, { throwIfNoEntry: false })
      return found !== undefined && found.mtimeMs > written
    })
  }

  /** Whether there is a limit. */
  get isLimited(): boolean {
    return this.limits.octets !== undefined || this.limits.messages !== undefined
  }

  /** Whether what comes and goes is to be noted: for limits of ours, or for those of whoever made the file. */
  get isKept(): boolean {
    return this.isLimited || existsSync(this.#path)
  }

  /** Notes that mail came or, with negative numbers, went. @throws the system's error */
  async add({ octets, messages }: Usage): Promise<void> {
    if (this.isLimited && !this.#recorded()) this.recount()
    else await appendFile(this.#path, `${octets} ${messages}\n`)
  }

  /** Counts what is there, and writes the file anew. @throws the system's error */
  recount(): Usage {
    const usage = this.count()
    const { octets = 0, messages = 0 } = this.limits
    const temporary = `${this.#root}/tmp/maildirsize.${process.pid}`
    try {
      writeFileSync(temporary, `${octets}S,${messages}C\n${usage.octets} ${usage.messages}\n`, {
        mode: 0o600,
      })
      renameSync(temporary, this.#path)
    } catch (error) {
      rmSync(temporary, { force: true })
      throw error
    }
    return usage
  }

  /** What the file says; undefined where there is none, or one for other limits, or one that has grown long. */
  #recorded(): { readonly usage: Usage; readonly lines: number; readonly written: number } | undefined {
    let text: string
    let written: number
    try {
      text = readFileSync(this.#path, 'latin1')
      written = statSync(this.#path).mtimeMs
    } catch (error) {
      if (isMissing(error)) return undefined
      throw error
    }
    const [first = '', ...lines] = text.split('\n')
    const limits = parseLimits(first)
    const { octets = 0, messages = 0 } = this.limits
    if (text.length > longest || limits.octets !== octets || limits.messages !== messages) return undefined
    const sum = { octets: 0, messages: 0 }
    let counted = 0
    for (const line of lines) {
      const [, size, number] = /^\s*(-?\d+)\s+(-?\d+)\s*$/.exec(line) ?? []
      if (size === undefined || number === undefined) continue
      counted++
      sum.octets += Number(size)
      sum.messages += Number(number)
    }
    const sensible = counted > 0 && sum.octets >= 0 && sum.messages >= 0
    return sensible ? { usage: sum, lines: counted, written } : undefined
  }
}

function parseLimits(line: string): Usage {
  const number = (letter: string) => Number(new RegExp(`(\\d+)${letter}`).exec(line)?.[1] ?? 0)
  return { octets: number('S'), messages: number('C') }
}

function count(root: string): Usage {
  const counts = folders(root).map(countFolder)
  return {
    octets: counts.reduce((sum, { octets }) => sum + octets, 0),
    messages: counts.reduce((sum, { messages }) => sum + messages, 0),
  }
}

/** Counts the messages of a folder, by the sizes in their names, else by what the file system says. */
export function countFolder(folder: string): Usage {
  let octets = 0
  let messages = 0
  for (const part of ['new', 'cur'])
    for (const name of entries(`${folder}/${part}`)) {
      if (name.startsWith('.')) continue
      octets += parseName(name).storedSize ?? sizeOf(`${folder}/${part}`, name)
      messages++
    }
  return { octets, messages }
}

/** The directories of INBOX and of all folders; some that are none may be among them. */
function folders(root: string): string[] {
  const names = entries(root).filter(name => name.startsWith('.'))
  return [root, ...names.map(name => `${root}/${name}`)]
}

function entries(directory: string): string[] {
  try {
    return readdirSync(directory, 'latin1')
  } catch (error) {
    if (isMissing(error)) return []
    throw error
  }
}

function sizeOf(directory: string, name: string): number {
  const path = Buffer.concat([Buffer.from(`${directory}/`), Buffer.from(name, 'latin1')])
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0
}

/**
 * The limits of a user: Dovecot's quota_rule (`*:storage=1G:messages=1000`) where the users file has one for all
 * folders, else the configuration's.
 *
 * @param rule the extra field `userdb_quota_rule`
 */
export function limitsOf(rule: string | undefined, configured: QuotaLimits): QuotaLimits {
  if (rule === undefined || !/^\*:/.test(rule)) return configured
  const limits: { octets?: number | undefined; messages?: number | undefined } = { ...configured }
  for (const word of rule.slice(2).split(':')) {
    const [, key, digits = '', unit = ''] = /^(storage|bytes|messages)=(\d+)([bkmgt]?)b?$/i.exec(word) ?? []
    // Dovecot's storage counts kilobytes where no unit is given.
    const factor = units[(unit || (key === 'storage' ? 'k' : 'b')).toLowerCase()] ?? 1
    const value = Number(digits) * (key === 'messages' ? 1 : factor)
    if (key === 'messages') limits.messages = value || undefined
    else if (key !== undefined) limits.octets = value || undefined
  }
  return limits
}

const units: Readonly<Record<string, number>> = { b: 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30, t: 2 ** 40 }
