/** The manual tells all there is and nothing else: commands, options, keys of the configuration. */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { type Command, common } from '../lib/command/options.js'
import { keysOf } from '../lib/config/keys.js'
import { configSchema } from '../lib/config/schema.js'

const pages = new Map(
  readdirSync('man')
    .filter(name => /\.[1-8]$/.test(name))
    .map(name => [name, readFileSync(`man/${name}`, 'utf8')]),
)

/** The page of a command: user commands are in section 1, daemons and administration in 8. */
function pageOf(name: string): string {
  const text = pages.get(`${name}.1`) ?? pages.get(`${name}.8`)
  assert.ok(text !== undefined, `${name} has no page in man/`)
  return text
}

/** The command's tables, by way of its file in bin/. */
async function commandOf(name: string): Promise<Command> {
  const text = readFileSync(`bin/${name}.ts`, 'utf8')
  const [, exported = ''] = /run\((\w+)\)/.exec(text) ?? []
  const [, path = ''] =
    new RegExp(`import \\{ ${exported} \\} from '\\.\\.(/lib/command/[^']+)'`).exec(text) ?? []
  assert.notEqual(path, '', `bin/${name}.ts is not like the others`)
  return (await import(`..${path}`))[exported]
}

function* withSubcommands(command: Command): Generator<Command> {
  yield command
  for (const each of command.commands ?? []) yield* withSubcommands(each)
}

/** Options in a page: `Fl c`, `Fl -config`, `Fl c , -config`. */
function flagsOf(page: string): Set<string> {
  const flags = new Set<string>()
  for (const line of page.split('\n')) {
    if (!line.startsWith('.') || line.startsWith('.\\"')) continue
    let macro = ''
    for (const word of line.slice(1).split(/\s+/))
      if (/^[A-Z][a-z]$/.test(word)) macro = word
      else if (macro === 'Fl' && /^-?\w[\w-]*$/.test(word)) flags.add(word)
  }
  return flags
}

const names = readdirSync('bin')
  .filter(name => name.endsWith('.ts'))
  .map(name => name.slice(0, -3))

for (const name of names)
  test(`${name}: every command and option is in its page, and every one in its page is there`, async () => {
    const page = pageOf(name)
    const flags = flagsOf(page)
    const known = new Set<string>()
    for (const command of withSubcommands(await commandOf(name))) {
      if (command.name !== name)
        assert.match(page, new RegExp(`\\bCm (?:[\\w-]+ )*${command.name}\\b`), `no Cm ${command.name}`)
      for (const [long, option] of Object.entries({ ...common, ...command.options })) {
        // An option of one letter has no longer form.
        const flag = long.length === 1 ? long : `-${long}`
        known.add(flag)
        assert.ok(flags.has(flag), `no Fl ${flag}`)
        const short = 'short' in option ? option.short : undefined
        if (short === undefined) continue
        known.add(short)
        assert.ok(flags.has(short), `no Fl ${short}`)
      }
    }
    const others = [...flags].filter(flag => !known.has(flag))
    assert.deepEqual(others, [], 'the page tells of options that are not there')
  })

test('every page is of a command, or one of those that are of none', () => {
  const apart = /^(mail\.toml\.5|postern.*\.7)$/
  for (const name of pages.keys())
    if (!apart.test(name)) assert.ok(names.includes(name.slice(0, -2)), `man/${name} is of no command`)
})

test('what a page refers to is there', () => {
  for (const [name, text] of pages)
    for (const [, other = '', section] of text.matchAll(/^\.Xr ((?:mail|postern)[\w.-]*) (\d)/gm)) {
      const isThere = pages.has(`${other}.${section}`)
      // The pages of commands that are still to come are named already.
      if (!isThere && names.includes(other)) assert.fail(`man/${name} refers to ${other}(${section})`)
    }
})

/** Keys with their defaults as mail.toml(5) has them; null where an entry of several keys sends to another table. */
function documentedKeys(known: ReadonlyMap<string, unknown>): Map<string, string | null | undefined> {
  const keys = new Map<string, string | null | undefined>()
  let tables: string[] = []
  for (const line of (pages.get('mail.toml.5') ?? '').split('\n')) {
    if (line.startsWith('.Ss ')) {
      tables = [...line.matchAll(/\[+([\w.]+)\]+/g)].map(([, table]) => `${table}.`)
      if (tables.length === 0) tables = ['']
      // A table whose keys the user names, such as [sieve.settings], is a key itself.
      for (const table of tables) if (known.has(table.slice(0, -1))) keys.set(table.slice(0, -1), null)
    }
    const [, list, text] = /^\.It Ic ([\w ,]+?)(?: No = (.*))?$/.exec(line) ?? []
    const together = list?.split(' , ') ?? []
    const value = together.length > 1 ? null : text?.replaceAll('\\(dq', '"')
    for (const key of together) for (const table of tables) keys.set(`${table}${key}`, value)
  }
  return keys
}

function toToml(value: unknown): string | undefined {
  if (value === undefined) return undefined
  if (Array.isArray(value)) return `[${value.map(toToml).join(', ')}]`
  return typeof value === 'object' && value !== null ? '{}' : JSON.stringify(value)
}

test('mail.toml(5) has every key with its default, and no other', () => {
  const known = new Map([...keysOf(configSchema('/'))].map(key => [key.name, key]))
  const documented = documentedKeys(known)
  assert.deepEqual(
    [...documented.keys()].filter(key => !known.has(key)),
    [],
    'documented, but not there',
  )
  assert.deepEqual(
    [...known.keys()].filter(key => !documented.has(key)),
    [],
    'there, but not documented',
  )
  for (const [name, key] of known) {
    const value = documented.get(name)
    if (value !== null) assert.equal(value, toToml(key.default), name)
  }
})

test('every value that a key may have is told', () => {
  const words = new Set((pages.get('mail.toml.5') ?? '').split(/[\s,()]+/))
  for (const word of [
    'implicit',
    'required',
    'offered',
    'off',
    'smtp',
    'lmtp',
    'expunge',
    'trash',
    'ignore',
    'folder',
    'sieve',
  ])
    assert.ok(words.has(word), word)
})
