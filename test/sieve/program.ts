/** mail-sieve as a script calls it: built, spawned, its output read. */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { commandPath } from '../support/program.js'

export interface Ran {
  readonly status: number
  readonly stdout: string
  readonly stderr: string
}

/** Runs mail-sieve without a configuration of this machine. @param input its standard input */
export function mailSieve(argv: readonly string[], input = ''): Ran {
  const { POSTERN_CONFIG: _, ...environment } = process.env
  const { status, stdout, stderr } = spawnSync(process.execPath, [commandPath('mail-sieve'), ...argv], {
    input,
    encoding: 'utf8',
    env: environment,
    cwd: join('/'),
  })
  return { status: status ?? -1, stdout, stderr }
}
