import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { Claimant, isDead } from '../../lib/queue/claim.js'
import { temporaryDirectory } from '../support/world.js'

function claimants(t: TestContext) {
  const directory = temporaryDirectory(t)
  const make = () => new Claimant(directory, join(directory, 'lock'))
  const [one, two] = [make(), make()]
  t.after(() => {
    one.close()
    two.close()
  })
  return { directory, one, two, claim: join(directory, 'x.claim') }
}

test("a claim is one claimant's until it is released", async t => {
  const { one, two, claim } = claimants(t)
  assert.equal(await one.take(claim), true)
  assert.equal(await two.take(claim), false)
  assert.equal(await one.take(claim), false, "nor twice the same one's")
  await one.release(claim)
  assert.equal(await two.take(claim), true)
})

test('the claim of a process that is gone is taken over by one of many', async t => {
  const { directory, one, claim } = claimants(t)
  assert.ok(await one.take(claim))
  const [, ...rest] = readFileSync(claim, 'latin1').split(' ')
  await one.release(claim)
  writeFileSync(claim, [spawnSync('true').pid, ...rest].join(' '))
  const many = Array.from({ length: 20 }, () => new Claimant(directory, join(directory, 'lock')))
  t.after(() => {
    for (const each of many) each.close()
  })
  const won = await Promise.all(many.map(each => each.take(claim)))
  assert.equal(won.filter(Boolean).length, 1)
})

const places: [string, (line: string[]) => string[], boolean][] = [
  ['our own', line => line, false],
  ['a process of our number that began at another time', ([pid, , ...rest]) => [pid!, '1', ...rest], true],
  ['another boot, just touched', ([pid, start, , ...rest]) => [pid!, start!, 'other', ...rest], false],
  [
    'another container, just touched',
    ([pid, start, boot, , ...rest]) => [pid!, start!, boot!, 'pid:[1]', ...rest],
    false,
  ],
  ['garbage, just touched', () => ['what'], false],
]
for (const [what, change, dead] of places)
  test(`isDead() ${what}`, async t => {
    const { one, claim, directory } = claimants(t)
    assert.ok(await one.take(claim))
    const path = join(directory, 'other')
    writeFileSync(path, change(readFileSync(claim, 'latin1').trim().split(' ')).join(' '))
    assert.equal(isDead(path), dead)
    const long = Date.now() / 1000 - 200
    utimesSync(path, long, long)
    assert.equal(isDead(path), what !== 'our own', 'after two minutes without a touch')
  })

test('closing leaves no file behind, and a claimant whose file was swept shows itself again', async t => {
  const { directory, one, two, claim } = claimants(t)
  assert.ok(await one.take(claim))
  await one.release(claim)
  one.close()
  assert.deepEqual(readdirSync(directory), [])
  assert.ok(await two.take(claim))
  await two.release(claim)
  for (const name of readdirSync(directory)) spawnSync('rm', [join(directory, name)])
  assert.ok(await two.take(claim))
  assert.ok(existsSync(claim))
})
