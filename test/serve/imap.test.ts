/** Every command of IMAP, as transcripts over real sockets and real Maildirs. */
import { playFolder } from '../support/transcript.js'
import { imapStage } from './imap-stage.js'

playFolder('fixtures/imap', () => imapStage())
playFolder('fixtures/imap-sharing', () => imapStage({ sharing: true }))
