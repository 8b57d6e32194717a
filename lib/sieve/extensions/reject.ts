/** Refusing a message: RFC 5429. */
import type { CommandDefinition, Extension } from '../definition.js'

function command(name: string, protocolOnly: boolean): CommandDefinition {
  return {
    name,
    takes: [{ name: 'reason', type: 'string' }],
    compile(call) {
      const reason = call.text('reason')
      return run =>
        run.take({
          ...run.taken,
          message: run.original,
          type: 'reject',
          reason: reason.value(run),
          protocolOnly,
        })
    },
  }
}

export const reject: Extension = { name: 'reject', commands: [command('reject', false)] }

export const ereject: Extension = { name: 'ereject', commands: [command('ereject', true)] }
