import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'

const sources = ['lib/command/meters.ts', 'lib/command/standing.ts'].map(file => readFileSync(file, 'utf8'))
const known = new Set(sources.flatMap(text => text.match(/postern_\w+/g) ?? []))

for (const file of ['alerts.yml', 'grafana.json'])
  test(`${file} asks for numbers that there are`, () => {
    const asked = new Set(readFileSync(`lib/systemd/metrics/${file}`, 'utf8').match(/postern_\w+/g))
    assert.ok(asked.size > 5)
    assert.deepEqual(
      [...asked].filter(name => !known.has(name)),
      [],
    )
  })

test('the dashboard is JSON, and every panel stands apart', () => {
  const { panels } = JSON.parse(readFileSync('lib/systemd/metrics/grafana.json', 'utf8'))
  const places = panels.map(
    ({ gridPos }: { gridPos: { x: number; y: number } }) => `${gridPos.x} ${gridPos.y}`,
  )
  assert.equal(new Set(places).size, panels.length)
})
