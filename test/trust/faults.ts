/** Commands in which one call to the file system fails, as faults-preload.ts does it, told from the test. */
import { connect } from 'node:net'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { Program } from '../support/program.js'

export const preload = pathToFileURL('dist/tree/test/trust/faults-preload.js').href

/** The calls of a table and the errors of each. */
export const kinds = ['open', 'write', 'fsync', 'rename', 'link', 'unlink', 'mkdir'] as const
export const errors: Readonly<Record<(typeof kinds)[number], readonly string[]>> = {
  open: ['EIO', 'ENOSPC', 'EDQUOT', 'EROFS', 'EMFILE', 'KILL'],
  write: ['EIO', 'ENOSPC', 'EDQUOT', 'short', 'KILL'],
  fsync: ['EIO', 'ENOSPC', 'EDQUOT', 'KILL'],
  rename: ['EIO', 'ENOSPC', 'EROFS', 'KILL'],
  link: ['EIO', 'ENOSPC', 'EROFS', 'KILL'],
  unlink: ['EIO', 'EROFS', 'KILL'],
  mkdir: ['EIO', 'ENOSPC', 'EROFS', 'KILL'],
}

/** The environment of commands that can be told to fail. @param root where their calls count */
export function faultEnvironment(root: string, control: string): Readonly<Record<string, string>> {
  return { NODE_OPTIONS: `--import=${preload}`, FAULT_ROOT: root, FAULT_CONTROL: control }
}

/** Says a word to a running command. @returns its answer */
function say(control: string, program: Program, line: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(join(control, `${program.pid}.sock`))
    let told = ''
    socket.on('connect', () => socket.write(`${line}\n`))
    socket.on('data', chunk => {
      told += chunk
      if (told.endsWith('\n')) socket.end()
    })
    socket.on('close', () => resolve(told.trim()))
    socket.on('error', reject)
  })
}

/** Lets a call fail, the `at`th of its kind from now. */
export async function arm(
  control: string,
  program: Program,
  fault: { kind: string; at: number; error: string },
): Promise<void> {
  await say(control, program, `arm ${fault.kind} ${fault.at} ${fault.error}`)
}

/** @returns whether the call that was to fail came; a command that was killed there has met it */
export async function disarm(control: string, program: Program): Promise<boolean> {
  return (await say(control, program, 'disarm').catch(() => 'hit')).includes('hit')
}
