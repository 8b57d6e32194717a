/** The part of mailsplit 5.4 that rewrite.ts and the tests call; the package ships no types. */
declare module 'mailsplit' {
  import type { Transform } from 'node:stream'

  export interface SplitterOptions {
    /** Octets of header that one part may have; more is an EMAXLEN error. 1 MiB unless told. */
    maxHeadSize?: number
    /** Never parse the message within a message/rfc822. */
    ignoreEmbedded?: boolean
    /** Parse it unless it is an attachment; otherwise only where the disposition is `inline`. */
    defaultInlineEmbedded?: boolean
  }

  /** A message or a part; it comes when its header is whole. */
  export interface MimeNode {
    readonly type: 'node'
    readonly contentType: string | false
    /** The header's octets as they came, unless it was changed. */
    getHeaders(): Buffer
  }

  export interface Chunk {
    /** `data` is what belongs to no leaf: boundaries, preambles, epilogues. */
    readonly type: 'body' | 'data'
    readonly node: MimeNode
    readonly value?: Buffer
  }

  /** Octets in, MimeNodes and Chunks out. A message of more than 1000 parts is an EMAXLEN error. */
  export const Splitter: new (options?: SplitterOptions) => Transform
}
