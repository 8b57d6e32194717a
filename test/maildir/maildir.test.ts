import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { promisify } from 'node:util'
import fc from 'fast-check'
import { LineEnds } from '../../lib/maildir/lines.js'
import { cleanTmp, Delivery, makeMaildir } from '../../lib/maildir/maildir.js'
import { parseName } from '../../lib/maildir/name.js'
import { until } from '../support/world.js'

const world = mkdtempSync(join(tmpdir(), 'postern-maildir-'))
after(() => rmSync(world, { recursive: true, force: true }))
let count = 0
const fresh = () => join(world, `m${++count}`, 'Maildir')
const files = (maildir: string) =>
  ['cur', 'new', 'tmp'].flatMap(part => readdirSync(join(maildir, part)).map(name => `${part}/${name}`))

test('a message appears once, with LF line ends and exact sizes in its name', async () => {
  const maildir = fresh()
  const delivery = await Delivery.begin(maildir)
  await delivery.write(Buffer.from('Subject: x\r'))
  await delivery.write(Buffer.from('\n\r\nbody\nbare\r\n'))
  assert.equal(readdirSync(join(maildir, 'new')).length, 0)
  const [file] = await delivery.commit()
  assert.deepEqual(files(maildir), [`new/${file!.name}`])
  assert.equal(readFileSync(join(maildir, 'new', file!.name), 'latin1'), 'Subject: x\n\nbody\nbare\n')
  const { storedSize, size } = parseName(file!.name)
  assert.deepEqual([storedSize, size], [22, 26])
  assert.equal(statSync(join(maildir, 'new', file!.name)).mode & 0o777, 0o600)
})

for (const [where, directory] of [
  ['the disk', world],
  ['memory', '/dev/shm'],
] as const)
  test(`messages of all sizes, in pieces and whole, on ${where}`, {
    skip: !existsSync(directory),
  }, async t => {
    const maildir = join(mkdtempSync(join(directory, 'postern-maildir-')), 'Maildir')
    t.after(() => rmSync(join(maildir, '..'), { recursive: true, force: true }))
    for (const size of [0, 1, 4_095, 4_096, 4_097, 65_536, 131_071, 131_072, 131_073, 300_000]) {
      const octets = Buffer.alloc(size, 'line of text\n')
      for (const piece of [size, 1_000, 65_536]) {
        const delivery = await Delivery.begin(maildir)
        for (let at = 0; at < size; at += piece) await delivery.write(octets.subarray(at, at + piece))
        await delivery.stage()
        assert.deepEqual(readFileSync(delivery.temporary), octets, `${size} in pieces of ${piece}`)
        const [file] = await delivery.commit()
        const path = join(maildir, 'new', file!.name)
        assert.deepEqual(readFileSync(path), octets)
        assert.equal(file!.storedSize, size)
      }
    }
    assert.deepEqual(readdirSync(join(maildir, 'tmp')), [])
  })

test('what is staged and then aborted leaves nothing; what is staged may still be placed', async () => {
  const maildir = fresh()
  const aborted = await Delivery.begin(maildir)
  await aborted.write(Buffer.from('x\n'))
  await aborted.stage()
  await aborted.abort()
  assert.deepEqual(files(maildir), [])
  await assert.rejects(aborted.commit(), /ended/)
  const placed = await Delivery.begin(maildir)
  await placed.write(Buffer.from('x\n'))
  await placed.stage()
  await placed.place({ maildir, flags: 'S' })
  assert.equal(files(maildir).length, 1)
})

test('several Maildirs share one file; flags go to cur/', async () => {
  const [a, b, c] = [fresh(), fresh(), fresh()]
  const delivery = await Delivery.begin(a)
  await delivery.write(Buffer.from('x\r\n'))
  const done = await delivery.commit([a, { maildir: b, flags: 'SF' }, c])
  const inodes = done.map(file => statSync(join(file.maildir, file.folder, file.name)).ino)
  assert.equal(new Set(inodes).size, 1)
  assert.deepEqual(
    done.map(file => file.folder),
    ['new', 'cur', 'new'],
  )
  assert.match(done[1]!.name, /:2,FS$/)
  for (const maildir of [a, b, c]) assert.equal(files(maildir).length, 1)
})

test('abort() leaves nothing, at any time', async () => {
  const maildir = fresh()
  const begun = await Delivery.begin(maildir)
  await begun.abort()
  await begun.abort()
  const synced = await Delivery.begin(maildir)
  await synced.write(Buffer.from('x'))
  await synced.sync()
  await synced.abort()
  await assert.rejects(synced.commit(), /ended/)
  await assert.rejects(synced.write(Buffer.from('x')), /ended/)
  assert.deepEqual(files(maildir), [])
})

test('a file that was expected is taken by the next delivery; one that nobody takes is removed', async () => {
  const maildir = fresh()
  await makeMaildir(maildir)
  const over = Delivery.expect(maildir)
  const unwanted = Delivery.expect(maildir)
  const delivery = await Delivery.begin(maildir)
  await until(() => readdirSync(join(maildir, 'tmp')).length === 2)
  over()
  unwanted()
  await until(() => readdirSync(join(maildir, 'tmp')).length === 1)
  await delivery.write(Buffer.from('Subject: x\n\nx\n'))
  await delivery.commit()
  assert.deepEqual(readdirSync(join(maildir, 'tmp')), [])
  assert.equal(readdirSync(join(maildir, 'new')).length, 1)
})

test('an expected file in a Maildir that is not there yet is no trouble', async () => {
  const maildir = fresh()
  const over = Delivery.expect(maildir)
  const delivery = await Delivery.begin(maildir)
  await delivery.write(Buffer.from('x\n'))
  await delivery.commit()
  over()
  assert.equal(readdirSync(join(maildir, 'new')).length, 1)
})

test('a target that refuses undoes the others and leaves nothing', async () => {
  const [a, b] = [fresh(), fresh()]
  await makeMaildir(a)
  writeFileSync(join(world, 'file'), '')
  const delivery = await Delivery.begin(a)
  await delivery.write(Buffer.from('x\r\n'))
  await assert.rejects(delivery.commit([a, b, join(world, 'file', 'Maildir')]), { temporary: true })
  assert.deepEqual(files(a), [])
  assert.deepEqual(files(b), [])
})

test('a full disk is a temporary error and leaves nothing', async () => {
  // A file size limit makes write(2) short, then fail, as a full disk does.
  const maildir = fresh()
  await makeMaildir(maildir)
  const script = `
    import { Delivery } from ${JSON.stringify(new URL('../../lib/maildir/maildir.js', import.meta.url).href)}
    process.on('SIGXFSZ', () => {})
    const delivery = await Delivery.begin(${JSON.stringify(maildir)})
    try {
      for (let i = 0; i < 100; i++) await delivery.write(Buffer.alloc(10_000, 'x'))
      await delivery.commit()
      console.log('delivered')
    } catch (error) { console.log(error.temporary) }`
  const { stdout } = await promisify(execFile)('/bin/sh', [
    '-c',
    'ulimit -f 100; exec "$0" --input-type=module -e "$1"',
    process.execPath,
    script,
  ])
  assert.equal(stdout, 'true\n')
  assert.deepEqual(files(maildir), [])
})

test('the date becomes the modification time', async () => {
  const maildir = fresh()
  const delivery = await Delivery.begin(maildir)
  await delivery.write(Buffer.from('x\r\n'))
  await delivery.sync(Date.UTC(2008, 0, 2, 3, 4, 5))
  const [file] = await delivery.commit()
  assert.equal(statSync(join(maildir, 'new', file!.name)).mtimeMs, Date.UTC(2008, 0, 2, 3, 4, 5))
})

test('many deliveries at once all arrive, under names of their own', async () => {
  const maildir = fresh()
  const one = async (i: number) => {
    const delivery = await Delivery.begin(maildir)
    await delivery.write(Buffer.from(`${i}\r\n`))
    await delivery.commit()
  }
  await Promise.all(Array.from({ length: 200 }, (_, i) => one(i)))
  const found = readdirSync(join(maildir, 'new')).map(name =>
    readFileSync(join(maildir, 'new', name), 'latin1'),
  )
  assert.deepEqual(new Set(found), new Set(Array.from({ length: 200 }, (_, i) => `${i}\n`)))
})

test('cleanTmp() removes what is 36 hours old and nothing younger', async () => {
  const maildir = fresh()
  await makeMaildir(maildir)
  writeFileSync(join(maildir, 'tmp', 'old'), '')
  assert.equal(await cleanTmp(maildir), 0)
  assert.equal(await cleanTmp(maildir, Date.now() + 37 * 3_600_000), 1)
  assert.deepEqual(files(maildir), [])
  // A file unpacked from an archive has an old date but has just come.
  writeFileSync(join(maildir, 'tmp', 'unpacked'), '')
  utimesSync(join(maildir, 'tmp', 'unpacked'), 1, 1)
  assert.equal(await cleanTmp(maildir), 0)
})

test('makeMaildir() completes what exists and marks folders', async () => {
  const maildir = fresh()
  await makeMaildir(maildir)
  await makeMaildir(maildir, true)
  await makeMaildir(maildir, true)
  assert.deepEqual(readdirSync(maildir).sort(), ['cur', 'maildirfolder', 'new', 'tmp'])
})

test('LineEnds gives the same octets and sizes however the message is cut', () => {
  const octets = fc.array(fc.constantFrom(13, 10, 65, 13, 10), { maxLength: 40 })
  fc.assert(
    fc.property(octets, fc.array(fc.nat(10), { maxLength: 10 }), (all, cuts) => {
      const lines = new LineEnds()
      const parts: Buffer[] = []
      let at = 0
      for (const cut of [...cuts, all.length]) {
        parts.push(lines.convert(Buffer.from(all.slice(at, at + cut))))
        at += cut
      }
      parts.push(lines.end())
      const stored = Buffer.concat(parts).toString('latin1')
      assert.equal(stored, Buffer.from(all).toString('latin1').replaceAll('\r\n', '\n'))
      assert.equal(lines.storedSize, stored.length)
      assert.equal(lines.size, stored.replaceAll(/(?<!\r)\n/g, '\r\n').length)
    }),
  )
})
