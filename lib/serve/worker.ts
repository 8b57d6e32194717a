/** The thread on which messages are rendered ahead. */
import { answer } from '../sys/threads.js'
import { renderMessages } from './render-work.js'

answer(renderMessages)
