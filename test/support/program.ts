/** The built commands as a user runs them: spawned, spoken to over sockets, ended by signals. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { resolve } from 'node:path'
import { until } from './world.js'

/** The path of a built command. */
export function commandPath(name: string): string {
  return resolve('dist', 'bin', `${name}.cjs`)
}

export interface ProgramOptions {
  readonly args?: readonly string[]
  /** The user to run as, where the test runs as root; who it is otherwise. */
  readonly owner?: number
}

export class Program {
  readonly child: ChildProcess
  #log = ''
  #ended: number | string | undefined

  private constructor(name: string, args: readonly string[], owner?: number) {
    this.child = spawn(process.execPath, [commandPath(name), ...args], {
      stdio: ['ignore', 'inherit', 'pipe'],
      ...(owner === undefined ? {} : { uid: owner, gid: owner }),
    })
    this.child.stderr?.on('data', chunk => {
      this.#log += chunk
    })
    this.child.on('exit', (code, signal) => {
      this.#ended = code ?? signal ?? -1
    })
  }

  /** Starts a daemon and returns when it listens. @throws Error with what it said when it ended instead */
  static async start(name: string, config: string, options: ProgramOptions = {}): Promise<Program> {
    const program = new Program(name, ['-c', config, ...(options.args ?? [])], options.owner)
    await until(() => program.#ended !== undefined || / event=started /.test(program.#log), 20_000)
    if (program.#ended !== undefined) throw new Error(`${name} ended with ${program.#ended}: ${program.#log}`)
    return program
  }

  /** All it has logged. */
  get log(): string {
    return this.#log
  }

  get pid(): number {
    return this.child.pid as number
  }

  /** The ports of a daemon's listeners (`smtpd`, `imapd` …), in the order of the configuration. */
  ports(daemon: string): number[] {
    const lines = this.#log
      .split('\n')
      .filter(line => / event=listening /.test(line) && line.includes(` daemon=${daemon} `))
    return lines.map(line => Number(/ port=(\d+)/.exec(line)?.[1]))
  }

  /** Ends it. @returns its exit status, or the signal's name */
  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<number | string> {
    this.child.kill(signal)
    // One that hangs fails its test, and must not hold up the others.
    const hung = setTimeout(() => this.child.kill('SIGKILL'), 14_000)
    await until(() => this.#ended !== undefined, 20_000)
    clearTimeout(hung)
    return this.#ended as number | string
  }
}

/** Whether a program is installed; an interop test that needs it is skipped without. */
export function has(program: string): boolean {
  return spawnSync('sh', ['-c', `command -v ${program}`]).status === 0
}
