/** What is killed: enqueues, collects what was dropped, or sends, as told. Says on stdout what it has promised. */
import { appendFileSync } from 'node:fs'
import { collect } from '../../lib/queue/drop.js'
import { Queue } from '../../lib/queue/queue.js'
import { Relay } from '../../lib/relay/relay.js'
import { Log } from '../../lib/sys/log.js'
import { baseSettings, smarthost } from '../relay/world.js'

const [mode, directory = '', port = '', local = ''] = process.argv.slice(2)
const queue = await Queue.open(directory)
if (mode === 'enqueue') {
  const draft = queue.begin({ sender: 'a@x.internal', recipients: [{ address: 'b@example.org' }] })
  for (let i = 0; i < 3; i++) await draft.write(Buffer.alloc(200_000, 'line\n'))
  const { id } = await draft.commit()
  process.stdout.write(id)
}
if (mode === 'collect') process.stdout.write((await collect(queue)).accepted.join())
if (mode === 'send') {
  const relay = new Relay({
    queue,
    settings: { ...baseSettings, smarthost: smarthost(Number(port)) },
    log: new Log({ write: () => {} }),
    deliverLocally: async message => {
      appendFileSync(local, `${message.recipients.join()}\n`)
      return new Map(
        message.recipients.map(to => [to, { state: 'delivered', code: 250, status: '2.0.0', text: 'ok' }]),
      )
    },
  })
  await relay.once()
  queue.close()
}
