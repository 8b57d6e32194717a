/** Reports of success for those who asked with NOTIFY=SUCCESS, about what was put into mailboxes here (RFC 3461 §6.2.3). */
import { randomBytes } from 'node:crypto'
import type { Head } from '../message/head.js'
import { HeadReader } from '../message/head.js'
import { formatReport } from '../queue/bounce.js'
import type { Recipient as QueuedRecipient } from '../queue/entry.js'
import { decodeXtext } from '../smtp/dsn.js'
import type { Recipient } from '../smtp/session.js'
import type { Relayed } from './incoming.js'

/** @param delivered the recipients it is about @returns the whole message, its lines ending in LF */
export function successReport(message: Relayed, head: Head, delivered: readonly Recipient[]): Buffer {
  const { id, hostname, sender, envelope, now } = message
  const header = head.octets.subarray(0, head.header.bodyStart)
  const envid = decodeXtext(envelope.parameters.get('ENVID') ?? '')
  const recipients = delivered.map(recipient => describeRecipient(recipient, now))
  const { head: before, tail } = formatReport({
    kind: 'success',
    id,
    envelope: {
      arrived: now,
      sender,
      recipients,
      size: 0,
      wireSize: 0,
      ...(envid && { envid }),
    },
    recipients,
    to: sender,
    hostname,
    header,
    full: false,
    now,
    until: now,
    unique: `${id}.${randomBytes(9).toString('hex')}`,
  })
  return Buffer.concat([before, header, Buffer.from(tail)])
}

function describeRecipient({ path, parameters }: Recipient, now: number): QueuedRecipient {
  const original = decodeXtext(parameters.get('ORCPT') ?? '')
  return {
    address: path.address,
    ...(original && { original }),
    state: 'delivered',
    due: now,
    attempts: 1,
    said: { at: now, code: 250, status: '2.1.5', text: 'delivered to the mailbox' },
  }
}

/** The header of a message that is there whole. */
export function headOf(message: Buffer): Head {
  const reader = new HeadReader()
  return reader.push(message) ?? reader.end()
}
