/** Programs of the administrator's folder that scripts may call: vnd.dovecot.pipe, filter and execute. */
import { spawn } from 'node:child_process'
import { join } from 'node:path'

/** How long a program may take, in milliseconds. */
const patience = 10_000
/** Most octets that are taken of what it says. */
const most = 64 * 1024 * 1024

/**
 * Runs a program with some input.
 *
 * @param program a plain file name in the folder
 * @returns whether it exited with 0 in time, and what it wrote to its standard output
 */
export function runProgram(
  folder: string,
  call: { readonly program: string; readonly args: readonly string[]; readonly input: Buffer | undefined },
): Promise<{ readonly ok: boolean; readonly output: Buffer }> {
  const { program, args, input } = call
  const failed = { ok: false, output: Buffer.alloc(0) }
  if (!/^[\w][\w.+-]*$/.test(program)) return Promise.resolve(failed)
  return new Promise(resolve => {
    // Nothing of our own environment: it may hold what the user is not to know.
    const child = spawn(join(folder, program), args, {
      stdio: ['pipe', 'pipe', 'ignore'],
      env: { PATH: '/usr/local/bin:/usr/bin:/bin' },
      timeout: patience,
      killSignal: 'SIGKILL',
    })
    const chunks: Buffer[] = []
    let size = 0
    child.on('error', () => resolve(failed))
    child.stdin.on('error', () => {})
    child.stdout.on('data', (chunk: Buffer) => {
      size += chunk.length
      if (size > most) child.kill('SIGKILL')
      else chunks.push(chunk)
    })
    child.on('close', code => resolve({ ok: code === 0 && size <= most, output: Buffer.concat(chunks) }))
    child.stdin.end(input)
  })
}
