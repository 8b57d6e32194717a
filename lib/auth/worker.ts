/** The thread on which slow hashes are computed. */
import { answer } from '../sys/threads.js'
import { verifyPassword } from './password.js'

export interface Work {
  readonly stored: string
  readonly password: string
}

answer(({ stored, password }: Work) => verifyPassword(stored, password))
