/** A temporary place for a test, gone when the test is. */
import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { errorCode } from '../../lib/sys/error.js'

/** Makes an empty directory that is removed when the test ends. */
export function temporaryDirectory(t: Pick<TestContext, 'after'>): string {
  const path = mkdtempSync(join(tmpdir(), 'postern-'))
  t.after(() => removeTree(path))
  return path
}

/** Removes a directory with all that is in it, also while a program that is just ending still writes there. */
export function removeTree(path: string): void {
  for (let patience = 100; ; patience--)
    try {
      return rmSync(path, { recursive: true, force: true })
    } catch (error) {
      if (patience === 0 || errorCode(error) !== 'ENOTEMPTY') throw error
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 50)
    }
}

/** Polls until a condition holds. @throws Error after `patience` milliseconds, which only a broken test reaches */
export async function until(condition: () => boolean | Promise<boolean>, patience = 10_000): Promise<void> {
  const end = Date.now() + patience
  while (!(await condition())) {
    if (Date.now() > end) throw new Error(`never came true: ${condition}`)
    await new Promise(resolve => setTimeout(resolve, 5))
  }
}

/** Ports that nobody uses at the moment. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, () => {
      const server = createServer()
      return new Promise<typeof server>(resolve => server.listen(0, '127.0.0.1', () => resolve(server)))
    }),
  )
  const ports = servers.map(server => (server.address() as { port: number }).port)
  await Promise.all(servers.map(server => new Promise(resolve => server.close(resolve))))
  return ports
}
