/** Tells somebody by a way that is not mail: a command, or a web hook such as ntfy's. */
import { spawn } from 'node:child_process'
import type { Config } from '../config/load.js'
import { describe, exits, MailError } from '../sys/error.js'

/** How long either may take, in milliseconds. */
const patience = 30_000

/** @returns false where the configuration names no way @throws MailError (69) when it did not work */
export async function sendAlert({ alerts, hostname }: Config, text: string): Promise<boolean> {
  if (!alerts?.command && !alerts?.webhook) return false
  try {
    if (alerts.command) await runWith(alerts.command, `${text}\n`)
    if (alerts.webhook) await post(alerts.webhook, text, hostname)
  } catch (error) {
    throw new MailError(`the alert could not be sent: ${describe(error)}`, { exit: exits.unavailable })
  }
  return true
}

function runWith(line: string, text: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn('/bin/sh', ['-c', line], { stdio: ['pipe', 'ignore', 'inherit'], timeout: patience })
    child.on('error', reject)
    child.on('close', (status, signal) => {
      if (status === 0) resolve()
      else reject(new Error(`alerts.command ended with ${status ?? signal}`))
    })
    // A command that reads nothing is no failure.
    child.stdin.on('error', () => {})
    child.stdin.end(text)
  })
}

async function post(url: string, text: string, hostname: string): Promise<void> {
  const response = await fetch(url, {
    method: 'POST',
    body: text,
    headers: { 'content-type': 'text/plain; charset=utf-8', title: `Mail on ${hostname}` },
    signal: AbortSignal.timeout(patience),
  })
  if (!response.ok) throw new Error(`alerts.webhook answered ${response.status}`)
}
