/** Thunderbird without a window, driven over the Marionette protocol that it brings. */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { has } from './program.js'
import { freePorts, until } from './world.js'

/** Why a test with Thunderbird cannot run here; false when it can. */
export const thunderbirdMissing = has('thunderbird') ? false : 'needs thunderbird'

/** Nothing that asks a person, and nothing that asks the Internet. */
const settings = {
  'app.update.enabled': false,
  'datareporting.policy.dataSubmissionPolicyBypassNotification': true,
  'mail.provider.suppress_dialog_on_startup': true,
  'mail.spotlight.firstRunDone': true,
  'mailnews.start_page.enabled': false,
  'network.captive-portal-service.enabled': false,
  'network.connectivity-service.enabled': false,
  // Nobody is asked to accept a server, and nothing is fetched before a test asks.
  'mail.biff.show_alert': false,
  'mail.server.default.login_at_startup': false,
}

const helpers = readFileSync('test/support/thunderbird-chrome.js', 'utf8')

/** A profile, which outlives the program: what a person comes back to the next day. */
export function makeProfile(): string {
  return mkdtempSync(join(tmpdir(), 'postern-thunderbird-'))
}

export class Thunderbird {
  readonly #process: ChildProcess
  readonly #socket: Socket
  readonly #waiting = new Map<number, (answer: readonly unknown[]) => void>()
  #buffer = Buffer.alloc(0)
  #last = 0

  private constructor(process: ChildProcess, socket: Socket) {
    this.#process = process
    this.#socket = socket
    socket.on('data', chunk => this.#received(chunk))
    socket.on('error', () => {})
  }

  static async start(profile: string): Promise<Thunderbird> {
    const [port] = (await freePorts(1)) as [number]
    const lines = Object.entries({ ...settings, 'marionette.port': port }).map(
      ([name, value]) => `user_pref(${JSON.stringify(name)}, ${JSON.stringify(value)});\n`,
    )
    writeFileSync(join(profile, 'user.js'), lines.join(''))
    const options = ['--headless', '--marionette', '-remote-allow-system-access', '--no-remote']
    const program = spawn('thunderbird', [...options, '--profile', profile], {
      stdio: 'ignore',
      // In a group of its own, since it starts others.
      detached: true,
      env: { ...process.env, HOME: profile, MOZ_CRASHREPORTER_DISABLE: '1' },
    })
    const thunderbird = new Thunderbird(program, await connected(port))
    await thunderbird.#ask('WebDriver:NewSession', { capabilities: {} })
    await thunderbird.#ask('Marionette:SetContext', { value: 'chrome' })
    await thunderbird.#ask('WebDriver:SetTimeouts', { script: 60_000 })
    return thunderbird
  }

  /** Runs the body of an async function, in which the helpers of thunderbird-chrome.js are known. */
  async run<Result>(body: string, ...args: unknown[]): Promise<Result> {
    const script = `${helpers}\nreturn (async () => { ${body} })()`
    const answer = (await this.#ask('WebDriver:ExecuteScript', { script, args })) as { value: Result }
    return answer.value
  }

  async close(): Promise<void> {
    const ended = new Promise(resolve => this.#process.once('exit', resolve))
    this.#ask('Marionette:Quit', { flags: ['eForceQuit'] }).catch(() => {})
    const hung = setTimeout(() => this.kill(), 15_000)
    await ended
    clearTimeout(hung)
    this.kill()
    this.#socket.destroy()
  }

  /** Ends it and all that it started. */
  kill(): void {
    try {
      process.kill(-(this.#process.pid as number), 'SIGKILL')
    } catch {
      // It has ended.
    }
  }

  #ask(name: string, parameters: object): Promise<unknown> {
    const id = ++this.#last
    const text = JSON.stringify([0, id, name, parameters])
    this.#socket.write(`${Buffer.byteLength(text)}:${text}`)
    return new Promise((resolve, reject) =>
      this.#waiting.set(id, ([, , error, result]) => {
        if (error) reject(new Error(`${name}: ${JSON.stringify(error)}`))
        else resolve(result)
      }),
    )
  }

  #received(chunk: Buffer): void {
    this.#buffer = Buffer.concat([this.#buffer, chunk])
    for (;;) {
      const colon = this.#buffer.indexOf(':')
      const end = colon + 1 + Number(this.#buffer.subarray(0, Math.max(0, colon)))
      if (colon < 0 || this.#buffer.length < end) return
      const message = JSON.parse(this.#buffer.toString('utf8', colon + 1, end))
      this.#buffer = this.#buffer.subarray(end)
      if (Array.isArray(message)) this.#waiting.get(message[1])?.(message)
    }
  }
}

/** Connects as soon as somebody listens. */
async function connected(port: number): Promise<Socket> {
  let socket: Socket | undefined
  await until(async () => {
    const tried = connect(port, '127.0.0.1')
    socket = await new Promise(resolve => {
      tried.once('connect', () => resolve(tried))
      tried.once('error', () => resolve(undefined))
    })
    if (!socket) await delay(100)
    return socket !== undefined
  }, 60_000)
  return socket as Socket
}

export function removeProfile(profile: string): void {
  rmSync(profile, { recursive: true, force: true, maxRetries: 5 })
}
