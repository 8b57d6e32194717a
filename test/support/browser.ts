/** Chromium without a window, driven over the WebDriver protocol (W3C) by what Debian installs as chromedriver. */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { has } from './program.js'
import { freePorts } from './world.js'

/** Why a test with a browser cannot run here; false when it can. */
export const browserMissing =
  has('chromium') && has('chromedriver') ? false : 'needs chromium and chromedriver'

/** The name WebDriver gives an element in its answers. */
const elementKey = 'element-6066-11e4-a52e-4f735466cecf'

const chromiumArguments = [
  '--headless=new',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--disable-dev-shm-usage',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--window-size=1300,900',
]

export class Browser {
  readonly #driver: ChildProcess
  readonly #profile: string
  readonly #pictures: string | undefined
  #session = ''

  private constructor(driver: ChildProcess, profile: string, pictures: string | undefined) {
    this.#driver = driver
    this.#profile = profile
    this.#pictures = pictures
  }

  /** @param pictures where {@link picture} keeps its files; nowhere unless given */
  static async start(pictures?: string): Promise<Browser> {
    const [port] = await freePorts(1)
    const profile = mkdtempSync(join(tmpdir(), 'postern-browser-'))
    const driver = spawn('chromedriver', [`--port=${port}`], { stdio: 'ignore' })
    const browser = new Browser(driver, profile, pictures)
    const base = `http://127.0.0.1:${port}/session`
    const options = { args: [...chromiumArguments, `--user-data-dir=${profile}`] }
    const wanted = { capabilities: { alwaysMatch: { browserName: 'chrome', 'goog:chromeOptions': options } } }
    browser.#session = base
    for (let patience = 100; ; patience--)
      try {
        const { sessionId } = (await browser.#ask('POST', '', wanted)) as { sessionId: string }
        browser.#session = `${base}/${sessionId}`
        return browser
      } catch (error) {
        // Until chromedriver listens.
        if (patience === 0 || !(error instanceof TypeError)) throw error
        await delay(100)
      }
  }

  async open(url: string): Promise<void> {
    await this.#ask('POST', '/url', { url })
  }

  /** Runs a script in the page (or the frame that was entered) and gives what it returns. */
  run<Result>(script: string, ...args: unknown[]): Promise<Result> {
    return this.#ask('POST', '/execute/sync', { script, args }) as Promise<Result>
  }

  /** Waits until an element is there and can be seen. */
  async find(selector: string): Promise<string> {
    return this.#patiently(`${selector} to be seen`, async () => {
      const found = (await this.#ask('POST', '/element', { using: 'css selector', value: selector })) as {
        [elementKey]: string
      }
      const id = found[elementKey]
      return (await this.#ask('GET', `/element/${id}/displayed`)) ? id : undefined
    })
  }

  async click(selector: string): Promise<void> {
    await this.#patiently(`${selector} to take a click`, async () => {
      const id = await this.find(selector)
      await this.#ask('POST', `/element/${id}/click`, {})
      return true
    })
  }

  /** Types into a field, in place of what was there. */
  async type(selector: string, text: string): Promise<void> {
    const id = await this.find(selector)
    await this.#ask('POST', `/element/${id}/clear`, {})
    await this.#ask('POST', `/element/${id}/value`, { text })
  }

  /** Waits for a script to return something true, and gives that. */
  async until<Result>(script: string, ...args: unknown[]): Promise<Result> {
    return this.#patiently(script, () => this.run<Result>(script, ...args))
  }

  /** What follows happens in a frame of the page; without a selector, in the page again. */
  async enter(selector?: string): Promise<void> {
    const id = selector === undefined ? null : { [elementKey]: await this.find(selector) }
    await this.#ask('POST', '/frame', { id })
  }

  /** Keeps a picture of the page, where there is a place for pictures. */
  async picture(name: string): Promise<void> {
    if (this.#pictures === undefined) return
    mkdirSync(this.#pictures, { recursive: true })
    const png = (await this.#ask('GET', '/screenshot')) as string
    writeFileSync(join(this.#pictures, `${name}.png`), Buffer.from(png, 'base64'))
  }

  async close(): Promise<void> {
    await this.#ask('DELETE', '').catch(() => {})
    this.#driver.kill()
    rmSync(this.#profile, { recursive: true, force: true, maxRetries: 20 })
  }

  async #patiently<Result>(what: string, look: () => Promise<Result | undefined>): Promise<Result> {
    const end = Date.now() + 30_000
    for (;;) {
      const found = await look().catch(error => {
        if (Date.now() > end) throw error
      })
      if (found) return found
      if (Date.now() > end) {
        await this.picture('never').catch(() => {})
        throw new Error(`never came true: ${what}`)
      }
      await delay(50)
    }
  }

  async #ask(method: string, path: string, body?: unknown): Promise<unknown> {
    const response = await fetch(this.#session + path, {
      method,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    const { value } = (await response.json()) as { value: { error?: string; message?: string } | null }
    if (value?.error !== undefined) throw new Error(`${value.error}: ${value.message}`)
    return value
  }
}
