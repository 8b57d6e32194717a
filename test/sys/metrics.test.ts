import assert from 'node:assert/strict'
import { test } from 'node:test'
import { exposition, Metrics, mergeFamilies } from '../../lib/sys/metrics.js'

test('the text has each family once, with its help and type, and labels escaped', async () => {
  const metrics = new Metrics()
  const plain = metrics.counter('postern_a_total', 'What\nis \\ counted.')
  const labelled = metrics.labelledCounter('postern_b_total', 'With labels.')
  metrics.gauge('postern_empty', 'Never set.')
  const measured = metrics.gauge('postern_c', 'Measured.')
  metrics.onCollect(() => measured.set(1.5))
  labelled.add({ reason: 'a "b" \\ c\n' }, 2)
  labelled.add({ reason: 'a "b" \\ c\n' })
  assert.equal(
    exposition(await metrics.families()),
    [
      '# HELP postern_a_total What\\nis \\\\ counted.',
      '# TYPE postern_a_total counter',
      'postern_a_total 0',
      '# HELP postern_b_total With labels.',
      '# TYPE postern_b_total counter',
      'postern_b_total{reason="a \\"b\\" \\\\ c\\n"} 3',
      '# HELP postern_c Measured.',
      '# TYPE postern_c gauge',
      'postern_c 1.5',
      '',
    ].join('\n'),
  )
  plain.add()
  assert.equal((await metrics.families())[0]?.samples[0]?.value, 1)
})

test('families of two processes become one, told apart by a label', async () => {
  const lists = await Promise.all(
    ['imapd', 'smtpd'].map(process => {
      const metrics = new Metrics()
      metrics.counter('postern_a_total', 'Counted.').add({}, process.length)
      return metrics.families({ process })
    }),
  )
  assert.deepEqual(mergeFamilies(lists), [
    {
      name: 'postern_a_total',
      type: 'counter',
      help: 'Counted.',
      samples: [
        { labels: { process: 'imapd' }, value: 5 },
        { labels: { process: 'smtpd' }, value: 5 },
      ],
    },
  ])
})

for (const [value, text] of [
  [Number.NaN, 'NaN'],
  [Number.POSITIVE_INFINITY, '+Inf'],
  [Number.NEGATIVE_INFINITY, '-Inf'],
  [1e21, '1e+21'],
] as const)
  test(`${text} is written as the format has it`, async () => {
    const metrics = new Metrics()
    metrics.gauge('x', 'X.').set(value)
    assert.match(exposition(await metrics.families()), new RegExp(`^x ${text.replace('+', '\\+')}$`, 'm'))
  })
