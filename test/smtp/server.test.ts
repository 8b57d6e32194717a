/** SMTP and LMTP sessions, by transcript. */
import { playFolder } from '../support/transcript.js'
import { startFor } from './stage.js'

playFolder('fixtures/smtp', startFor)
