/** Asking for extensions while a script runs, and giving up: RFC 5463. */
import type { Extension } from '../definition.js'

export const ihave: Extension = {
  name: 'ihave',
  tests: [
    {
      // What is there is known when the script is compiled; that it was asked for, when it runs.
      name: 'ihave',
      takes: [{ name: 'capabilities', type: 'strings', constant: true }],
      compile(call, scope) {
        const names = call.texts('capabilities').constant ?? []
        const constant = scope.have(names)
        return {
          constant,
          test(run) {
            if (constant) for (const name of names) run.had.add(name)
            return constant
          },
        }
      },
    },
  ],
  commands: [
    {
      name: 'error',
      takes: [{ name: 'message', type: 'string' }],
      compile: call => {
        const message = call.text('message')
        return run => run.fail(message.value(run))
      },
    },
  ],
}
