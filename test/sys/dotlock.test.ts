import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  unlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { withDotlock } from '../../lib/sys/dotlock.js'
import { temporaryDirectory, until } from '../support/world.js'

test('withDotlock() holds a plain file with pid:hostname while the work runs, and removes it after', async t => {
  const path = join(temporaryDirectory(t), 'dovecot-uidlist.lock')
  await withDotlock(path, () => assert.equal(readFileSync(path, 'utf8'), `${process.pid}:${hostname()}`))
  assert.ok(!existsSync(path))
})

test('withDotlock() removes the lock when the work throws', async t => {
  const path = join(temporaryDirectory(t), 'lock')
  await assert.rejects(
    withDotlock(path, () => {
      throw new Error('mine')
    }),
    /mine/,
  )
  assert.ok(!existsSync(path))
})

test('withDotlock() lets callers of one process in one at a time, in order', async t => {
  const path = join(temporaryDirectory(t), 'lock')
  const order: string[] = []
  await Promise.all(
    [1, 2, 3].map(n =>
      withDotlock(path, async () => {
        order.push(`in ${n}`)
        await new Promise(resolve => setTimeout(resolve, 2))
        order.push(`out ${n}`)
      }),
    ),
  )
  assert.deepEqual(order, ['in 1', 'out 1', 'in 2', 'out 2', 'in 3', 'out 3'])
})

test('withDotlock() takes over the lock of a dead process of this host at once', async t => {
  const path = join(temporaryDirectory(t), 'lock')
  const { pid } = spawnSync(process.execPath, ['-e', ''])
  writeFileSync(path, `${pid}:${hostname()}`)
  assert.equal(await withDotlock(path, () => 'mine', { wait: 1_000 }), 'mine')
})

test('withDotlock() waits for a live process until it lets go', async t => {
  const path = join(temporaryDirectory(t), 'lock')
  const holder = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'])
  t.after(() => holder.kill('SIGKILL'))
  writeFileSync(path, `${holder.pid}:${hostname()}`)
  utimesSync(path, 0, 0)
  await assert.rejects(
    withDotlock(path, () => 'never', { wait: 100 }),
    { name: 'TemporaryError', message: /is held by \d+:/ },
  )
  const waiting = withDotlock(path, () => 'mine', { wait: 5_000 })
  holder.kill('SIGKILL')
  assert.equal(await waiting, 'mine')
})

test('withDotlock() leaves nothing beside the lock; where it is taken often, what the next is made of stands in tmp/', async t => {
  const folder = temporaryDirectory(t)
  const path = join(folder, 'lock')
  const inTmp = () => readdirSync(join(folder, 'tmp'))
  mkdirSync(join(folder, 'tmp'))
  const often = true
  await withDotlock(path, () => assert.deepEqual(readdirSync(folder).sort(), ['lock', 'tmp']))
  assert.deepEqual([readdirSync(folder), inTmp()], [['tmp'], []])
  await withDotlock(path, () => {}, { often })
  assert.deepEqual(readdirSync(folder), ['tmp'])
  const [made = ''] = inTmp()
  const { ino } = statSync(join(folder, 'tmp', made))
  const look = () => assert.equal(statSync(path).ino, ino)
  await withDotlock(path, look, { often })
  t.mock.timers.enable({ apis: ['Date'], now: Date.now() + 100_000 })
  await withDotlock(
    path,
    () => assert.ok(statSync(path).mtimeMs > Date.now() - 50_000, 'a lock is not older than its taking'),
    { often },
  )
  t.mock.timers.reset()
  assert.deepEqual(inTmp(), [made])
  unlinkSync(join(folder, 'tmp', made))
  const read = () => assert.equal(readFileSync(path, 'utf8'), `${process.pid}:${hostname()}`)
  await withDotlock(path, read, { often })
  assert.equal(inTmp().length, 1)
})

test('a process that ends takes what it made locks of with it', t => {
  const folder = temporaryDirectory(t)
  mkdirSync(join(folder, 'tmp'))
  const module = new URL('../../lib/sys/dotlock.js', import.meta.url).href
  const script = `import { withDotlock } from ${JSON.stringify(module)}
    import { readdirSync } from 'node:fs'
    const folder = process.argv[1]
    await withDotlock(folder + '/lock', () => {}, { often: true })
    console.log(readdirSync(folder + '/tmp').length)`
  const { stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', script, folder])
  assert.equal(stdout.toString().trim(), '1')
  assert.deepEqual(readdirSync(join(folder, 'tmp')), [])
})

test('a stale lock is broken once, whoever else would break it', async t => {
  const path = join(temporaryDirectory(t), 'lock')
  const { pid } = spawnSync(process.execPath, ['-e', ''])
  const module = new URL('../../lib/sys/dotlock.js', import.meta.url).href
  const script = `import { withDotlock } from ${JSON.stringify(module)}
    import { closeSync, linkSync, openSync, unlinkSync } from 'node:fs'
    const [path, dead] = process.argv.slice(1)
    for (let i = 0; i < 200; i++) {
      await withDotlock(path, () => {
        closeSync(openSync(path + '.inside', 'wx'))
        unlinkSync(path + '.inside')
      })
      try { linkSync(dead, path) } catch {}
    }`
  writeFileSync(`${path}.dead`, `${pid}:${hostname()}`)
  const args = ['--input-type=module', '-e', script, path, `${path}.dead`]
  const children = [1, 2, 3].map(() => spawn(process.execPath, args, { stdio: 'inherit' }))
  await Promise.all(children.map(child => until(() => child.exitCode !== null, 60_000)))
  assert.deepEqual(
    children.map(child => child.exitCode),
    [0, 0, 0],
  )
})

const strangers = [
  ['another host', '1:somewhere-else'],
  ['nobody knows whom', ''],
] as const
for (const [who, content] of strangers)
  test(`withDotlock() breaks a lock of ${who} only when it is two minutes old`, async t => {
    const path = join(temporaryDirectory(t), 'lock')
    writeFileSync(path, content)
    await assert.rejects(
      withDotlock(path, () => 'never', { wait: 50 }),
      { name: 'TemporaryError' },
    )
    const old = Date.now() / 1000 - 130
    utimesSync(path, old, old)
    assert.equal(await withDotlock(path, () => 'mine', { wait: 1_000 }), 'mine')
  })

test('withDotlock() loses no increment between processes', async t => {
  const folder = temporaryDirectory(t)
  const [path, counter] = [join(folder, 'lock'), join(folder, 'counter')]
  writeFileSync(counter, '0')
  const module = new URL('../../lib/sys/dotlock.js', import.meta.url).href
  const script = `import { withDotlock } from ${JSON.stringify(module)}
    import { readFileSync, writeFileSync } from 'node:fs'
    const [path, counter] = process.argv.slice(1)
    for (let i = 0; i < 200; i++)
      await withDotlock(path, () => writeFileSync(counter, String(Number(readFileSync(counter, 'utf8')) + 1)))`
  const children = [1, 2, 3].map(() =>
    spawn(process.execPath, ['--input-type=module', '-e', script, path, counter], { stdio: 'inherit' }),
  )
  await Promise.all(children.map(child => until(() => child.exitCode !== null, 30_000)))
  assert.equal(readFileSync(counter, 'utf8'), '600')
})
