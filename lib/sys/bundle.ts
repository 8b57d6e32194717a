/**
 * Starting a bundled program quickly. Beside a bundle `NAME.bundle` (CommonJS, in the function that Node would put around
 * it: no copy of a long text is made here) may stand `NAME.bundle.ARCH-VERSION`:
 * the code that V8 made of it when the bundle was built, for that processor and that Node alone. With it nothing has
 * to be compiled. V8 refuses what another V8, or one with other flags, has made; the bundle is then compiled as usual.
 */
import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Script } from 'node:vm'

declare global {
  /** Called with each bundle that is loaded, by who wants to keep the code that was made of it. */
  var onBundle: ((path: string, script: Script) => void) | undefined
}

/** Where the code of a bundle is kept for this very Node. */
export function codePath(path: string): string {
  return `${path}.${process.arch}-${process.version}`
}

/**
 * Loads a bundle. It cannot import() what is not in it: with kept code, V8 forgets who would do that. It may require().
 *
 * @returns its exports @throws the system's error where there is none
 */
export function loadBundle(path: string): unknown {
  // Bundles are ASCII: one octet a character, and nothing to decode.
  const text = readFileSync(path, 'latin1')
  const code = codePath(path)
  const script = new Script(text, {
    filename: path,
    ...(existsSync(code) && { cachedData: readFileSync(code) }),
  })
  globalThis.onBundle?.(path, script)
  const module = { exports: {} }
  const require = createRequire(path)
  script.runInThisContext()(module.exports, later(require), module, path, dirname(path))
  return module.exports
}

/**
 * Loads a part of a program that it seldom needs.
 *
 * @param url of the module that asks: the part is a bundle beside it, where that is a bundle too
 * @param otherwise loads it where nothing is bundled
 */
export async function loadPart<T>(url: string, name: string, otherwise: () => Promise<T>): Promise<T> {
  const path = fileURLToPath(new URL(`${name}.bundle`, url))
  return existsSync(path) ? (loadBundle(path) as T) : otherwise()
}

/** What Node takes milliseconds to load; a program that is over in fifty mostly needs nothing of it. */
const slow = new Set([
  ...['child_process', 'crypto', 'fs/promises', 'net', 'os', 'stream', 'string_decoder', 'timers/promises'],
  ...['tls', 'worker_threads', 'zlib'],
])

/** A `require` that loads what is slow when something of it is first used. */
function later(require: NodeJS.Require): (name: string) => unknown {
  return name => {
    const plain = name.replace(/^node:/, '')
    if (plain === 'buffer') return withoutGetters(require(name))
    return slow.has(plain) ? whenUsed(() => require(name)) : require(name)
  }
}

function whenUsed(load: () => object): object {
  return new Proxy(Object.create(null), {
    get: (_, key) => Reflect.get(load(), key),
    has: (_, key) => key in load(),
    ownKeys: () => Reflect.ownKeys(load()),
    getOwnPropertyDescriptor: (_, key) => {
      const found = Reflect.getOwnPropertyDescriptor(load(), key)
      return found && { ...found, configurable: true }
    },
  })
}

/** The module without what is loaded when it is looked at: packages copy all there is. */
function withoutGetters(module: object): object {
  const plain = Object.entries(Object.getOwnPropertyDescriptors(module)).filter(([, { get }]) => !get)
  return Object.defineProperties({}, Object.fromEntries(plain))
}
