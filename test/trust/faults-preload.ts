/**
 * Loaded before a command under test: lets one single call to the file system fail, or kills the process right there.
 * What is to fail says FAULT in the environment (`call number error`), or whoever speaks to the socket PID.sock in the
 * directory FAULT_CONTROL: `arm call number error` is answered `armed`, `disarm` with how many calls were counted and
 * `hit` or `missed`. Only calls count that change something below FAULT_ROOT.
 */
import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { createServer } from 'node:net'
import { constants } from 'node:os'

/** The kinds of calls that can fail. */
type Kind = 'open' | 'write' | 'fsync' | 'rename' | 'link' | 'unlink' | 'mkdir'

const roots = (process.env['FAULT_ROOT'] ?? '/nonexistent').split(':')
let plan: { kind: string; at: number; error: string } | undefined
let counted = 0
let isHit = false
/** Descriptors of files below the roots. */
const ours = new Map<number, string>()

function arm(text: string): void {
  const [kind = '', at = '', error = ''] = text.split(' ')
  plan = { kind, at: Number(at), error }
  counted = 0
  isHit = false
}

if (process.env['FAULT']) arm(process.env['FAULT'])
const place = process.env['FAULT_CONTROL']
if (place) {
  const server = createServer(socket => {
    socket.unref()
    socket.on('error', () => {})
    socket.on('data', chunk => {
      const [word = '', ...rest] = chunk.toString().trim().split(' ')
      if (word === 'arm') arm(rest.join(' '))
      const told = word === 'arm' ? 'armed' : `${counted} ${isHit ? 'hit' : 'missed'}`
      if (word === 'disarm') plan = undefined
      socket.write(`${told}\n`)
    })
  })
  server.listen(`${place}/${process.pid}.sock`).unref()
}

function isOurs(path: unknown): boolean {
  const text = Buffer.isBuffer(path) ? path.toString('latin1') : String(path)
  return roots.some(root => text.startsWith(root))
}

/** The error to throw, `short` for half a write, or undefined: this call goes through. */
function verdict(kind: Kind, path: unknown): Error | 'short' | undefined {
  if (!plan || plan.kind !== kind || !isOurs(path)) return undefined
  if (++counted !== plan.at) return undefined
  isHit = true
  if (process.env['FAULT_TELL']) process.stderr.write(`${kind} ${plan.error} at ${path}\n`)
  if (plan.error === 'KILL') process.kill(process.pid, 'SIGKILL')
  if (plan.error === 'short') return 'short'
  const { error } = plan
  const errno = -(constants.errno as Readonly<Record<string, number>>)[error]!
  return Object.assign(new Error(`${error}: injected, ${kind} '${path}'`), {
    code: error,
    errno,
    syscall: kind,
    path: String(path),
  })
}

function check(kind: Kind, path: unknown): 'short' | undefined {
  const found = verdict(kind, path)
  if (found instanceof Error) throw found
  return found
}

type Any = (...values: unknown[]) => unknown
const of = fs as unknown as Record<string, Any>
const later = fs.promises as unknown as Record<string, Any>

function wraps(target: Record<string, Any>, name: string, before: (values: unknown[]) => void): void {
  const call = target[name] as Any
  target[name] = function (this: unknown, ...values: unknown[]) {
    before(values)
    return call.apply(this, values)
  }
}

/** The same for calls that answer by a callback, or by a promise: the error comes as theirs do. */
function wrapsCallback(name: string, kind: Kind, pathOf: (values: unknown[]) => unknown): void {
  const call = of[name] as Any
  of[name] = function (this: unknown, ...values: unknown[]) {
    const found = verdict(kind, pathOf(values))
    const done = values.at(-1) as Any
    if (found instanceof Error) return void setImmediate(done, found)
    return call.apply(this, values)
  }
}

function wrapsPromise(
  target: Record<string, Any>,
  name: string,
  kind: Kind,
  pathOf: (values: unknown[]) => unknown,
): void {
  const call = target[name] as Any
  target[name] = async function (this: unknown, ...values: unknown[]) {
    check(kind, pathOf.call(this, values))
    return await call.apply(this, values)
  }
}

const changes = (flags: unknown) =>
  typeof flags === 'string' ? /[wa+]/.test(flags) : typeof flags === 'number' && (flags & 3) !== 0
const first = ([path]: unknown[]) => path
const second = ([, path]: unknown[]) => path
const file = ([fd]: unknown[]) => ours.get(fd as number) ?? ''

// Opening: descriptors are remembered, also those that only serve to sync a directory.
const { openSync, open, closeSync, close } = fs
fs.openSync = ((path, flags, mode) => {
  if (changes(flags)) check('open', path)
  const fd = openSync(path, flags, mode)
  if (isOurs(path)) ours.set(fd, String(path))
  return fd
}) as typeof fs.openSync
of['open'] = (...values: unknown[]) => {
  const found = changes(values[1]) ? verdict('open', values[0]) : undefined
  const done = values.pop() as Any
  if (found instanceof Error) return void setImmediate(done, found)
  const told = (error: unknown, fd: number) => {
    if (!error && isOurs(values[0])) ours.set(fd, String(values[0]))
    done(error, fd)
  }
  return (open as unknown as Any)(...values, told)
}
fs.closeSync = fd => {
  ours.delete(fd)
  closeSync(fd)
}
fs.close = ((fd: number, done?: never) => {
  ours.delete(fd)
  return close(fd, done)
}) as typeof fs.close

// Writing: half of it, and no error, is what a full disk may do.
const { writeSync } = fs
of['writeSync'] = (fd: unknown, data: unknown, offset?: unknown, length?: unknown, position?: unknown) => {
  const octets = typeof data === 'string' ? Buffer.from(data) : (data as Uint8Array)
  const from = typeof data === 'string' ? 0 : ((offset as number | undefined) ?? 0)
  const whole =
    typeof data === 'string' ? octets.length : ((length as number | undefined) ?? octets.length - from)
  const isShort = check('write', ours.get(fd as number) ?? '') === 'short'
  return writeSync(
    fd as number,
    octets,
    from,
    isShort ? whole >> 1 : whole,
    (position as number | null) ?? null,
  )
}
wraps(of, 'writeFileSync', ([path]) =>
  check('write', typeof path === 'number' ? (ours.get(path) ?? '') : path),
)
wraps(of, 'appendFileSync', ([path]) => check('write', path))
wraps(of, 'ftruncateSync', values => check('write', file(values)))
for (const name of ['fsyncSync', 'fdatasyncSync']) wraps(of, name, values => check('fsync', file(values)))
for (const name of ['fsync', 'fdatasync']) wrapsCallback(name, 'fsync', file)

// Names.
wraps(of, 'renameSync', values => check('rename', second(values)))
wraps(of, 'linkSync', values => check('link', second(values)))
wraps(of, 'copyFileSync', values => check('write', second(values)))
wraps(of, 'symlinkSync', values => check('link', second(values)))
wraps(of, 'unlinkSync', values => check('unlink', first(values)))
wraps(of, 'mkdirSync', values => check('mkdir', first(values)))
for (const [name, kind, path] of [
  ['rename', 'rename', second],
  ['link', 'link', second],
  ['symlink', 'link', second],
  ['copyFile', 'write', second],
  ['unlink', 'unlink', first],
  ['rm', 'unlink', first],
  ['mkdir', 'mkdir', first],
  ['writeFile', 'write', first],
  ['appendFile', 'write', first],
] as const)
  wrapsPromise(later, name, kind, path)

// Handles of fs.promises know no path: it is kept beside.
const paths = new WeakMap<object, string>()
const handle = await fs.promises.open('/dev/null')
const prototype = Object.getPrototypeOf(handle) as Record<string, Any>
await handle.close()
const openLater = later['open'] as Any
later['open'] = async (path: unknown, flags?: unknown, mode?: unknown) => {
  if (changes(flags)) check('open', path)
  const opened = (await openLater(path, flags, mode)) as object
  if (isOurs(path)) paths.set(opened, String(path))
  return opened
}
function kept(this: unknown): string {
  return paths.get(this as object) ?? ''
}
for (const name of ['sync', 'datasync']) wrapsPromise(prototype, name, 'fsync', kept)
for (const name of ['writeFile', 'appendFile']) wrapsPromise(prototype, name, 'write', kept)
const write = prototype['write'] as Any
prototype['write'] = async function (this: unknown, ...values: unknown[]) {
  const [data, offset, length, position] = values as [Uint8Array, number?, number?, (number | null)?]
  if (typeof data === 'string') {
    check('write', kept.call(this))
    return await write.apply(this, values)
  }
  const whole = length ?? data.length - (offset ?? 0)
  const isShort = check('write', kept.call(this)) === 'short'
  return await write.call(this, data, offset ?? 0, isShort ? whole >> 1 : whole, position ?? null)
}
syncBuiltinESMExports()
