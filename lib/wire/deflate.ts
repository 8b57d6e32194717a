/** Compression of a connection (RFC 4978): raw DEFLATE both ways, every answer flushed so that the peer can read it. */
import type { Socket } from 'node:net'
import { Duplex } from 'node:stream'
import { constants, createDeflateRaw, createInflateRaw, type DeflateRaw, type InflateRaw } from 'node:zlib'
import type { Connection } from './line.js'

/**
 * An eighth of the memory that zlib takes unless told otherwise, for a fifth more octets at worst: 32 KiB for what is
 * written. What is read needs the whole window, since the peer may use it.
 */
const writing = { flush: constants.Z_SYNC_FLUSH, windowBits: 12, memLevel: 5, chunkSize: 8 * 1024 }
/** A peer that closes its half says so by FIN alone: the stream has no end of its own. */
const reading = { windowBits: 15, chunkSize: 4 * 1024, finishFlush: constants.Z_SYNC_FLUSH }

/** So many connections of a process may be compressed at once: each costs about 130 KiB more than a plain one. */
const most = 500
let active = 0

/** Whether memory is left for one more. */
export function canDeflate(): boolean {
  return active < most
}

/**
 * Compresses what is written from now on and expects what is read to be so. Call it when the answer that announces
 * it has been written: that goes out as it is.
 */
export function startDeflate(connection: Connection): void {
  connection.replaceSocket(socket => new Deflated(socket) as unknown as Socket)
}

/**
 * What Connection needs of a socket, over another one. Octets are inflated no faster than they are read: a peer that
 * sends a gigabyte of nothing in a megabyte fills no memory, it waits.
 */
class Deflated extends Duplex {
  readonly #socket: Socket
  readonly #deflate: DeflateRaw = createDeflateRaw(writing)
  readonly #inflate: InflateRaw = createInflateRaw(reading)
  #counted = true

  constructor(socket: Socket) {
    super({ allowHalfOpen: true, readableHighWaterMark: 16 * 1024 })
    this.#socket = socket
    active++
    socket.pipe(this.#inflate)
    this.#deflate.pipe(socket)
    this.#inflate.on('data', (chunk: Buffer) => {
      if (!this.push(chunk)) this.#inflate.pause()
    })
    this.#inflate.on('end', () => this.push(null))
    // Octets that are not compressed, or a connection that broke: either way there is nothing more to understand.
    this.#inflate.on('error', () => this.destroy())
    this.#deflate.on('error', () => this.destroy())
    socket.on('error', () => this.destroy())
    socket.on('close', () => this.destroy())
  }

  get remoteAddress(): string | undefined {
    return this.#socket.remoteAddress
  }

  setNoDelay(on: boolean): this {
    this.#socket.setNoDelay(on)
    return this
  }

  override _read(): void {
    this.#inflate.resume()
  }

  override _write(chunk: Buffer, _: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#deflate.write(chunk, error => {
      if (this.#socket.writableNeedDrain) this.#socket.once('drain', () => done(error))
      else done(error)
    })
  }

  override _final(done: () => void): void {
    this.#deflate.end(() => done())
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    if (this.#counted) active--
    this.#counted = false
    this.#socket.unpipe(this.#inflate)
    this.#socket.destroy()
    this.#inflate.destroy()
    this.#deflate.destroy()
    done(error)
  }
}
