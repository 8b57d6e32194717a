import assert from 'node:assert/strict'
import { EventEmitter, once } from 'node:events'
import { test } from 'node:test'
import { Progress } from '../../lib/imap/progress.js'
import type { Session } from '../../lib/imap/session.js'

/** What a session is asked for here. */
function listener() {
  const told = new EventEmitter()
  const session = {
    options: { progressEvery: 1 },
    connection: { ended: false, flush: () => {} },
    note: (code: string) => told.emit('told', code),
  }
  return { told, session: session as unknown as Session }
}

const call = (name: string) => ({ tag: 'A1', name, uid: name.startsWith('UID ') })

test('progress is told by the tag, how much, and of how much', async () => {
  const { told, session } = listener()
  const progress = Progress.begin(session, call('UID SORT'))
  assert.ok(progress)
  assert.deepEqual(await once(told, 'told'), ['INPROGRESS ("A1" NIL NIL)'])
  progress.note(3, 10)
  assert.deepEqual(await once(told, 'told'), ['INPROGRESS ("A1" 3 10)'])
  progress.note(2, 10)
  assert.deepEqual(await once(told, 'told'), ['INPROGRESS ("A1" 3 10)'], 'it never goes back')
  progress.note(1, 20)
  assert.deepEqual(await once(told, 'told'), ['INPROGRESS ("A1" 1 20)'], 'something else is counted')
  progress.note(20, 20)
  assert.deepEqual(await once(told, 'told'), ['INPROGRESS ("A1" NIL NIL)'], 'nobody knows what is left')
  progress.stop()
})

test('what writes its answer in pieces, or ends at once, has no progress', () => {
  for (const name of ['FETCH', 'UID FETCH', 'NOOP', 'IDLE', 'APPEND', 'LIST'])
    assert.equal(Progress.begin(listener().session, call(name)), undefined)
})
