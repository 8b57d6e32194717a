/** `user+detail@domain`: RFC 5233. */
import type { AddressPart, Extension } from '../definition.js'

/** Where the local part is split: at the first of its delimiters; -1 where there is none. */
function split(local: string, delimiters: string): number {
  const places = [...delimiters].map(delimiter => local.indexOf(delimiter)).filter(place => place >= 0)
  return places.length > 0 ? Math.min(...places) : -1
}

const user: AddressPart = {
  name: 'user',
  extract: ({ local }, run) => {
    if (local === undefined) return undefined
    const place = split(local, run.settings.recipientDelimiter)
    return place < 0 ? local : local.slice(0, place)
  },
}

const detail: AddressPart = {
  name: 'detail',
  extract: ({ local }, run) => {
    if (local === undefined) return undefined
    const place = split(local, run.settings.recipientDelimiter)
    return place < 0 ? undefined : local.slice(place + 1)
  },
}

export const subaddress: Extension = {
  name: 'subaddress',
  addressParts: [user, detail],
  families: [user, detail].map(({ name }) => ({
    family: 'address' as const,
    tag: { name, group: 'address part' },
  })),
}
