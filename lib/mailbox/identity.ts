/**
 * What a message is known by wherever it lies (RFC 8474 §4, §5): found out from its content, so that copies made by
 * whatever program, and a Maildir that was restored or served by Dovecot meanwhile, have what they had before.
 */
import { createHash } from 'node:crypto'
import { readHeader } from '../message/header.js'
import { dateOf, readMessage } from './message.js'
import type { State } from './state.js'

/** So much of a message is read for its header, in octets. */
const head = 64 * 1024

/**
 * EMAILID: the same for messages of the same content and INTERNALDATE, and for no others; copying and moving keeps
 * both.
 *
 * @returns undefined when the message is gone
 */
export function emailIdOf(state: State, uid: number): string | undefined {
  return remembered(state, uid, 'emailid', () => {
    const date = dateOf(state, uid)
    const octets = readMessage(state, uid)
    if (!octets || date === undefined) return undefined
    return `M${createHash('sha256')
      .update(`${date / 1000} `)
      .update(octets)
      .digest('hex')
      .slice(0, 40)}`
  })
}

/**
 * THREADID: the same for messages that go back to the same first message, as their References say. What names no
 * message at all, not even itself, is in no thread.
 *
 * @returns undefined when the message is gone, empty when it is in no thread
 */
export function threadIdOf(state: State, uid: number): string | undefined {
  return remembered(state, uid, 'threadid', () => {
    const octets = readMessage(state, uid, head)
    if (!octets) return undefined
    const header = readHeader(octets)
    for (const field of ['references', 'in-reply-to', 'message-id']) {
      const first = /<[^<>\s]+>/.exec(header.first(field) ?? '')?.[0]
      if (first !== undefined) return `T${createHash('sha256').update(first).digest('hex').slice(0, 32)}`
    }
    return ''
  })
}

function remembered(state: State, uid: number, kind: string, find: () => string | undefined) {
  const known = state.table.find(uid) < 0 ? undefined : state.cache.get(uid, kind)
  if (known) return known.toString('latin1')
  const found = find()
  if (found !== undefined) state.cache.put(uid, kind, Buffer.from(found, 'latin1'))
  return found
}
