/** Fixtures as octets to begin with. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** Files below a folder whose names end so. */
export function fixtures(folder: string, end: string): Buffer[] {
  return readdirSync(join('fixtures', folder), { recursive: true, encoding: 'utf8' })
    .filter(name => name.endsWith(end))
    .sort()
    .map(name => readFileSync(join('fixtures', folder, name)))
    .filter(octets => octets.length < 40_000)
}

/** What the client says in the dialogues of a folder. */
export function clientLines(folder: string): Buffer[] {
  return fixtures(folder, '.txt').map(octets =>
    Buffer.from(
      octets
        .toString('latin1')
        .split('\n')
        .flatMap(line => /^C\d?: (.*)$/.exec(line)?.[1] ?? [])
        .map(line => `${line}\r\n`)
        .join(''),
      'latin1',
    ),
  )
}

export function texts(...list: readonly string[]): Buffer[] {
  return list.map(text => Buffer.from(text))
}

/** Refuses what should not have come out of a parser. */
export function demand(condition: boolean, what: string): void {
  if (!condition) throw new Error(`not so: ${what}`)
}
