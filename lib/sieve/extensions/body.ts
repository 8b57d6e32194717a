/** The body test: RFC 5173. */
import { contents, rawText, texts } from '../body.js'
import type { Extension, TestDefinition } from '../definition.js'
import { compileMatch } from '../match.js'
import type { Version } from '../message.js'
import type { Run } from '../run.js'

const bodyTest: TestDefinition = {
  name: 'body',
  families: ['match'],
  tags: [
    { name: 'raw', group: 'body transform' },
    { name: 'content', group: 'body transform', value: 'strings' },
    { name: 'text', group: 'body transform' },
  ],
  takes: [{ name: 'key list', type: 'strings' }],
  compile(call, scope) {
    const content = call.tagTexts('content')
    const raw = call.has('raw')
    const { match } = compileMatch(call, scope, call.texts('key list'))
    return run => {
      const values = extract(run, raw, content?.values(run))
      // RFC 5173 §6: what wildcards find in a body does not become match variables.
      const { matches } = run.frame
      const result = match(run, values)
      run.setMatches(matches)
      return result
    }
  },
}

const extracted = new WeakMap<Version, Map<string, readonly string[]>>()

/** What is looked at; each way of extracting is done once a version of the message. */
function extract(run: Run, raw: boolean, types: readonly string[] | undefined): readonly string[] {
  const { message } = run
  if (message.body === undefined) return []
  let known = extracted.get(message)
  if (!known) {
    known = new Map()
    extracted.set(message, known)
  }
  const key = raw ? 'raw' : JSON.stringify(types ?? 'text')
  const before = known.get(key)
  if (before) return before
  run.spend(message.octets.length)
  const values = raw ? [rawText(message.body)] : types ? contents(message, types) : texts(message)
  known.set(key, values)
  return values
}

export const body: Extension = { name: 'body', tests: [bodyTest] }
