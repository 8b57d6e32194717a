/** COMPRESS DEFLATE (RFC 4978). */
import { canDeflate, startDeflate } from '../../wire/deflate.js'
import type { Answer } from '../command.js'
import type { Decoder } from '../decode.js'
import { bad, no } from '../reply.js'
import type { Session } from '../session.js'

export async function compress(session: Session, args: Decoder): Promise<Answer> {
  args.space()
  const mechanism = args.word('The mechanism')
  args.end()
  if (mechanism !== 'DEFLATE') throw bad('There is no such compression.')
  if (session.compressedOver !== undefined) throw no('COMPRESSIONACTIVE', 'DEFLATE is on already.')
  if (!canDeflate()) throw no('LIMIT', 'There is no memory left for that; go on without.')
  return {
    text: 'DEFLATE begins now.',
    after: async () => {
      session.compressedOver = session.encrypted ? 'tls' : 'plain'
      startDeflate(session.connection)
    },
  }
}
