/** mail-fetch: outside accounts pulled in; nothing there ever changes. */
import { type FetchOptions, fetchAccount, withAccount } from '../fetch/fetch.js'
import { Proof } from '../fetch/proof.js'
import { adviceFor, providerOf, providers } from '../fetch/providers.js'
import { LoginRefused } from '../fetch/trouble.js'
import { watchAccount } from '../fetch/watch.js'
import { describe, exits, MailError } from '../sys/error.js'
import type { Log } from '../sys/log.js'
import { type Accounts, type Chosen, openAccounts } from './fetch-accounts.js'
import { auditCommand } from './fetch-audit.js'
import { delivererFor } from './fetch-deliver.js'
import { importCommand } from './fetch-import.js'
import { noted, noteResult } from './fetch-outcome.js'
import { objects, progressLine, summary } from './fetch-print.js'
import { type Command, command } from './options.js'
import { progress } from './progress.js'
import { untilSignal } from './signals.js'

const options = {
  all: { type: 'boolean', help: 'all accounts of the configuration, as without a name' },
  once: { type: 'boolean', help: 'go through the folders once and exit; so it is without --watch' },
  watch: { type: 'boolean', help: 'stay, and fetch new mail as it comes' },
  'dry-run': { type: 'boolean', help: 'say what would be fetched, and fetch nothing' },
  list: { type: 'boolean', help: 'show the folders that are there, and what they are called here' },
  json: { type: 'boolean', help: 'write one object a line' },
  proof: { type: 'string', argument: 'FILE', help: 'write down every octet that is sent' },
  'retry-login': { type: 'boolean', help: 'try a login that was refused before' },
} as const

interface Flags {
  readonly 'dry-run': boolean
  readonly json: boolean
  readonly 'retry-login': boolean
}

export const fetch: Command = {
  ...command({
    name: 'mail-fetch',
    summary: 'pull outside accounts in, unable to change them',
    options,
    operands: '[ACCOUNT ...]',
    run: async ({ values, operands, config: file }) => {
      const { all, once, watch, list, proof: proofFile } = values
      const dry = values['dry-run']
      if (all && operands.length > 0) throw new MailError('--all stands without names', { exit: exits.usage })
      if (watch && (once || dry || list || proofFile !== undefined))
        throw new MailError('--watch stands without --once, --dry-run, --list and --proof', {
          exit: exits.usage,
        })
      const proof = proofFile === undefined ? undefined : openProof(proofFile)
      const accounts = await openAccounts(file, operands)
      const stop = new AbortController()
      void untilSignal({ reload: () => {}, stop: () => {} }).then(() => stop.abort())
      const run = async (chosen: Chosen) => {
        const { deliver, into } = chosen.settings
        const full: FetchOptions = {
          log: accounts.log,
          signal: stop.signal,
          dry: dry || list,
          proof,
          retryLogin: values['retry-login'],
          ...(deliver === 'sieve' && { deliver: await delivererFor(into, accounts.config, accounts.log) }),
        }
        if (list) return listFolders(chosen, full, values.json)
        if (dry) return fetchOne(chosen, full, values)
        const { log } = accounts
        return noted(chosen, log, () => {
          return watch ? watchOne(chosen, full, log) : fetchOne(chosen, full, values, log)
        })
      }
      const status = watch ? await together(accounts, run) : await oneByOne(accounts, run)
      proof?.end()
      return status
    },
  }),
  commands: [auditCommand, importCommand],
}

function openProof(file: string): Proof {
  try {
    return new Proof(file)
  } catch (error) {
    throw new MailError(`cannot make ${file}: ${describe(error)}`, { exit: exits.cannotCreate })
  }
}

type Run = (chosen: Chosen) => Promise<number>

/** @returns the status of the worst trouble: what a person must mend counts more than what mends itself */
async function oneByOne({ chosen }: Accounts, run: Run): Promise<number> {
  const statuses: number[] = []
  for (const each of chosen) statuses.push(await settled(each, run))
  return Math.max(...statuses)
}

async function together({ chosen }: Accounts, run: Run): Promise<number> {
  return Math.max(...(await Promise.all(chosen.map(each => settled(each, run)))))
}

/** Runs an account; its trouble is told, and does not keep others from being fetched. */
async function settled(chosen: Chosen, run: Run): Promise<number> {
  try {
    return await run(chosen)
  } catch (error) {
    // Who is asked to stop leaves the rest for another time.
    if (error instanceof Error && error.name === 'AbortError') return exits.tryAgain
    if (!(error instanceof MailError)) throw error
    process.stderr.write(`mail-fetch: ${chosen.account.name}: ${describe(error)}\n`)
    if (error instanceof LoginRefused) advise(chosen)
    return error.exit
  }
}

function advise({ account, settings }: Chosen): void {
  const named = settings.provider === undefined ? undefined : providers[settings.provider]
  const provider = named ?? providerOf(account.host)
  const { LC_ALL, LC_MESSAGES, LANG } = process.env
  if (provider) process.stderr.write(`${adviceFor(provider, LC_ALL || LC_MESSAGES || LANG || '')}\n`)
}

async function fetchOne(chosen: Chosen, options: FetchOptions, flags: Flags, log?: Log): Promise<number> {
  const { account } = chosen
  const line = await progress()
  const began = performance.now()
  try {
    const result = await fetchAccount(account, {
      ...options,
      progress: now => line.step(progressLine(account.name, now, performance.now() - began)),
    })
    line.end()
    if (log) await noteResult(chosen, log, result)
    const text = flags.json
      ? [...objects(result)].map(each => JSON.stringify(each))
      : [summary(result, flags['dry-run'])]
    process.stdout.write(text.map(each => `${each}\n`).join(''))
    const isLeft = result.failures.length > 0 || result.folders.some(each => each.postponed + each.unread > 0)
    return isLeft && !flags['dry-run'] ? exits.tryAgain : exits.ok
  } finally {
    line.end()
  }
}

async function listFolders({ account }: Chosen, options: FetchOptions, json: boolean): Promise<number> {
  return withAccount(account, options, async session => {
    const source = await session.source()
    const folders = await source.folders()
    const here = new Map((await session.pairings()).map(({ remote, local }) => [remote.path, local]))
    for (const { path, specialUse, selectable, status } of folders) {
      const local = here.get(path)
      const count = (status ?? (selectable ? await source.examine(path) : undefined))?.messages
      const text = json
        ? JSON.stringify({
            account: account.name,
            folder: path,
            specialUse,
            selectable,
            messages: count,
            local,
          })
        : `${account.name}\t${path}\t${count ?? ''}\t${local ?? '-'}${specialUse ? `\t${specialUse}` : ''}`
      process.stdout.write(`${text}\n`)
    }
    return exits.ok
  })
}

async function watchOne(chosen: Chosen, options: FetchOptions, log: Log): Promise<number> {
  const { account, settings } = chosen
  const { watch, every, max_connections: maxConnections } = settings
  log.info('fetch-started', { account: account.name, host: account.host })
  await withAccount(account, options, session =>
    watchAccount(session, {
      watch,
      every,
      maxConnections,
      signal: options.signal,
      log,
      passed: result => {
        void noteResult(chosen, log, result)
        for (const { folder, local, fetched, octets, flagged, trashed } of result.folders)
          if (fetched + flagged + trashed > 0)
            log.info('fetched', {
              account: account.name,
              folder,
              mailbox: local,
              messages: fetched,
              octets,
              flagged,
              trashed,
            })
      },
    }),
  )
  return exits.ok
}
