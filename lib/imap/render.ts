/** What FETCH renders of a message once and keeps: the octets of an answer, by the kind they are kept under. */
import { writeStructure } from './bodystructure.js'
import type { MessageContent } from './content.js'
import type { OctetWriter } from './encode.js'
import { writeEnvelope } from './envelope.js'
import { type FetchItem, isChoice, type SectionItem } from './fetch-item.js'

/** ENVELOPE, BODY, BODYSTRUCTURE, or fields of the header. */
export type Rendered =
  | { readonly kind: 'envelope' | 'body' | 'structure' }
  | { readonly kind: string; readonly item: SectionItem }

/** What of some items is rendered once. */
export function renderedOf(items: readonly FetchItem[]): Rendered[] {
  return items.flatMap((item): Rendered[] => {
    if (item.kind === 'section') return isChoice(item) ? [{ kind: item.fields?.key ?? '', item }] : []
    return item.kind === 'envelope' || item.kind === 'body' || item.kind === 'structure'
      ? [{ kind: item.kind }]
      : []
  })
}

/** Appends one of them as it is kept. */
export function render(out: OctetWriter, message: MessageContent, rendered: Rendered): void {
  if ('item' in rendered) out.octets(message.section(rendered.item) ?? Buffer.alloc(0))
  else if (rendered.kind === 'envelope') writeEnvelope(out, message.header)
  else writeStructure(out, message.part, rendered.kind === 'structure')
}
