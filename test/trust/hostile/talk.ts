/** Clients that say what they want, in the clear or under TLS, and read whatever comes. */
import { connect, type Socket } from 'node:net'
import { connect as secure } from 'node:tls'

/** Says it all at once; the last of it must make the server hang up. @returns all that was answered */
export function dialogue(port: number, lines: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1' }, () => {
      for (const line of lines) socket.write(line, 'latin1')
    })
    collect(socket, resolve, reject)
  })
}

function collect(socket: Socket, resolve: (text: string) => void, reject: (error: Error) => void): void {
  let text = ''
  socket.on('data', chunk => {
    text += chunk.toString('latin1')
  })
  socket.setTimeout(30_000, () => reject(new Error(`no end after: ${text.slice(-200)}`)))
  socket.on('error', () => {})
  socket.on('close', () => resolve(text))
}

/** Reads until what came fits. */
export function expect(socket: Socket, end: RegExp): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = ''
    const timer = setTimeout(() => reject(new Error(`no ${end} in ${text}`)), 30_000)
    const take = (chunk: Buffer) => {
      text += chunk.toString('latin1')
      if (!end.test(text)) return
      clearTimeout(timer)
      socket.off('data', take)
      resolve(text)
    }
    socket.on('data', take)
  })
}

/** Opens a connection in the clear. */
export function open(port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true }, () => resolve(socket))
    socket.on('error', reject)
  })
}

/** Begins TLS over a connection. */
export function shake(socket: Socket): Promise<Socket> {
  return new Promise((resolve, reject) => {
    socket.removeAllListeners('data')
    const wrapped = secure({ socket, rejectUnauthorized: false }, () => resolve(wrapped))
    wrapped.on('error', reject)
  })
}
