/** The thread on which messages are rendered ahead. */
import { answer } from '../sys/threads.js'
import { type RenderWork, renderMessages } from './render-work.js'

answer(
  (work: RenderWork) => renderMessages(work),
  ({ records, facts }) => [records.buffer, facts.buffer],
)
