/** Loaded before anything else in a child: counts the calls that change a directory or a file, and dies before the Nth. */
import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'

let left = Number(process.env['KILL_AT'])

function counted<F extends (...values: never[]) => unknown>(
  call: F,
  counts: (values: unknown[]) => boolean = () => true,
) {
  return function (this: unknown, ...values: never[]) {
    if (counts(values) && --left === 0) process.kill(process.pid, 'SIGKILL')
    return call.apply(this, values)
  } as F
}

const writes = ([, flags]: unknown[]) => typeof flags === 'string' && /[wa+]/.test(flags)
Object.assign(fs, {
  linkSync: counted(fs.linkSync),
  unlinkSync: counted(fs.unlinkSync),
  renameSync: counted(fs.renameSync),
  writeFileSync: counted(fs.writeFileSync),
  unlink: counted(fs.unlink),
})
const handle = await fs.promises.open('/dev/null')
const prototype = Object.getPrototypeOf(handle)
for (const name of ['write', 'sync', 'datasync']) prototype[name] = counted(prototype[name])
await handle.close()
Object.assign(fs.promises, {
  rename: counted(fs.promises.rename),
  rm: counted(fs.promises.rm),
  unlink: counted(fs.promises.unlink),
  open: counted(fs.promises.open as never, writes),
})
syncBuiltinESMExports()
