/** What comes of mail that a listener takes: transcripts against mail-smtpd's service, with real users and Maildirs. */
import assert from 'node:assert/strict'
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { smtpdService } from '../../lib/command/smtpd.js'
import { parseName } from '../../lib/maildir/name.js'
import { type Running, startService } from '../support/service.js'
import { playFolder, type Stage } from '../support/transcript.js'

playFolder('fixtures/smtp/submission', async (file): Promise<Stage> => {
  const text = readFileSync(file, 'utf8')
  const settings = (what: string) =>
    [...text.matchAll(new RegExp(`^# ${what}: (.*)$`, 'gm'))].map(([, line]) => line).join('\n')
  const running = await startService(smtpdService(), {
    listener: settings('listener') || 'tls = "offered"\nauth = "offered"',
    configuration: settings('configuration'),
  })
  writeFileSync(join(running.directory, 'aliases'), `${settings('aliases')}\n`)
  running.daemon.parts.aliases.reload()
  return {
    port: running.port,
    ca: readFileSync('fixtures/tls/ca.pem', 'utf8'),
    checks: checksOf(running),
    close: () => running.close(),
  }
})

interface Stored {
  readonly path: string
  readonly name: string
  readonly text: string
}

/** A user's messages in new/ of a Maildir, as they came. */
function stored(running: Running, user: string): Stored[] {
  const directory = join(running.maildir(user), 'new')
  let names: string[] = []
  try {
    // By time: the microseconds in a name are not padded.
    names = readdirSync(directory).sort((a, b) => a.localeCompare(b, 'en', { numeric: true }))
  } catch {
    // Nobody ever delivered there.
  }
  return names.map(name => {
    const path = join(directory, name)
    return { path, name, text: readFileSync(path, 'latin1') }
  })
}

/** A glob for one line of a message. */
function matches(line: string, glob: string): boolean {
  const source = glob.split('*').map(part => part.replace(/[\\^$.|?+()[\]{}]/g, '\\$&'))
  return new RegExp(`^${source.join('.*')}$`).test(line)
}

function checksOf(running: Running): NonNullable<Stage['checks']> {
  const message = (user: string, number: string) => {
    const found = stored(running, user)[Number(number) - 1]
    assert.ok(found, `${user} has no message ${number}`)
    return found
  }
  return {
    /** `= messages alice 2`: so many, with true sizes in their names, and nothing half done. */
    messages: (user = '', count = '') => {
      const all = stored(running, user)
      assert.equal(all.length, Number(count))
      for (const { name, text } of all) {
        const { storedSize, size } = parseName(name)
        assert.equal(storedSize, text.length)
        assert.equal(size, text.replaceAll('\n', '\r\n').length)
      }
      const rest = all.length > 0 ? readdirSync(join(running.maildir(user), 'tmp')) : []
      assert.deepEqual(rest, [])
    },
    /** `= line alice 1 Subject: *`: exactly one line is so. */
    line: (user = '', number = '', ...words: string[]) => {
      const lines = message(user, number).text.split('\n')
      const glob = words.join(' ').replaceAll('\\t', '\t')
      assert.equal(lines.filter(line => matches(line, glob)).length, 1, `${glob} in\n${lines.join('\n')}`)
    },
    /** `= none alice 1 Bcc*`: no line is so. */
    none: (user = '', number = '', ...words: string[]) => {
      const lines = message(user, number).text.split('\n')
      assert.equal(
        lines.find(line => matches(line, words.join(' '))),
        undefined,
      )
    },
    /** `= first alice 1 Return-Path: *`. */
    first: (user = '', number = '', ...words: string[]) => {
      const [line = ''] = message(user, number).text.split('\n')
      assert.ok(matches(line, words.join(' ')), line)
    },
    /** `= ends alice 1 \n\nbody\n`. */
    ends: (user = '', number = '', ...words: string[]) => {
      const { text } = message(user, number)
      const end = words.join(' ').replaceAll('\\n', '\n')
      assert.ok(text.endsWith(end), JSON.stringify(text))
    },
    /** `= links alice 1 2`: the file has so many names. */
    links: (user = '', number = '', count = '') =>
      assert.equal(statSync(message(user, number).path).nlink, Number(count)),
    /** `= log delivered *alice*`: a line of the log. */
    log: (...words: string[]) => {
      const glob = `*${words.join(' ')}*`
      assert.ok(
        running.lines.some(line => matches(line.trimEnd(), glob)),
        running.lines.join(''),
      )
    },
  }
}
