/** Targets: what stands on disk, whoever wrote it, read as a whole file. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import { Memory } from '../../lib/fetch/state.js'
import { Attributes } from '../../lib/mailbox/attributes.js'
import { Cache } from '../../lib/mailbox/cache.js'
import { headerOf, recordOf } from '../../lib/mailbox/cache-record.js'
import { Journal } from '../../lib/mailbox/journal.js'
import {
  expungedRecords,
  extrasRecord,
  flagsRecords,
  parseRecords,
  recentRecord,
} from '../../lib/mailbox/journal-record.js'
import { Keywords } from '../../lib/mailbox/keywords.js'
import { readSnapshot, writeSnapshot } from '../../lib/mailbox/snapshot.js'
import { readSubscriptions } from '../../lib/mailbox/subscriptions.js'
import { Table } from '../../lib/mailbox/table.js'
import { UidList } from '../../lib/mailbox/uidlist.js'
import { formatEnvelope, parseEnvelope } from '../../lib/queue/envelope-text.js'
import { MailError } from '../../lib/sys/error.js'
import { demand, texts } from './seeds.js'
import type { Target } from './targets.js'

const folder = mkdtempSync(join(tmpdir(), 'postern-fuzz-'))
mkdirSync(join(folder, 'tmp'))
process.on('exit', () => rmSync(folder, { recursive: true, force: true }))

/** Puts the octets where a file stands. */
function put(name: string, octets: Buffer): void {
  writeFileSync(join(folder, name), octets)
}

const records = () =>
  Buffer.concat([
    ...flagsRecords(7, [1, 2, 3, 9], uid => uid),
    ...expungedRecords(8, [2, 3]),
    recentRecord(4),
    extrasRecord(9, 1, ['Blue', 'Green']),
  ])

async function snapshotOctets(): Promise<Buffer> {
  const { readFileSync } = await import('node:fs')
  const table = new Table()
  for (let uid = 1; uid < 6; uid++) table.push(uid, `170000000${uid}.M1P1.h:2,S`, false, 8, 5, 0)
  await writeSnapshot(
    folder,
    table,
    { uids: [7], modseqs: [3] },
    {
      count: 5,
      goneCount: 1,
      goneFloor: 2,
      validity: 1,
      next: 8,
      modseq: 9,
      firstRecent: 3,
      journal: { id: 'ab'.repeat(8), offset: 36 },
      covers: { id: '', offset: 0 },
      extras: [],
      list: '{}',
      newTime: '',
      curTime: '1',
    },
  )
  return readFileSync(join(folder, 'postern.index'))
}
const snapshot = await snapshotOctets()

/** Half of the damaged files have a sum that fits all the same. */
function mendSum(octets: Buffer): Buffer {
  if (octets.length < 17 || (octets.at(-1) as number) & 1) return octets
  const copy = Buffer.from(octets)
  copy.writeUInt32LE(crc32(copy.subarray(16)), 12)
  return copy
}

const guid = '0123456789abcdef0123456789abcdef'

export const fileTargets: readonly Target[] = [
  {
    name: 'uidlist',
    seeds: () =>
      texts(
        `3 V1700000000 N5 G${guid}\n1 :1.M1P1.h\n2 W10 S9 :2.M1P1.h\n4 Pabc :3.x,S=1\n`,
        '1 1700000000 5\n1 a\n2 b\n',
        `3 V1 N4294967295 G${guid} Pxyz\n4294967294 :x\n`,
      ),
    words: ['\n', ' :', ' V', ' N', ' G', '3 ', '1 ', ' P', '4294967294', '\0'],
    run(octets) {
      put('dovecot-uidlist', octets)
      const list = new UidList(folder)
      list.read()
      const uids = [...list.uids.values()]
      demand(new Set(uids).size === uids.length, 'a UID for one message')
      demand(
        uids.every(uid => uid > 0 && uid < 0xffff_ffff && uid < list.next),
        'UIDs below the next',
      )
      void list.stamp
    },
  },
  {
    name: 'keywords',
    seeds: () => texts('0 Work\n1 Blue\n25 Z\n', '26 x\n'),
    words: ['\n', ' ', '25', '-1', '\0'],
    run(octets) {
      put('dovecot-keywords', octets)
      const keywords = new Keywords(folder)
      keywords.read()
      demand(keywords.names.length <= 26, 'as many as letters')
    },
  },
  {
    name: 'subscriptions',
    seeds: () => texts('V\t2\n\nINBOX\nA\tB\n&AOk-\n', 'INBOX\nA.B\n'),
    words: ['\n', '\t', '\x01t', '\x010', '&', 'V\t2\n\n'],
    run(octets) {
      put('subscriptions', octets)
      readSubscriptions(folder)
    },
  },
  {
    name: 'attributes',
    seeds: () => texts('priv/comment\nhello\n', '/private/comment\t1\tx\n'),
    words: ['\n', '\t', '/', 'priv', 'shared', '\x01'],
    run(octets) {
      put('dovecot-attributes', octets)
      new Attributes(folder).all()
    },
  },
  {
    name: 'journal',
    seeds: () => [records()],
    run(octets) {
      parseRecords(octets, 0)
      const head = Buffer.alloc(36)
      head.write('PSTNJRN1', 'latin1')
      head.writeUInt32LE(crc32(head.subarray(0, 32)), 32)
      put('postern.journal', Buffer.concat([head, octets]))
      new Journal(folder).readFrom({ id: '0'.repeat(16), offset: 36 })
    },
  },
  {
    name: 'index',
    seeds: () => [snapshot],
    words: ['"count":', '"goneCount":', '-1', 'null', '[]', '{}', '"', '1e9'],
    run(octets) {
      put('postern.index', mendSum(octets))
      const found = readSnapshot(folder)
      if (found) demand(found.names.length === found.meta.count, 'a name for each message')
    },
  },
  {
    name: 'cache',
    seeds() {
      const values = [1, 2, 3, 4].map(uid =>
        recordOf({ uid, kind: 'envelope', value: Buffer.from(`value of ${uid}`) }),
      )
      return [Buffer.concat([headerOf(7), ...values])]
    },
    run(octets) {
      put('postern.cache', octets)
      const cache = new Cache(folder, 7)
      for (let uid = 0; uid < 6; uid++) cache.get(uid, 'envelope')
      cache.close()
    },
  },
  {
    name: 'envelope',
    seeds: () =>
      texts(
        '{"version":1,"created":1,"sender":"a@b","size":3,"recipients":[{"address":"c@d","state":"waiting","attempts":0,"due":5}]}\n',
      ),
    words: ['\n', ': ', '{', '}', '"', 'waiting', 'sent', 'null', '1e99'],
    run(octets) {
      const envelope = parseEnvelope(octets.toString('utf8'))
      if (!envelope) return
      const again = formatEnvelope(envelope)
      demand(parseEnvelope(again) !== undefined, 'what is written can be read')
    },
  },
  {
    name: 'fetch-state',
    seeds: () =>
      texts(
        '["postern-fetch",1,"test"]\n["folder",1,"INBOX","7","INBOX",8]\n["intend",1,[[1,"u","k",0]]]\n["got",1,[[1,5]]]\n["known",1,[[2,6,"k",0]]]\n',
      ),
    words: ['["', '"]', '\n', 'folder', 'intend', 'got', 'known', 'null', '[[', ']]', '{}'],
    async run(octets) {
      put('test.state', octets)
      try {
        const memory = await Memory.open(join(folder, 'test.state'), 'test', true)
        await memory.close()
      } catch (error) {
        if (!(error instanceof MailError)) throw error
      }
    },
  },
]
