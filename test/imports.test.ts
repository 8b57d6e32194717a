/** The import rules: which folder may import which, and that each outside package has one importer. */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

const low = ['sys', 'message', 'wire']
const stores = ['maildir', 'queue', 'sieve', 'auth', 'config', 'mailbox']
const protocols = ['smtp', 'imap', 'pop3', 'managesieve']
const verbs = ['serve', 'deliver', 'relay', 'fetch', 'setup']
const below = [...low, ...stores, ...protocols]

/** From the folder of lib/ to the folders it may import besides itself. */
const allowed: Record<string, readonly string[]> = {
  sys: [],
  message: [],
  wire: ['sys'],
  ...Object.fromEntries(protocols.map(name => [name, low])),
  ...Object.fromEntries(stores.map(name => [name, ['message', 'sys']])),
  mailbox: ['maildir', 'message', 'sys'],
  ...Object.fromEntries(verbs.map(name => [name, below])),
  command: [...below, ...verbs],
}

const sources = readdirSync('lib', { recursive: true, encoding: 'utf8' })
  .filter(path => path.endsWith('.ts') && !path.endsWith('.d.ts'))
  .map(path => ({ path, folder: path.split('/')[0] ?? '', text: readFileSync(join('lib', path), 'utf8') }))

function* imports(text: string): Generator<string> {
  for (const [, from, lazy] of text.matchAll(
    /^(?:import|export)\b[^'"]*?from '([^']+)'|\bimport\('([^']+)'\)/gm,
  ))
    yield (from ?? lazy) as string
}

test('every folder of lib/ imports only what stands below it', () => {
  const broken: string[] = []
  for (const { path, folder, text } of sources)
    for (const name of imports(text)) {
      if (!name.startsWith('.')) continue
      const target = join(path, '..', name).split('/')[0] ?? ''
      if (target !== folder && !allowed[folder]?.includes(target))
        broken.push(`lib/${path} imports ${target}`)
    }
  assert.deepEqual(broken, [])
})

test('each outside package is imported by one file', () => {
  const importers = new Map<string, Set<string>>()
  for (const { path, text } of sources)
    for (const name of imports(text)) {
      if (name.startsWith('.') || name.startsWith('node:')) continue
      const [first = '', second] = name.split('/')
      const parcel = first.startsWith('@') ? `${first}/${second}` : first
      importers.set(parcel, (importers.get(parcel) ?? new Set()).add(path))
    }
  const shared = [...importers].filter(([, files]) => files.size > 1).map(([name, files]) => [name, ...files])
  assert.deepEqual(shared, [])
})

test('nothing but lib/command knows the command line and the environment', () => {
  const knowing = sources
    .filter(
      ({ folder, text }) => folder !== 'command' && folder !== 'sys' && /process\.(argv|env)\b/.test(text),
    )
    .map(({ path }) => path)
  assert.deepEqual(knowing, [])
})

test('bin/ names commands and does nothing else', () => {
  for (const name of readdirSync('bin')) {
    const text = readFileSync(join('bin', name), 'utf8')
    assert.ok(text.split('\n').length <= 6, `bin/${name} is longer than its four lines`)
    for (const from of imports(text))
      assert.match(from, /^\.\.\/lib\/command\//, `bin/${name} imports ${from}`)
  }
})
