/** Where no systemd looks after things, mail-suite has mail-check look every hour, and tell what is new. */
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { Config } from '../config/load.js'

/** When the first look is, and how often then, in milliseconds: as mail-check.timer has it. */
const first = 15 * 60_000
const rhythm = 3_600_000

export interface LookAfterOptions {
  readonly config: Config
  /** Where mail-check stands: the directory of this program. */
  readonly directory: string
  readonly first?: number
  readonly rhythm?: number
}

/**
 * Begins to look, if the configuration has [alerts]. In a process of its own: what takes long, and what goes wrong,
 * must not touch the mail.
 *
 * @returns ends it
 */
export function lookAfter(options: LookAfterOptions): () => void {
  const { config, directory } = options
  const program = join(directory, 'mail-check.cjs')
  if (!(config.alerts?.command || config.alerts?.webhook) || !existsSync(program)) return () => {}
  const words = [program, '--notify', '--no-ports', '--config', config.file]
  let timer = setTimeout(function look() {
    const child = spawn(process.execPath, words, { stdio: ['ignore', 'inherit', 'inherit'] })
    child.on('error', () => {})
    child.unref()
    timer = setTimeout(look, options.rhythm ?? rhythm).unref()
  }, options.first ?? first).unref()
  return () => clearTimeout(timer)
}
