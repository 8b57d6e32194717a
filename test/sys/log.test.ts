import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { Log } from '../../lib/sys/log.js'

function logged(journal: boolean, use: (log: Log) => void): string {
  let text = ''
  const write = (line: string) => {
    text += line
  }
  use(new Log({ journal, clock: () => 0, write }))
  return text
}

test('a line has its time, its level, its event and its fields in logfmt', () => {
  const text = logged(false, log =>
    log.with({ daemon: 'mail-smtpd' }).info('delivered', { size: 12, to: undefined }),
  )
  assert.equal(text, 'time=1970-01-01T00:00:00.000Z level=info event=delivered daemon=mail-smtpd size=12\n')
})

test('under the journal a line begins with its priority', () => {
  assert.equal(
    logged(true, log => log.error('failed')),
    '<3>event=failed\n',
  )
})

const hostile = [
  ['two words', '"two words"'],
  ['', '""'],
  ['a=b', '"a=b"'],
  ['x\r\nlevel=error event=forged', '"x\\r\\nlevel=error event=forged"'],
  ['\u202egnp.exe', '"\\u202egnp.exe"'],
  ['<alice@ilnmors.internal>', '<alice@ilnmors.internal>'],
] as const
for (const [value, written] of hostile)
  test(`a field's value ${JSON.stringify(value)} cannot leave its field`, () => {
    assert.equal(
      logged(true, log => log.info('seen', { value })),
      `<6>event=seen value=${written}\n`,
    )
  })

test('what is less important than the level is not written', () => {
  assert.equal(
    logged(true, log => log.debug('detail')),
    '',
  )
})

test('lines gathered in one turn go out in one piece, in order, before the process ends', () => {
  const script = `
    import { gatheredStderr } from ${JSON.stringify(pathToFileURL('dist/tree/lib/sys/log.js').href)}
    let writes = 0
    const write = process.stderr.write.bind(process.stderr)
    process.stderr.write = text => { writes++; return write(text) }
    const say = gatheredStderr()
    for (let i = 0; i < 20; i++) gatheredStderr()
    say('1\\n'); say('2\\n')
    setImmediate(() => setImmediate(() => {
      say('3 after ' + writes + '\\n')
      process.exit(0)
    }))`
  const { stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' })
  assert.equal(stderr, '1\n2\n3 after 1\n')
})
