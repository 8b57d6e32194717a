/** What is published is what is there. */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { test } from 'node:test'
import { version } from '../lib/command/version.js'

const manifest = JSON.parse(readFileSync('package.json', 'utf8'))
const lock = JSON.parse(readFileSync('package-lock.json', 'utf8'))

test('the version is one', () => {
  assert.equal(version, manifest.version)
  assert.equal(lock.version, manifest.version)
  assert.match(
    readFileSync('CHANGELOG.md', 'utf8'),
    new RegExp(`^## ${manifest.version.replaceAll('.', '\\.')} `, 'm'),
  )
})

test('npm installs every command', () => {
  const names = readdirSync('bin').map(file => file.replace(/\.ts$/, ''))
  assert.deepEqual(manifest.bin, Object.fromEntries(names.sort().map(name => [name, `dist/bin/${name}.cjs`])))
})

test('npm installs every page of the manual', () => {
  assert.deepEqual(
    manifest.man,
    readdirSync('man')
      .sort()
      .map(name => `man/${name}`),
  )
})

test('every package is pinned, locked by its integrity, and comes from the registry', () => {
  for (const range of Object.values({ ...manifest.dependencies, ...manifest.devDependencies }))
    assert.match(range as string, /^\d+\.\d+\.\d+$/)
  for (const [path, entry] of Object.entries<{ integrity?: string; resolved?: string }>(lock.packages)) {
    if (path === '') continue
    assert.ok(entry.integrity, `${path} has no integrity`)
    assert.equal(entry.resolved, undefined, `${path} names a place`)
  }
})

test('what lib/ imports is a dependency, and every dependency is imported', () => {
  const imported = new Set<string>()
  for (const path of readdirSync('lib', { recursive: true, encoding: 'utf8' })) {
    if (!path.endsWith('.ts') || path.endsWith('.d.ts')) continue
    const text = readFileSync(`lib/${path}`, 'utf8')
    for (const [, from, lazy] of text.matchAll(
      /^(?:import|export)\b[^'"]*?from '([^'.][^']*)'|\bimport\('([^'.][^']*)'\)/gm,
    )) {
      const [first = '', second] = ((from ?? lazy) as string).split('/')
      if (!first.startsWith('node:')) imported.add(first.startsWith('@') ? `${first}/${second}` : first)
    }
  }
  assert.deepEqual([...imported].sort(), Object.keys(manifest.dependencies).sort())
})

test('installing runs no script, ours or a dependency’s', () => {
  for (const name of ['preinstall', 'install', 'postinstall', 'prepare'])
    assert.equal(manifest.scripts[name], undefined)
  for (const [path, entry] of Object.entries<{ hasInstallScript?: boolean; dev?: boolean }>(lock.packages))
    assert.ok(!entry.hasInstallScript || entry.dev, `${path} runs a script when it is installed`)
})
