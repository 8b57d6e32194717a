import assert from 'node:assert/strict'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { Cache } from '../../lib/mailbox/cache.js'
import { Offsets } from '../../lib/mailbox/offsets.js'

const world = mkdtempSync(join(tmpdir(), 'postern-cache-'))
after(() => rmSync(world, { recursive: true, force: true }))
mkdirSync(join(world, 'tmp'))
const path = join(world, 'postern.cache')

function fresh(): Cache {
  rmSync(path, { force: true })
  return new Cache(world, 7)
}

const valueFor = (uid: number, size = 100) => Buffer.alloc(size, `${uid} `)

function fill(cache: Cache, from: number, to: number, size?: number): void {
  for (let uid = from; uid <= to; uid++) {
    cache.put(uid, 'a', valueFor(uid, size))
    cache.put(uid, 'b', valueFor(uid * 2, size))
  }
}

function check(cache: Cache, uids: readonly number[], size?: number): void {
  for (const uid of uids) {
    assert.deepEqual(cache.get(uid, 'a'), valueFor(uid, size), `${uid}`)
    assert.deepEqual(cache.get(uid, 'b'), valueFor(uid * 2, size))
  }
}

const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => from + i)

test('what is kept is there at once, after flushing, and for the next process, in any order', async () => {
  const cache = fresh()
  assert.equal(cache.get(1, 'a'), undefined)
  fill(cache, 1, 3000)
  check(cache, range(1, 3000))
  cache.flush()
  check(cache, range(1, 3000))
  check(cache, range(1, 300).reverse())
  assert.equal(cache.get(1, 'c'), undefined)
  assert.equal(cache.get(3001, 'a'), undefined)
  cache.close()
  const next = new Cache(world, 7)
  await next.prepare()
  check(next, range(1, 3000))
  next.put(5, 'a', Buffer.from('newer'))
  assert.equal(next.get(5, 'a')?.toString(), 'newer')
  next.close()
  assert.equal(new Cache(world, 7).get(5, 'a')?.toString(), 'newer')
})

test('large and empty values are kept; larger ones are not', () => {
  const cache = fresh()
  for (const [uid, size] of [
    [1, 0],
    [2, 500_000],
    [3, 1 << 20],
    [4, (1 << 20) + 1],
    [5, 3],
  ] as const)
    cache.put(uid, 'a', Buffer.alloc(size, 'x'))
  cache.close()
  const next = new Cache(world, 7)
  const sizes = [1, 2, 3, 4, 5].map(uid => next.get(uid, 'a')?.length)
  assert.deepEqual(sizes, [0, 500_000, 1 << 20, undefined, 3])
  next.close()
})

test('another UIDVALIDITY begins anew', () => {
  const cache = fresh()
  fill(cache, 1, 5)
  cache.close()
  const other = new Cache(world, 8)
  assert.equal(other.get(1, 'a'), undefined)
  fill(other, 1, 5)
  check(other, range(1, 5))
  other.close()
})

test('two processes keep in one file and find what the other kept', () => {
  const cache = fresh()
  const other = new Cache(world, 7)
  fill(cache, 1, 50)
  cache.flush()
  assert.equal(other.get(60, 'a'), undefined)
  fill(other, 51, 100)
  other.flush()
  fill(cache, 101, 110)
  cache.flush()
  check(cache, range(1, 110))
  fill(other, 111, 112)
  other.flush()
  check(other, range(1, 112))
  cache.close()
  other.close()
})

test('cut or changed at any octet, it gives what was kept or nothing, and goes on', () => {
  const cache = fresh()
  fill(cache, 1, 10)
  cache.close()
  const whole = readFileSync(path)
  for (let at = 0; at < whole.length; at += 7)
    for (const how of ['cut', 'changed']) {
      const octets = how === 'cut' ? whole.subarray(0, at) : Buffer.from(whole)
      if (how === 'changed') octets[at]! ^= 0xff
      writeFileSync(path, octets)
      utimesSync(path, 1, 1)
      const damaged = new Cache(world, 7)
      for (let uid = 1; uid <= 10; uid++) {
        const value = damaged.get(uid, 'a')
        if (value) assert.deepEqual(value, valueFor(uid), `${how} at ${at}`)
      }
      for (let round = 0; round < 2; round++) {
        fill(damaged, 11, 20)
        damaged.flush()
      }
      check(damaged, range(11, 20))
      damaged.close()
      const next = new Cache(world, 7)
      check(next, range(11, 20))
      next.close()
    }
})

test('a file that is cut, removed or replaced under a running session costs nothing but what was in it', () => {
  const cache = fresh()
  for (const damage of [
    () => truncateSync(path, 50),
    () => rmSync(path),
    () => writeFileSync(path, 'x'.repeat(100_000)),
  ]) {
    fill(cache, 1, 100)
    cache.flush()
    check(cache, range(1, 100))
    damage()
    if (existsSync(path)) utimesSync(path, 1, 1)
    for (const uid of range(1, 100)) {
      const value = cache.get(uid, 'a')
      if (value) assert.deepEqual(value, valueFor(uid))
    }
    for (let round = 0; round < 2; round++) {
      fill(cache, 101, 200)
      cache.flush()
    }
    check(cache, range(101, 200))
  }
  cache.close()
})

test('records of messages that are gone are dropped when there are many', async () => {
  const cache = fresh()
  fill(cache, 1, 1500, 1000)
  cache.flush()
  const { size } = statSync(path)
  assert.ok(!cache.wantsRewrite(uid => uid > 500))
  assert.ok(cache.wantsRewrite(uid => uid > 1000))
  await cache.rewrite(uid => uid > 1000)
  assert.ok(statSync(path).size < size / 2)
  check(cache, range(1001, 1500), 1000)
  assert.equal(cache.get(1, 'a'), undefined)
  cache.close()
  check(new Cache(world, 7), range(1001, 1500), 1000)
})

test('a directory that is not there keeps nothing and harms nobody', () => {
  const cache = new Cache(join(world, 'nowhere'), 7)
  cache.put(1, 'a', Buffer.from('x'))
  cache.flush()
  assert.equal(cache.get(1, 'a'), undefined)
  assert.ok(!existsSync(join(world, 'nowhere')))
})

test('Offsets is a map', () => {
  const offsets = new Offsets()
  for (let i = 1; i < 5000; i++) offsets.set(i * 64, i)
  offsets.set(64, 0)
  assert.equal(offsets.size, 4999)
  assert.deepEqual([offsets.get(64), offsets.get(128), offsets.get(65)], [0, 2, undefined])
  assert.equal([...offsets.entries()].length, 4999)
})

test('Offsets knows what was checked until it stands elsewhere', () => {
  const offsets = new Offsets()
  for (let uid = 1; uid <= 20; uid++) offsets.set(uid, uid * 100)
  for (const uid of [3, 7, 99]) offsets.setChecked(uid)
  for (let uid = 21; uid <= 5000; uid++) offsets.set(uid, uid * 100)
  const checked = () => Array.from({ length: 5001 }, (_, uid) => uid).filter(uid => offsets.isChecked(uid))
  assert.deepEqual(checked(), [3, 7])
  offsets.set(7, 1)
  assert.deepEqual(checked(), [3])
})

test('a record that is wrong when it is first read is not believed later either', () => {
  const cache = fresh()
  fill(cache, 1, 3, 20_000)
  cache.close()
  const octets = readFileSync(path)
  octets[octets.indexOf('3 3 3 ') + 1_000]! ^= 0xff
  writeFileSync(path, octets)
  const next = new Cache(world, 7)
  for (let round = 0; round < 3; round++)
    assert.deepEqual(
      [1, 2, 3].map(uid => next.get(uid, 'a')?.length),
      [20_000, 20_000, undefined],
    )
  next.close()
})
