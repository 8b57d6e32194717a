/** A message under question in a search: what is found out about it is kept until the next one. */
import type { HeaderBlock } from '../message/header.js'
import { bodyTexts, headerText } from '../message/searchable.js'
import { scanMessage } from '../message/structure.js'
import { type Digest, digestOf, readHead } from './digest.js'
import { readMessage } from './message.js'
import type { State } from './state.js'
import type { View } from './view.js'

/** The message is gone: it is in no result, whatever was asked. */
export class Vanished extends Error {}

/** One message, and what it holds. Getters throw Vanished. */
export class Candidate {
  readonly state: State
  readonly view: View
  uid = 0
  seq = 0
  row = 0
  #digest: Digest | undefined
  #header: HeaderBlock | undefined
  #octets: Buffer | undefined
  #headerText: string | undefined
  #texts: string[] | undefined

  constructor(state: State, view: View) {
    this.state = state
    this.view = view
  }

  /** Goes on to another message. @returns false when it is gone */
  begin(uid: number, seq: number): boolean {
    this.uid = uid
    this.seq = seq
    this.row = this.state.table.find(uid)
    this.#digest = this.#header = this.#octets = this.#headerText = this.#texts = undefined
    return this.row >= 0
  }

  /** Addresses, subject and date. */
  get digest(): Digest {
    this.#digest ??= known(digestOf(this.state, this.uid))
    return this.#digest
  }

  /** The fields of the header. */
  get header(): HeaderBlock {
    this.#header ??= known(readHead(this.state, this.uid))
    return this.#header
  }

  /** All of the header, folded. */
  get headerText(): string {
    this.#headerText ??= headerText(this.header)
    return this.#headerText
  }

  /** Folded texts of the body. */
  get texts(): readonly string[] {
    if (this.#texts) return this.#texts
    this.#octets ??= known(readMessage(this.state, this.uid))
    const message = scanMessage(this.#octets)
    this.#header ??= message.header
    this.#texts = [...bodyTexts(this.#octets, message)]
    return this.#texts
  }
}

/** What is there. @throws Vanished */
export function known<T>(value: T | undefined): T {
  if (value === undefined) throw new Vanished()
  return value
}
