/** mail-cert: a private authority and the servers' certificate. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Config, loadConfig } from '../config/load.js'
import {
  authorityPlace,
  type Facts,
  longestLife,
  makeAuthority,
  makeServer,
  namesOf,
  type Place,
  readCertificate,
  readFacts,
  readKey,
} from '../setup/certificate.js'
import { errorCode, exits, isMissing, MailError } from '../sys/error.js'
import { profile } from './cert-profile.js'
import { type Command, command } from './options.js'

const directory = {
  type: 'string',
  argument: 'DIR',
  help: 'where the files stand, in place of where the configuration says',
} as const
const rsa = { type: 'boolean', help: 'an RSA key, for devices that know nothing else' } as const
const days = {
  type: 'string',
  argument: 'DAYS',
  help: `how long it is good; at most ${longestLife}`,
} as const

const ca = command({
  name: 'ca',
  summary: 'make the private authority that devices are told to trust',
  options: {
    directory,
    rsa,
    domain: {
      type: 'string',
      multiple: true,
      argument: 'DOMAIN',
      help: "a domain that it may speak for besides the configuration's",
    },
    force: {
      type: 'boolean',
      help: 'replace the authority that is there; every device must trust the new one',
    },
  },
  run: async ({ values, config }) => {
    const { server, known } = await setting(config, values.directory)
    const domains = [...new Set([...(known ? [...known.domains, known.hostname] : []), ...values.domain])]
    const [first] = domains
    if (first === undefined)
      throw new MailError('say which --domain the authority may speak for', { exit: exits.usage })
    const place = authorityPlace(server)
    // A host below a domain of ours needs no mention of its own.
    const apart = domains.filter(name => !domains.some(other => name.endsWith(`.${other}`)))
    await makeAuthority({
      place,
      domains: apart,
      keyType: keyType(values.rsa),
      now: new Date(),
      force: values.force,
    })
    print([await readFacts(place.certificate)])
  },
})

const server = command({
  name: 'server',
  summary: "make the servers' certificate, signed by the authority",
  operands: '[NAME ...]',
  options: { directory, rsa, days },
  run: async ({ values, operands, config }) => {
    const { server, known } = await setting(config, values.directory)
    const names = operands.length > 0 ? operands : known ? [known.hostname] : []
    if (names.length === 0)
      throw new MailError('say which NAME the certificate is for', { exit: exits.usage })
    await makeServer({
      authority: authorityPlace(server),
      place: server,
      names,
      keyType: keyType(values.rsa),
      days: lifeOf(values.days),
      now: new Date(),
    })
    print([await readFacts(server.certificate)])
    if (known && !names.some(name => name.toLowerCase() === known.hostname))
      process.stderr.write(
        `mail-cert: note: the configuration's hostname, ${known.hostname}, is not among the names\n`,
      )
  },
})

const renew = command({
  name: 'renew',
  summary: "make the servers' certificate anew, for the same names",
  options: {
    directory,
    rsa: { type: 'boolean', help: 'with a new RSA key' },
    days,
    'new-key': { type: 'boolean', help: 'with a new key; the old one is kept unless told' },
    within: { type: 'string', argument: 'DAYS', help: 'only if it ends within so many days' },
  },
  run: async ({ values, config }) => {
    const { server } = await setting(config, values.directory)
    const old = await readCertificate(server.certificate)
    const left = (new Date(old.validTo).getTime() - Date.now()) / 86_400_000
    if (values.within !== undefined && left > daysIn('within', values.within)) return
    const fresh = values['new-key'] || values.rsa
    await makeServer({
      authority: authorityPlace(server),
      place: server,
      names: namesOf(old),
      keyType: values.rsa || old.publicKey.asymmetricKeyType === 'rsa' ? 'rsa' : 'ecdsa',
      key: fresh ? undefined : await readKey(server.key),
      days: lifeOf(values.days),
      now: new Date(),
    })
    print([await readFacts(server.certificate)])
  },
})

const show = command({
  name: 'show',
  summary: 'show what a certificate says: the authority and the servers, unless told which',
  operands: '[FILE ...]',
  options: {
    directory,
    json: { type: 'boolean', help: 'one JSON object a line' },
  },
  run: async ({ values, operands, config }) => {
    const files =
      operands.length > 0 ? operands : await presentFiles((await setting(config, values.directory)).server)
    print(await Promise.all(files.map(readFacts)), values.json)
  },
})

export const cert: Command = {
  name: 'mail-cert',
  summary: "a private certificate authority, the servers' certificate, and profiles for mail clients",
  options: {},
  commands: [ca, server, renew, show, profile],
}

interface Setting {
  readonly server: Place
  readonly known: Config | undefined
}

/** With a directory the configuration may be missing; what it says is used where it is there. */
async function setting(file: string, directory: string | undefined): Promise<Setting> {
  if (directory === undefined) {
    const known = await loadConfig(file)
    return { server: known.tls, known }
  }
  const there = await readFile(file).then(
    () => true,
    error => !isMissing(error) && errorCode(error) !== 'EACCES',
  )
  return {
    server: { certificate: join(directory, 'mail.crt'), key: join(directory, 'mail.key') },
    known: there ? await loadConfig(file) : undefined,
  }
}

async function presentFiles(server: Place): Promise<string[]> {
  const files: string[] = []
  for (const file of [authorityPlace(server).certificate, server.certificate])
    await readFile(file).then(
      () => files.push(file),
      error => {
        if (!isMissing(error)) throw error
      },
    )
  // Neither: let reading explain what to do.
  return files.length > 0 ? files : [server.certificate]
}

function keyType(rsa: boolean): 'rsa' | 'ecdsa' {
  return rsa ? 'rsa' : 'ecdsa'
}

function lifeOf(text: string | undefined): number {
  const life = text === undefined ? longestLife : daysIn('days', text)
  if (life >= 1 && life <= longestLife) return life
  throw new MailError(`--days must be from 1 to ${longestLife}: devices refuse what lives longer`, {
    exit: exits.usage,
  })
}

function daysIn(option: string, text: string): number {
  if (/^\d{1,5}$/.test(text)) return Number(text)
  throw new MailError(`--${option} must be a number of days`, { exit: exits.usage })
}

function print(all: readonly Facts[], json = false): void {
  for (const facts of all) process.stdout.write(json ? `${JSON.stringify(facts)}\n` : text(facts))
}

function text(facts: Facts): string {
  const left = Math.floor((facts.until.getTime() - Date.now()) / 86_400_000)
  const rows = [
    [facts.authority ? 'authority' : 'server', facts.subject],
    ...(facts.names.length > 0 ? [['names', facts.names.join(' ')]] : []),
    ...(facts.issuer === facts.subject ? [] : [['signed by', facts.issuer]]),
    ['key', facts.key],
    ['good until', `${facts.until.toISOString().slice(0, 10)} (${left} days)`],
    ['SHA-256', facts.fingerprint],
  ]
  return `${facts.file}\n${rows.map(([name = '', value]) => `  ${name.padEnd(11)}${value}\n`).join('')}`
}
