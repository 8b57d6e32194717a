/** Every script of fixtures/sieve does what it says of itself. */
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { describe, folder, messagePath, readCases, run } from './cases.js'

const cases = readCases()

test('there are scripts, and each has cases', () => assert.ok(cases.length > 150))

for (const { script, message, from, to, expected } of cases)
  test(`${script} ${message} from=${from} to=${to}`, () => {
    const text = readFileSync(join(folder, script), 'utf8')
    const outcome = run(text, readFileSync(messagePath(message)), { envelope: { from, to } })
    const errors = outcome.errors.map(({ line, message }) => `${line}: ${message}`).join('\n')
    assert.equal(describe(outcome), expected, errors)
  })

test('the line ends of a message make no difference', () => {
  for (const { script, message, from, to, expected } of cases) {
    const text = readFileSync(join(folder, script), 'utf8')
    const octets = readFileSync(messagePath(message), 'latin1').replaceAll('\n', '\r\n')
    const outcome = run(text, Buffer.from(octets, 'latin1'), { envelope: { from, to } })
    assert.equal(describe(outcome), expected, `${script} ${message}`)
  }
})
