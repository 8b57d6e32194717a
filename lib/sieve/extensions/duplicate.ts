/** Whether a message was seen before: RFC 7352. The memory is the context's; this only asks, and notes what to remember. */
import type { Call } from '../call.js'
import type { Extension, TestDefinition } from '../definition.js'
import type { Run } from '../run.js'

const duplicateTest: TestDefinition = {
  name: 'duplicate',
  tags: [
    { name: 'handle', value: 'string' },
    { name: 'header', value: 'string', group: 'source of the id' },
    { name: 'uniqueid', value: 'string', group: 'source of the id' },
    { name: 'seconds', value: 'number' },
    { name: 'last' },
  ],
  compile(call) {
    const idOf = compileId(call)
    const handle = call.tagText('handle')
    const last = call.has('last')
    const asked = call.tagNumber('seconds')
    return run => {
      const { duplicateDefaultPeriod, duplicateMaxPeriod } = run.settings
      const wanted = asked ?? duplicateDefaultPeriod
      const seconds = duplicateMaxPeriod > 0 ? Math.min(wanted, duplicateMaxPeriod) : wanted
      const id = idOf(run)
      if (id === undefined || seconds === 0) return false
      const mark = { handle: handle?.value(run) ?? '', id, seconds, last }
      const seen = run.context.seenBefore?.(mark.handle, id) ?? false
      if (!seen || last) run.remember(mark)
      return seen
    }
  },
}

/** RFC 7352 §3.1. */
function compileId(call: Call): (run: Run) => string | undefined {
  const given = call.tagText('uniqueid')
  if (given) return run => given.value(run)
  const header = call.tagText('header')
  return run => run.message.named(header?.value(run).toLowerCase() ?? 'message-id')[0]?.value
}

export const duplicate: Extension = { name: 'duplicate', tests: [duplicateTest] }
