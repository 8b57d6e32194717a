/** Local delivery: trace lines, loops, where a message goes, and that it goes everywhere or nowhere. */
import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import {
  intoFolder,
  LocalDelivery,
  type LocalEnvelope,
  type LocalRecipient,
  type Placement,
  recipientOf,
} from '../../lib/deliver/deliver.js'
import { Head } from '../../lib/message/head.js'
import { SmtpError } from '../../lib/smtp/reply.js'
import { TemporaryError } from '../../lib/sys/error.js'
import { temporaryDirectory } from '../support/world.js'

const message = 'Subject: x\n\nhello\n'

function owner(root: string, name: string): LocalRecipient {
  return recipientOf({ name: `${name}@here.example`, home: join(root, name) })
}

function envelopeTo(...recipients: LocalRecipient[]): LocalEnvelope {
  return { sender: 'ann@x.example', recipients, alone: recipients.length === 1 }
}

async function deliver(envelope: LocalEnvelope, text = message, place?: Placement): Promise<void> {
  const head = new Head(Buffer.from(text))
  const delivery = await LocalDelivery.begin(envelope, head, place)
  try {
    await delivery.write(Buffer.from(text))
    await delivery.commit()
  } catch (error) {
    await delivery.abort()
    throw error
  }
}

function files(path: string, folder = 'new'): string[] {
  return existsSync(join(path, folder)) ? readdirSync(join(path, folder)) : []
}

function only(path: string, folder = 'new'): string {
  const names = files(path, folder)
  assert.equal(names.length, 1)
  return readFileSync(join(path, folder, names[0] as string), 'latin1')
}

test('one user: Return-Path and Delivered-To in front', async t => {
  const alice = owner(temporaryDirectory(t), 'alice')
  await deliver(envelopeTo(alice))
  assert.equal(
    only(alice.maildir),
    `Return-Path: <ann@x.example>\nDelivered-To: alice@here.example\n${message}`,
  )
  assert.deepEqual(files(alice.maildir, 'tmp'), [])
})

test('several users share one file, which names none of them', async t => {
  const root = temporaryDirectory(t)
  const all = ['alice', 'bob', 'carol'].map(name => owner(root, name))
  await deliver(envelopeTo(...all))
  const inodes = all.map(({ maildir }) => statSync(join(maildir, 'new', files(maildir)[0] as string)).ino)
  assert.equal(new Set(inodes).size, 1)
  for (const { maildir } of all) {
    assert.equal(only(maildir), `Return-Path: <ann@x.example>\n${message}`)
    assert.deepEqual(files(maildir, 'tmp'), [])
  }
})

test('nobody told the sender: no Return-Path', async t => {
  const alice = owner(temporaryDirectory(t), 'alice')
  await deliver({ sender: undefined, recipients: [alice], alone: true })
  assert.equal(only(alice.maildir), `Delivered-To: alice@here.example\n${message}`)
})

const loops = [
  ['Received: a\nDelivered-To: alice@here.example\n', true, 'delivered here, and travelled since'],
  ['Received: a\nDELIVERED-TO: Alice@Here.Example\n', true, 'the same in capitals'],
  ['Delivered-To: alice@here.example\nReceived: a\n', false, 'written by who hands it over'],
  [
    'Delivered-To: alice@here.example\nReceived: a\nDelivered-To: alice@here.example\n',
    true,
    'handed over, and delivered here before',
  ],
  ['Received: a\nDelivered-To: bob@here.example\n', false, "another's mailbox"],
] as const

for (const [header, isLoop, why] of loops)
  test(`loops: ${why}`, async t => {
    const alice = owner(temporaryDirectory(t), 'alice')
    const work = deliver(envelopeTo(alice), header + message)
    if (isLoop) await assert.rejects(work, { code: 554, status: '5.4.6' })
    else await work
    assert.equal(files(alice.maildir).length, isLoop ? 0 : 1)
    if (!isLoop) assert.equal(only(alice.maildir).match(/^delivered-to: alice/gim)?.length, 1)
  })

test('a folder is made where it is missing, its name in modified UTF-7', async t => {
  const alice = owner(temporaryDirectory(t), 'alice')
  await deliver(envelopeTo(alice), message, intoFolder('Einkäufe.2026'))
  const path = join(alice.maildir, '.Eink&AOQ-ufe.2026')
  assert.match(only(path), /hello/)
  assert.ok(existsSync(join(path, 'maildirfolder')))
  await deliver(envelopeTo(alice), message, intoFolder('inbox'))
  assert.match(only(alice.maildir), /hello/)
})

for (const name of ['', 'a/b', '..', 'a..b', 'a\nb'])
  test(`no folder can be named ${JSON.stringify(name)}`, () =>
    assert.throws(() => intoFolder(name), { exit: 73 }))

test('a placement says where for each: flags, two folders, nowhere', async t => {
  const root = temporaryDirectory(t)
  const [alice, bob, carol] = ['alice', 'bob', 'carol'].map(name => owner(root, name)) as [
    LocalRecipient,
    LocalRecipient,
    LocalRecipient,
  ]
  const seen: string[] = []
  await deliver(
    envelopeTo(alice, bob, carol),
    message,
    ({ name, maildir }, { path, size, head, envelope }) => {
      assert.equal(readFileSync(path, 'latin1'), `Return-Path: <ann@x.example>\n${message}`)
      assert.equal(size, statSync(path).size + 4)
      seen.push(`${name} ${head.has('subject')} ${envelope.sender}`)
      if (name === alice.name) return [{ maildir, flags: 'SF' }]
      return name === bob.name ? [{ maildir }, { maildir: join(maildir, '.Copies') }] : []
    },
  )
  assert.equal(seen.length, 3)
  assert.match(files(alice.maildir, 'cur')[0] ?? '', /:2,FS$/)
  assert.match(only(bob.maildir), /hello/)
  assert.match(only(join(bob.maildir, '.Copies')), /hello/)
  assert.deepEqual([files(carol.maildir), files(alice.maildir, 'tmp')], [[], []])
})

test('a message that goes nowhere leaves nothing', async t => {
  const alice = owner(temporaryDirectory(t), 'alice')
  await deliver(envelopeTo(alice), message, () => [])
  assert.deepEqual([files(alice.maildir), files(alice.maildir, 'tmp')], [[], []])
})

for (const error of [new SmtpError(550, '5.7.1', 'refused'), new TemporaryError('not now')])
  test(`a placement that throws ${error.name} leaves nothing`, async t => {
    const root = temporaryDirectory(t)
    const [alice, bob] = [owner(root, 'alice'), owner(root, 'bob')]
    const place: Placement = ({ name, maildir }) => {
      if (name === bob.name) throw error
      return [{ maildir }]
    }
    await assert.rejects(deliver(envelopeTo(alice, bob), message, place), error)
    for (const { maildir } of [alice, bob])
      assert.deepEqual([files(maildir), files(maildir, 'tmp')], [[], []])
  })

test('a mailbox that cannot be reached: nobody gets it, and it is temporary', async t => {
  const root = temporaryDirectory(t)
  const [alice, bob] = [owner(root, 'alice'), owner(root, 'bob')]
  mkdirSync(join(root, 'bob'))
  writeFileSync(bob.maildir, 'not a directory')
  await assert.rejects(deliver(envelopeTo(alice, bob)), { temporary: true })
  assert.deepEqual([files(alice.maildir), files(alice.maildir, 'tmp')], [[], []])
})

test('abort() leaves nothing, before and after', async t => {
  const alice = owner(temporaryDirectory(t), 'alice')
  const delivery = await LocalDelivery.begin(envelopeTo(alice), new Head(Buffer.from(message)))
  await delivery.write(Buffer.from(message))
  await delivery.prepare()
  await delivery.abort()
  await delivery.abort()
  assert.deepEqual([files(alice.maildir), files(alice.maildir, 'tmp')], [[], []])
})
