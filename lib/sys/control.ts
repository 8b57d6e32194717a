/**
 * A process of ours asked by another: a Unix socket in the runtime directory, named `NAME.PID.sock`, for its owner and
 * root alone. One line of JSON goes in, one comes out, the connection ends. A socket whose process is gone is removed
 * by whoever finds it.
 */
import { readdirSync, rmSync } from 'node:fs'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { join } from 'node:path'
import { makeDirectory } from './directory.js'
import { describe, errorCode } from './error.js'

/** What a process is asked, with what it needs to know. */
export interface Request {
  readonly verb: string
  readonly [key: string]: unknown
}

export type Answer = (request: Request) => unknown | Promise<unknown>

/** How long an answer may take, in milliseconds. */
const patience = 5_000
const longestRequest = 4_096

/** The socket of this process. */
export class Control {
  readonly #server: Server
  readonly #path: string

  private constructor(server: Server, path: string) {
    this.#server = server
    this.#path = path
  }

  /** Opens the socket. @throws what the operating system says, when the directory cannot be written */
  static async open(directory: string, name: string, answer: Answer): Promise<Control> {
    // Below /run it is systemd that makes directories, and gives them to their user.
    if (!directory.startsWith('/run/')) makeDirectory(directory, 0o755)
    const path = join(directory, `${name}.${process.pid}.sock`)
    rmSync(path, { force: true })
    const server = createServer(socket => serve(socket, answer))
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject)
      // Made for its owner alone: nobody may connect in the moment before a chmod.
      const umask = process.umask(0o177)
      try {
        server.listen(path, resolve)
      } finally {
        process.umask(umask)
      }
    })
    server.on('error', () => {})
    server.unref()
    return new Control(server, path)
  }

  /** Takes the socket away. */
  async close(): Promise<void> {
    rmSync(this.#path, { force: true })
    await new Promise(done => this.#server.close(done))
  }
}

function serve(socket: Socket, answer: Answer): void {
  let text = ''
  let isAsked = false
  socket.on('error', () => socket.destroy())
  socket.setTimeout(patience, () => socket.destroy())
  socket.setEncoding('utf8')
  socket.on('data', chunk => {
    text += chunk
    if (text.length > longestRequest) socket.destroy()
    if (isAsked || !text.includes('\n')) return
    isAsked = true
    void respond(text, answer).then(line => socket.end(line))
  })
}

async function respond(text: string, answer: Answer): Promise<string> {
  try {
    const request = JSON.parse(text.slice(0, text.indexOf('\n'))) as Request
    return `${JSON.stringify({ answer: (await answer(request)) ?? null })}\n`
  } catch (error) {
    return `${JSON.stringify({ error: describe(error) })}\n`
  }
}

/** What one process said. */
export interface Said<T> {
  /** The name it opened its socket under. */
  readonly name: string
  readonly pid: number
  readonly answer: T
}

/**
 * Asks every process of a runtime directory; one that does not answer in time is left out.
 *
 * @throws what the operating system says when the directory or a socket may not be used
 */
export async function askAll<T>(directory: string, request: Request): Promise<Said<T>[]> {
  const asked = socketsIn(directory).map(async ({ path, name, pid }): Promise<Said<T>[]> => {
    try {
      return [{ name, pid, answer: (await ask(path, request)) as T }]
    } catch (error) {
      const code = errorCode(error)
      if (code === 'EACCES' || code === 'EPERM') throw error
      if (code === 'ECONNREFUSED') rmSync(path, { force: true })
      return []
    }
  })
  return (await Promise.all(asked)).flat()
}

function socketsIn(directory: string): { path: string; name: string; pid: number }[] {
  let names: string[]
  try {
    names = readdirSync(directory)
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return []
    throw error
  }
  return names.sort().flatMap(file => {
    const [, name = '', pid = ''] = /^([\w-]+)\.(\d+)\.sock$/.exec(file) ?? []
    return pid === '' ? [] : [{ path: join(directory, file), name, pid: Number(pid) }]
  })
}

function ask(path: string, request: Request): Promise<unknown> {
  return new Promise((resolve, reject) => {
    let text = ''
    const socket = connect(path)
    socket.setEncoding('utf8')
    socket.setTimeout(patience, () => socket.destroy(new Error('no answer in time')))
    socket.on('error', reject)
    socket.on('data', chunk => {
      text += chunk
    })
    socket.on('close', () => {
      try {
        const { answer, error } = JSON.parse(text) as { answer?: unknown; error?: string }
        if (error === undefined) resolve(answer)
        else reject(new Error(error))
      } catch (error) {
        reject(error)
      }
    })
    socket.write(`${JSON.stringify(request)}\n`)
  })
}
