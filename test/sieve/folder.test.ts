/** Scripts on disk, as Dovecot keeps them. */
import assert from 'node:assert/strict'
import {
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import fc from 'fast-check'
import { ListFiles } from '../../lib/sieve/list-files.js'
import { isScriptName } from '../../lib/sieve/script-name.js'
import { readSource, ScriptFolder, ScriptRefused } from '../../lib/sieve/scripts.js'
import { temporaryDirectory } from '../support/world.js'

const limits = { maxScriptSize: 1000, maxScripts: 3, maxStorage: 2000 }

function folderIn(t: TestContext): { home: string; folder: ScriptFolder; link: string } {
  const home = join(temporaryDirectory(t), 'home')
  return { home, folder: new ScriptFolder(home, limits), link: join(home, '.dovecot.sieve') }
}

async function reasonOf(work: Promise<unknown>): Promise<string> {
  try {
    await work
  } catch (error) {
    if (error instanceof ScriptRefused) return error.reason
    throw error
  }
  return 'none'
}

test('a home that is not there yet has no scripts', async t => {
  const { folder } = folderIn(t)
  assert.deepEqual(await folder.list(), [])
  assert.equal(folder.active(), undefined)
  assert.equal(await reasonOf(folder.read('x')), 'nonexistent')
  assert.equal(await reasonOf(folder.activate('x')), 'nonexistent')
  await folder.deactivate()
})

test('writing, activating, renaming, removing', async t => {
  const { home, folder, link } = folderIn(t)
  await folder.write('나의 필터', Buffer.from('keep;'))
  await folder.activate('나의 필터')
  assert.equal(readlinkSync(link), 'sieve/나의 필터.sieve')
  assert.deepEqual(folder.active(), { name: '나의 필터', text: 'keep;' })
  assert.equal(await reasonOf(folder.remove('나의 필터')), 'active')
  await folder.write('나의 필터', Buffer.from('discard;'))
  assert.equal(folder.active()?.text, 'discard;')
  await folder.rename('나의 필터', 'b')
  assert.equal(readlinkSync(link), 'sieve/b.sieve')
  assert.deepEqual(await folder.list(), [{ name: 'b', active: true, size: 8 }])
  assert.equal(await reasonOf(folder.rename('b', 'b')), 'already-exists')
  assert.equal(await reasonOf(folder.rename('a', 'c')), 'nonexistent')
  await folder.deactivate()
  assert.equal(folder.active(), undefined)
  await folder.remove('b')
  assert.deepEqual(readdirSync(join(home, 'sieve')), [])
  assert.equal(lstatSync(join(home, 'sieve')).mode & 0o777, 0o700)
})

test('limits, where a script that is replaced does not count', async t => {
  const { folder } = folderIn(t)
  const octets = (size: number) => Buffer.alloc(size, 32)
  assert.equal(await reasonOf(folder.write('big', octets(1001))), 'max-size')
  await folder.write('a', octets(1000))
  await folder.write('b', octets(900))
  assert.equal(await reasonOf(folder.write('c', octets(200))), 'quota')
  await folder.write('b', octets(1000))
  await folder.write('b', octets(1))
  await folder.write('c', octets(1))
  assert.equal(await reasonOf(folder.write('d', octets(1))), 'max-scripts')
  assert.equal(await reasonOf(folder.checkSpace('c', 500)), 'none')
})

test('a script that Dovecot made active, wherever the link leads', async t => {
  const { home, folder, link } = folderIn(t)
  mkdirSync(join(home, 'sieve'), { recursive: true })
  writeFileSync(join(home, 'sieve', 'roundcube.sieve'), '# rc')
  symlinkSync(join(home, 'sieve', 'roundcube.sieve'), link)
  assert.equal(await folder.activeName(), 'roundcube')
  assert.deepEqual(await folder.list(), [{ name: 'roundcube', active: true, size: 4 }])
})

test('a script written by hand is active, and kept when another becomes active', async t => {
  const { home, folder, link } = folderIn(t)
  mkdirSync(home, { recursive: true })
  writeFileSync(link, '# by hand')
  assert.equal(folder.active()?.text, '# by hand')
  assert.equal(await folder.activeName(), undefined)
  await folder.write('new', Buffer.from('keep;'))
  await folder.activate('new')
  assert.equal(readFileSync(join(home, 'sieve', 'dovecot.orig.sieve'), 'utf8'), '# by hand')
  assert.equal(folder.active()?.name, 'new')
})

test('RFC 5804 §1.6: names', async t => {
  const { folder } = folderIn(t)
  for (const name of [
    '',
    '.',
    '..',
    'a/b',
    '/a',
    '../a',
    '.hidden',
    'a\0b',
    'a\nb',
    'a\x7fb',
    'a\u0085b',
    'a\u2028b',
    'x'.repeat(129),
    '가'.repeat(81),
    'e\u0301',
    '\ud800',
  ]) {
    assert.equal(isScriptName(name), false, JSON.stringify(name))
    assert.equal(await reasonOf(folder.write(name, Buffer.from('keep;'))), 'name')
    assert.equal(await reasonOf(folder.read(name)), 'name')
    assert.equal(readSource(temporaryDirectory(t), name), undefined)
  }
  for (const name of ['a', 'a b', 'a.sieve', '나의 필터', 'x'.repeat(128), 'é', '~', 'con\\fig'])
    assert.equal(isScriptName(name), true, name)
})

test('no name leads out of the folder', () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom('.', '/', '\\', 'a', '\0', ' ', '…') }), name => {
      if (isScriptName(name)) assert.equal(join('/home/sieve', `${name}.sieve`), `/home/sieve/${name}.sieve`)
    }),
  )
})

test('lists in files, read again when they change', t => {
  const directory = temporaryDirectory(t)
  const lists = new ListFiles(directory)
  const urn = 'urn:ietf:params:sieve:addrbook:default'
  assert.equal(lists.has(urn), false)
  writeFileSync(join(directory, 'default'), '# friends\nA@example.com\r\n\nb@example.com\n')
  assert.equal(lists.has(urn), true)
  assert.equal(lists.holds(urn, 'a@EXAMPLE.com'), true)
  assert.equal(lists.holds(urn, '# friends'), false)
  assert.deepEqual(lists.members(urn), ['a@example.com', 'b@example.com'])
  writeFileSync(join(directory, 'default'), 'c@example.com\n')
  assert.deepEqual(lists.members(urn), ['c@example.com'])
  for (const name of [
    'urn:ietf:params:sieve:addrbook:../default',
    'urn:ietf:params:sieve:addrbook:.',
    'file:///etc/passwd',
    'default',
  ])
    assert.equal(lists.has(name), false, name)
})
