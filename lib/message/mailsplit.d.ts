/** The part of mailsplit 5.4 that rewrite.ts and the tests call; the package ships no types. */
declare module 'mailsplit' {
  import type { Transform } from 'node:stream'

  export interface SplitterOptions {
    /** Octets of header that one part may have; more is an EMAXLEN error. 1 MiB unless told. */
    maxHeadSize?: number
    /** Parts that a message may have; more is an EMAXLEN error. 1000 unless told. */
    maxChildNodes?: number
    /** Never parse the message within a message/rfc822. */
    ignoreEmbedded?: boolean
    /** Parse it unless it is an attachment; otherwise only where the disposition is `inline`. */
    defaultInlineEmbedded?: boolean
  }

  export interface Headers {
    readonly changed: boolean
    get(name: string): string[]
    getFirst(name: string): string
    getList(): { key: string; line: string }[]
    /** Adds a field that is folded and whole, without its last line end: one character an octet. */
    addFormatted(name: string, line: string, index?: number): void
    remove(name: string): void
    build(lineEnd?: string): Buffer
  }

  export interface MimeNode {
    readonly type: 'node'
    readonly root: boolean
    readonly headers: Headers
    readonly multipart: string | false
    readonly contentType: string | false
    readonly encoding: string
    readonly parentNode: MimeNode | false
    getHeaders(): Buffer
  }

  export interface Chunk {
    /** `data` is what belongs to no leaf: boundaries, preambles, epilogues. */
    readonly type: 'body' | 'data'
    readonly node: MimeNode
    readonly value?: Buffer
  }

  export const Splitter: new (options?: SplitterOptions) => Transform
  export const Joiner: new () => Transform
}
