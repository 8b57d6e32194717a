/** From text to a script that can be run, with everything that is wrong with it told at once. */
import type { Source } from './context.js'
import type { Step } from './definition.js'
import { parse } from './parser.js'
import { type Problem, Problems } from './problem.js'
import { registry } from './registry.js'
import { Scope } from './scope.js'
import type { Settings } from './settings.js'

export interface Script {
  readonly name: string
  readonly steps: readonly Step[]
  /** What it required. */
  readonly extensions: ReadonlySet<string>
  /** When there are any, the script is not run. */
  readonly errors: readonly Problem[]
  readonly warnings: readonly Problem[]
}

/** Compiles one script. Never throws: what is wrong is in `errors`. */
export function compileScript({ name, text }: Source, settings: Settings): Script {
  const problems = new Problems(name)
  const { errors, warnings } = problems
  const scope = new Scope(problems, settings, registry)
  const tooLarge = settings.maxScriptSize > 0 && Buffer.byteLength(text) > settings.maxScriptSize
  if (tooLarge)
    problems.error({ line: 1, column: 1 }, `the script is larger than ${settings.maxScriptSize} octets`)
  const commands = tooLarge ? [] : parse(text, problems)
  // Where a require was not understood, half the words would be called unknown: one error says enough.
  const blind = commands.some(command => command.broken && command.name === 'require')
  const steps = blind ? [] : scope.script(commands)
  problems.sort()
  return { name, steps: errors.length > 0 ? [] : steps, extensions: scope.extensions, errors, warnings }
}

/** How many scripts are remembered for each set of settings. */
const remembered = 200
const caches = new WeakMap<Settings, Map<string, Script>>()

/** As {@link compileScript}, but a text that was compiled lately is not compiled again. */
export function compileOnce(source: Source, settings: Settings): Script {
  let cache = caches.get(settings)
  if (!cache) {
    cache = new Map()
    caches.set(settings, cache)
  }
  const key = `${source.name}\0${source.text}`
  const known = cache.get(key)
  const script = known ?? compileScript(source, settings)
  cache.delete(key)
  cache.set(key, script)
  for (const oldest of cache.keys()) {
    if (cache.size <= remembered) break
    cache.delete(oldest)
  }
  return script
}
