/** The lines that a final delivery puts in front of a message, and the loops that they show. */
import type { Head } from '../message/head.js'

/**
 * Return-Path (RFC 5321 §4.4) and Delivered-To. A Delivered-To for the same mailbox that stands on top already, as
 * Postfix's pipe(8) and lmtp(8) write it with the flag D, is not written again.
 *
 * @param sender the reverse-path; undefined writes no Return-Path
 * @param mailbox undefined writes no Delivered-To
 */
export function traceLines(head: Head, sender: string | undefined, mailbox: string | undefined): string {
  const path = sender === undefined ? '' : `Return-Path: <${sender}>\n`
  if (mailbox === undefined || deliveredTo(head, mailbox) !== undefined) return path
  return `${path}Delivered-To: ${mailbox}\n`
}

/**
 * Whether a message was delivered to the mailbox once and has travelled since: its Delivered-To stands below a
 * Received line then. One above all of them was written just now by whoever hands the message over.
 */
export function loopsAt(head: Head, mailbox: string): boolean {
  const place = deliveredTo(head, mailbox)
  return place !== undefined && head.fields.slice(0, place).some(field => field.key === 'received')
}

/** The place of the last such field among all fields. */
function deliveredTo(head: Head, mailbox: string): number | undefined {
  const name = mailbox.toLowerCase()
  for (let i = head.fields.length - 1; i >= 0; i--) {
    const field = head.fields[i]
    if (field?.key === 'delivered-to' && head.header.value(field).toLowerCase() === name) return i
  }
  return undefined
}
