/** Why a connection did not come about, for people. */
import { exits, MailError } from '../sys/error.js'
import { type Answer, parseAnswer } from './answer.js'
import type { SmtpTrouble } from './client-connection.js'
import type { Transcript } from './transcript.js'

/** How far a connection came that did not come about. */
export type Stage = 'connect' | 'tls' | 'greeting' | 'login'

/** No connection came about; the message says with whom, and why. */
export class NoConnection extends MailError {
  override readonly name = 'NoConnection'
  readonly stage: Stage
  /** What the server said, when it was the server who ended it. */
  readonly answer: Answer | undefined
  readonly dialogue: readonly string[]

  constructor(message: string, stage: Stage, answer: Answer | undefined, dialogue: readonly string[]) {
    super(message, { exit: exits.tryAgain })
    this.stage = stage
    this.answer = answer
    this.dialogue = dialogue
  }
}

/** Explains what nodemailer reports. */
export function noConnection(
  error: SmtpTrouble,
  { host, port }: { readonly host: string; readonly port: number },
  transcript: Transcript,
): NoConnection {
  const answer = error.response === undefined ? undefined : parseAnswer(error.response)
  const stage = stageOf(error)
  const hint =
    stage === 'tls' && /CERT|SIGNATURE|ISSUER|SELF_SIGNED/.test(error.originalCode ?? '')
      ? '; if its authority is your own, name it with ca'
      : ''
  transcript.note(error.message)
  const said = answer ? `${answer.code} ${answer.text}` : error.message
  const message = `${host}:${port} ${failures[stage]}: ${said}${hint}`
  return new NoConnection(message, stage, answer, transcript.lines)
}

const failures: Readonly<Record<Stage, string>> = {
  connect: 'cannot be reached',
  tls: 'could not be secured',
  greeting: 'did not greet',
  login: 'refused the login',
}

function stageOf({ code, originalCode = '' }: SmtpTrouble): Stage {
  if (code === 'EAUTH') return 'login'
  const tls =
    code === 'ETLS' || /^(ERR_TLS|ERR_SSL|CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO)/.test(originalCode)
  return tls ? 'tls' : 'greeting'
}
