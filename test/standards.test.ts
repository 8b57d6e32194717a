/** postern-standards(7) names files that are there, and every extension that the servers advertise. */
import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { test } from 'node:test'

const page = readFileSync('man/postern-standards.7', 'utf8')

test('every line of postern-standards(7) says yes, partial or no, and names a file that is there', () => {
  const lines = [...page.matchAll(/^\.It RFC (\d{3,4}) \\&(\w+)\n(.+)\n\.Pa (.+)$/gm)]
  assert.equal(lines.length, page.match(/^\.It RFC/gm)?.length)
  for (const [, rfc, status, , file] of lines) {
    assert.match(status as string, /^(Yes|Partial|No)$/, `RFC ${rfc}`)
    assert.ok(existsSync(`lib/${file}`), `RFC ${rfc}: there is no lib/${file}`)
  }
})

test('no RFC stands in two lines', () => {
  const numbers = [...page.matchAll(/^\.It RFC (\d+)/gm)].map(([, rfc]) => rfc)
  assert.deepEqual(
    numbers.filter((rfc, index) => numbers.indexOf(rfc) !== index),
    [],
  )
})
