/** mail-queue: what waits, why, and what is to become of it. */

import type { Claimed } from '../queue/claimed.js'
import type { Entry } from '../queue/entry.js'
import { exits, MailError } from '../sys/error.js'
import { type Command, command } from './options.js'
import { openQueue, type SelectorValues, selectEntries, selectorOptions } from './queue-entries.js'
import { type Listing, listJson, listMailq, listText, showJson, showText } from './queue-print.js'

const listOptions = {
  ...selectorOptions,
  json: { type: 'boolean', help: 'one JSON object a line' },
  mailq: { type: 'boolean', help: 'as mailq of other systems prints it' },
} as const

const list = command({
  name: 'list',
  summary: 'List entries, and the servers that rest',
  options: listOptions,
  operands: '[ID ...]',
  run: async ({ values, operands, config }) => {
    await printQueue(config, values, operands, values.json ? 'json' : values.mailq ? 'mailq' : 'text')
  },
})

/** Prints what a selector fits; mailq and sendmail -bp do it too. */
export async function printQueue(
  config: string,
  values: SelectorValues,
  operands: readonly string[],
  format: 'text' | 'mailq' | 'json',
): Promise<void> {
  const opened = await openQueue(config)
  const entries = await selectEntries(opened.queue, values, operands, 'all')
  const listing: Listing = { entries, rests: opened.rests(), budgets: opened.budgets(), now: Date.now() }
  const print = { text: listText, mailq: listMailq, json: listJson }[format]
  for (const text of print(listing)) process.stdout.write(text)
}

const show = command({
  name: 'show',
  summary: 'Show entries whole: envelope, dialogues of failed attempts, header',
  options: {
    json: { type: 'boolean', help: 'one JSON object a line' },
    message: { type: 'boolean', help: 'the message itself, as it is stored, and nothing else' },
  },
  operands: 'ID ...',
  run: async ({ values, operands, config }) => {
    if (operands.length === 0) throw new MailError('say which entries', { exit: exits.usage })
    const { queue } = await openQueue(config)
    for (const id of operands) {
      const envelope = queue.read(id)
      if (!envelope) throw new MailError(`there is no entry ${id}`, { exit: exits.data })
      if (values.message) await printMessage(queue.paths(id).message)
      else {
        const { openContent } = await import('../relay/content.js')
        const { header } = openContent(queue.paths(id).message)
        const print = values.json ? showJson : showText
        process.stdout.write(print({ id, envelope }, queue.attempts(id), header))
      }
    }
  },
})

async function printMessage(path: string): Promise<void> {
  const { createReadStream } = await import('node:fs')
  const { pipeline } = await import('node:stream/promises')
  await pipeline(createReadStream(path), process.stdout, { end: false })
}

const hold = action(
  'hold',
  'Keep entries from being tried until they are released',
  { reason: { type: 'string', argument: 'TEXT', help: 'why, for who lists the queue' } },
  values => claimed => claimed.save({ ...claimed.envelope, held: (values['reason'] as string) ?? 'by hand' }),
)

const release = action('release', 'Let held entries go on', {}, () => async claimed => {
  const { held, ...envelope } = claimed.envelope
  await claimed.save(envelope)
})

const retry = action('retry', 'Try entries at once, also at servers that rest', {}, () => async claimed => {
  const { envelope } = claimed
  // A time of 0 asks the relay to wake the destination too.
  const recipients = envelope.recipients.map(each => (each.state === 'waiting' ? { ...each, due: 0 } : each))
  await claimed.save({ ...envelope, recipients })
})

const remove = action('delete', 'Remove entries; nobody is told', {}, () => claimed => claimed.remove())

const redirect = action(
  'redirect',
  'Send entries to other recipients in place of those who still wait',
  {
    to: {
      type: 'string',
      multiple: true,
      argument: 'ADDRESS',
      help: 'the new recipient; several times for several',
    },
  },
  values => {
    const to = values['to'] as readonly string[]
    if (to.length === 0) throw new MailError('say to whom: --to ADDRESS', { exit: exits.usage })
    for (const address of to)
      if (!/^[^\s<>\0]+@[^\s<>\0@]+$/.test(address))
        throw new MailError(`${address} is no address`, { exit: exits.usage })
    return async claimed => {
      const { envelope } = claimed
      const { redirected } = await import('../queue/redirect.js')
      await claimed.save(redirected(envelope, to, values['recipient'] as readonly string[]))
    }
  },
)

type Act = (claimed: Claimed) => Promise<void>

/** A subcommand that changes each entry selected. */
function action(
  name: string,
  summary: string,
  options: Command['options'],
  prepare: (values: Readonly<Record<string, unknown>>) => Act,
): Command {
  return command({
    name,
    summary,
    options: { ...selectorOptions, ...options },
    operands: 'all | [ID ...]',
    run: async ({ values, operands, config }) => {
      const act = prepare(values)
      const { queue } = await openQueue(config)
      const entries = await selectEntries(queue, values as SelectorValues, operands, 'some')
      let changed = 0
      const busy: string[] = []
      for (const { id } of entries) {
        const done = await changeEntry(queue, id, act)
        if (done === 'busy') busy.push(id)
        else if (done) changed++
      }
      queue.close()
      process.stderr.write(`${name}: ${changed} ${changed === 1 ? 'entry' : 'entries'}\n`)
      if (busy.length > 0)
        throw new MailError(`under way just now, and so left alone: ${busy.join(' ')}`, {
          exit: exits.tryAgain,
        })
      return missing(operands, entries)
    },
  })
}

/** What was asked for by name and is not there is an error, once the rest is done. */
function missing(operands: readonly string[], entries: readonly Entry[]): number {
  const found = new Set(entries.map(({ id }) => id))
  const lost = operands.filter(id => id !== 'all' && !found.has(id))
  if (lost.length === 0) return exits.ok
  throw new MailError(`there is no such entry: ${lost.join(' ')}`, { exit: exits.data })
}

/** How long an entry that is under way is waited for, in milliseconds. */
const patience = 5_000

async function changeEntry(
  queue: Awaited<ReturnType<typeof openQueue>>['queue'],
  id: string,
  act: Act,
): Promise<boolean | 'busy'> {
  for (const end = Date.now() + patience; ; ) {
    const claimed = await queue.claim(id)
    if (!claimed) return false
    if (claimed !== 'taken') {
      try {
        await act(claimed)
      } finally {
        await claimed.release()
      }
      return true
    }
    if (Date.now() > end) return 'busy'
    await new Promise(resolve => setTimeout(resolve, 50))
  }
}

export const queue: Command = {
  name: 'mail-queue',
  summary: 'List what waits to be sent, and say what is to become of it',
  options: {},
  commands: [list, show, hold, release, retry, remove, redirect],
}
