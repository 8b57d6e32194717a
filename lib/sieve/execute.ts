/** The engine's door: scripts, a message and a context in; an outcome, as data, out. */
import type { Outcome } from './action.js'
import { compileScript, type Script } from './compile.js'
import type { Context, ProgramResult } from './context.js'
import { Version } from './message.js'
import type { Problem } from './problem.js'
import { Run, ScriptError, Suspended } from './run.js'

/**
 * Runs scripts in order — the global ones before, the user's, the global ones after — over one message. After each, the
 * next is run only if the message is still to be kept. Nothing is done here: the outcome says what to do.
 *
 * Never throws for anything that a script or a message holds: an error ends the run with an implicit keep, and what
 * earlier scripts wanted still stands.
 *
 * @throws TypeError when the context's `program` answers with a promise; use {@link runScriptsAsync} then
 */
export function runScripts(scripts: readonly Script[], message: Buffer | Version, context: Context): Outcome {
  const outcome = attempt(scripts, message, context, [])
  if (outcome instanceof Suspended)
    throw new TypeError('a program has to be waited for: use runScriptsAsync()')
  return outcome
}

/**
 * As {@link runScripts}, where programs may take their time. The run is begun again each time an answer has come: what a
 * script does depends on nothing but its context, so it gets to the same place.
 */
export async function runScriptsAsync(
  scripts: readonly Script[],
  message: Buffer | Version,
  context: Context,
): Promise<Outcome> {
  const answers: ProgramResult[] = []
  const version = Buffer.isBuffer(message) ? Version.of(message) : message
  for (;;) {
    const outcome = attempt(scripts, version, context, answers)
    if (!(outcome instanceof Suspended)) return outcome
    answers.push(await outcome.answer)
  }
}

function attempt(
  scripts: readonly Script[],
  message: Buffer | Version,
  context: Context,
  answers: readonly ProgramResult[],
): Outcome | Suspended {
  const version = Buffer.isBuffer(message) ? Version.of(message) : message
  const first = scripts[0] ?? compileScript({ name: '', text: '' }, context.settings)
  const run = new Run(version, context, first, answers)
  const warnings = scripts.flatMap(script => script.warnings)
  for (const [i, script] of scripts.entries()) {
    if (script.errors.length > 0) return failed(run, 'compile-error', script.errors, warnings)
    try {
      runOne(run, script)
    } catch (error) {
      if (error instanceof Suspended) return error
      return failed(run, 'runtime-error', [problemOf(run, error)], warnings)
    }
    if (!run.result.keeps) break
    if (i < scripts.length - 1) run.result.next()
  }
  const { actions, implicitKeep } = run.result
  const keep = { flags: run.flags, message: run.message }
  const { duplicates, notes } = run
  return { status: 'ok', errors: [], warnings, actions, implicitKeep, keep, duplicates, notes }
}

function runOne(run: Run, script: Script): void {
  run.frame = { script, variables: new Map(), matches: [], path: [script.name] }
  run.part = undefined
  const wrong = run.context.imap && forNewMail.find(extension => script.extensions.has(extension))
  if (wrong) run.fail(`"${wrong}" has no place in a script that runs for what a client does`)
  run.execute(script.steps)
}

/** What answers the sender of new mail (RFC 6785 §3.11). */
const forNewMail = ['reject', 'ereject', 'vacation']

function failed(
  run: Run,
  status: 'compile-error' | 'runtime-error',
  errors: readonly Problem[],
  warnings: readonly Problem[],
): Outcome {
  run.result.abandon()
  const { actions } = run.result
  const keep = { flags: run.context.flags ?? [], message: run.original }
  return { status, errors, warnings, actions, implicitKeep: true, keep, duplicates: [], notes: run.notes }
}

function problemOf(run: Run, error: unknown): Problem {
  const { line, column } = run.at
  const script = run.frame.script.name
  if (error instanceof ScriptError) return { script, line, column, message: error.message }
  // A bug of ours must not cost anybody mail either.
  const message = `internal error: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`
  return { script, line, column, message }
}
