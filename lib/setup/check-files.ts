/** Checks of files: who may read secrets, what the certificate says, how full the disk is, how right the clock. */
import { X509Certificate } from 'node:crypto'
import type { Stats } from 'node:fs'
import { chmod, readFile, stat, statfs } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { Config } from '../config/load.js'
import { describe, isMissing } from '../sys/error.js'
import { authorityPlace, longestLife, namesOf, readKey } from './certificate.js'
import { type Finding, type Findings, formatAge } from './check.js'

const day = 86_400_000

/** Secrets that others may read, or that are not there. */
export async function* checkModes(config: Config): Findings {
  const { users, tls } = config
  yield* secret(users.file, 0o007, 'mail-user add makes it, with the first user')
  yield* secret(tls.key, 0o077, `mail-cert server ${config.hostname} makes it`)
  const authority = authorityPlace(tls).key
  if (await statOf(authority)) yield* secret(authority, 0o077, '')
  for (const file of secretFiles(config)) yield* secret(file, 0o077, 'put the password into it')
  for (const place of [config.file, users.aliases]) {
    const found = await statOf(place)
    if (found && found.mode & 0o002)
      yield finding('modes', place, `anybody may write it (mode ${octal(found)})`, `chmod o-w ${place}`, () =>
        chmod(place, found.mode & 0o775),
      )
  }
}

function secretFiles({ relay, fetch }: Config): Set<string> {
  const accounts = [...(relay ? [relay, ...relay.route] : []), ...Object.values(fetch)]
  const files = accounts.flatMap(({ password_file, oauth2 }) => [
    password_file,
    oauth2?.client_secret_file,
    oauth2?.refresh_token_file,
  ])
  return new Set([...files, relay?.dkim?.key].filter(file => file !== undefined))
}

async function* secret(file: string, forbidden: number, advice: string): Findings {
  const found = await statOf(file)
  if (!found) {
    yield finding('modes', file, 'is not there', advice)
    return
  }
  if ((found.mode & forbidden) === 0) return
  const mode = found.mode & 0o777 & ~forbidden
  yield finding(
    'modes',
    file,
    `holds secrets, and others may read it (mode ${octal(found)})`,
    `chmod ${mode.toString(8)} ${file}`,
    () => chmod(file, mode),
  )
}

/** Names, time, key and signature of the servers' certificate. */
export async function* checkCertificate({ tls, hostname }: Config, now: Date): Findings {
  const file = tls.certificate
  let certificate: X509Certificate
  try {
    certificate = new X509Certificate(await readFile(file))
  } catch (error) {
    const reason = isMissing(error) ? 'is not there' : `cannot be used: ${describe(error)}`
    yield finding('certificate', file, reason, 'mail-cert ca && mail-cert server make it')
    return
  }
  const renew = 'mail-cert renew'
  const bad = (what: string, advice: string) => finding('certificate', file, what, advice)
  if (!certificate.checkHost(hostname))
    yield bad(
      `is for ${namesOf(certificate).join(', ')}, not for ${hostname}, so clients refuse it`,
      `mail-cert server ${hostname}`,
    )
  const [from, until] = [new Date(certificate.validFrom), new Date(certificate.validTo)]
  const left = until.getTime() - now.getTime()
  if (left <= 0) yield bad(`ended on ${dateOf(until)}, so clients refuse it`, renew)
  else if (left < 21 * day)
    yield { ...bad(`ends on ${dateOf(until)}, in ${formatAge(left)}`, renew), level: 'warning' }
  if (from > now) yield bad(`begins on ${dateOf(from)} only`, "set this machine's clock, or mail-cert renew")
  const key = await readKey(tls.key).catch(() => undefined)
  if (key && !certificate.checkPrivateKey(key)) yield bad(`is not the certificate of ${tls.key}`, renew)
  yield* checkChain(certificate, file, authorityPlace(tls).certificate, now)
}

/** What a device does that trusts our authority; nothing where somebody else's signed. */
async function* checkChain(certificate: X509Certificate, file: string, place: string, now: Date): Findings {
  const text = await readFile(place).catch(() => undefined)
  if (!text) return
  const authority = new X509Certificate(text)
  const until = new Date(authority.validTo)
  if (until.getTime() - now.getTime() < 90 * day)
    yield finding(
      'certificate',
      place,
      `the authority ends on ${dateOf(until)}, and no device believes it then`,
      'mail-cert ca --force makes another, which every device must be told to trust',
    )
  if (!certificate.checkIssued(authority) || !certificate.verify(authority.publicKey))
    yield {
      ...finding(
        'certificate',
        file,
        `is not signed by ${place}, which devices here trust`,
        'mail-cert server makes one that is, unless another authority signed it on purpose',
      ),
      level: 'warning',
    }
  const life = new Date(certificate.validTo).getTime() - new Date(certificate.validFrom).getTime()
  if (life > longestLife * day)
    yield {
      ...finding(
        'certificate',
        file,
        `is good for over ${longestLife} days, so Apple refuses it`,
        'mail-cert renew',
      ),
      level: 'warning',
    }
}

/** Space for mail and queue. */
export async function* checkDisk({ queue, users }: Config): Findings {
  const seen = new Set<string>()
  for (const wanted of [queue.directory, users.home.split('%')[0] as string]) {
    const place = await nearest(wanted)
    const { bsize, blocks, bavail, files, ffree, type } = await statfs(place)
    const name = `${type} ${blocks} ${files}`
    if (seen.has(name) || blocks === 0) continue
    seen.add(name)
    const megabytes = Math.floor((bavail * bsize) / 1_048_576)
    const share = bavail / blocks
    if (share < 0.1 && megabytes < 10_240)
      yield {
        ...finding(
          'disk',
          place,
          `has ${megabytes} MiB left`,
          'make room: mail cannot be taken on a full disk',
        ),
        level: megabytes < 512 ? 'error' : 'warning',
      }
    if (files > 0 && ffree / files < 0.05)
      yield finding('disk', place, `has ${ffree} inodes left`, 'remove small files: each message is one')
  }
}

/** A wrong clock gives wrong dates, and certificates that have not begun. */
export async function* checkClock(config: Config, now: Date): Findings {
  for (const file of [config.file, config.tls.certificate, config.users.file]) {
    const found = await statOf(file)
    if (!found || found.mtimeMs - now.getTime() < 300_000) continue
    const advice = "set this machine's clock (timedatectl set-ntp true)"
    const ahead = formatAge(found.mtimeMs - now.getTime())
    yield finding('clock', file, `was written ${ahead} after now, so the clock has gone back`, advice)
    return
  }
}

async function nearest(path: string): Promise<string> {
  for (let at = path; ; at = dirname(at)) if ((await statOf(at)) || at === '/') return at
}

async function statOf(path: string): Promise<Stats | undefined> {
  try {
    return await stat(path)
  } catch (error) {
    if (isMissing(error)) return undefined
    throw error
  }
}

function finding(
  check: string,
  where: string,
  what: string,
  advice: string,
  repair?: () => Promise<void>,
): Finding {
  return { level: 'error', check, where, what, advice, ...(repair ? { repair } : {}) }
}

const octal = ({ mode }: Stats) => (mode & 0o7777).toString(8)
const dateOf = (date: Date) => date.toISOString().slice(0, 10)
