/** What sessions add and remove, counted in maildirsize. */
import assert from 'node:assert/strict'
import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { Account } from '../../lib/mailbox/account.js'
import { MailboxError } from '../../lib/mailbox/folders.js'
import { Quota } from '../../lib/mailbox/quota.js'
import { add, freshRoot, put, quiet } from './support.js'

const limits = { octets: 1_000, messages: 5 }

async function limited(): Promise<{ root: string; account: Account; quota: Quota }> {
  const root = freshRoot()
  const account = await Account.open(root, { log: quiet, quota: limits })
  return { root, account, quota: new Quota(root, limits) }
}

test('maildirsize is what a count gives after appends, copies, moves, expunges and a deleted folder', async () => {
  const { account, quota } = await limited()
  const inbox = await account.open('INBOX')
  const sent = await account.open('Sent')
  const uids = [await add(inbox), await add(inbox, 'a: b\r\n\r\n', ['\\Deleted']), await add(sent)]
  await inbox.copy([uids[0] as number], sent)
  await inbox.move([uids[0] as number], sent)
  assert.deepEqual(quota.usage(), quota.count())
  assert.equal(quota.usage().messages, 4)
  assert.deepEqual(await inbox.expunge(), [uids[1]])
  await sent.remove([1, 17])
  assert.deepEqual(quota.usage(), quota.count())
  assert.equal(quota.usage().messages, 2)
  sent.close()
  await account.delete('Sent')
  assert.deepEqual(quota.usage(), { octets: 0, messages: 0 })
  await account.close()
})

test('what does not fit is refused and not counted', async () => {
  const { account, quota } = await limited()
  const inbox = await account.open('INBOX')
  const uid = await add(inbox, `a: b\r\n\r\n${'x'.repeat(600)}`)
  const before = quota.usage()
  const isFull = (error: unknown) => error instanceof MailboxError && error.trouble === 'overQuota'
  await assert.rejects(add(inbox, `a: b\r\n\r\n${'x'.repeat(600)}`), isFull)
  await assert.rejects(inbox.copy([uid], inbox), isFull)
  assert.throws(() => inbox.requireRoom(400, 1), isFull)
  assert.deepEqual(quota.usage(), before)
  assert.equal(inbox.count, 1)
  await account.close()
})

test('a maildirsize that is gone, and mail of other programs, are counted when next asked', async () => {
  const { root, account, quota } = await limited()
  const inbox = await account.open('INBOX')
  await add(inbox)
  rmSync(join(root, 'maildirsize'))
  put(root, 'new/1.M1P1.test')
  await add(inbox)
  assert.deepEqual(quota.usage(), quota.count())
  assert.equal(quota.usage().messages, 3)
  await account.close()
})

test('without limits there is no maildirsize', async () => {
  const root = freshRoot()
  const account = await Account.open(root, { log: quiet, quota: { octets: undefined, messages: undefined } })
  await add(await account.open('INBOX'))
  assert.throws(() => readFileSync(join(root, 'maildirsize')), /ENOENT/)
  await account.close()
})

test('what others count goes on being counted by who has no limits of his own', async () => {
  const { root, account, quota } = await limited()
  await add(await account.open('INBOX'))
  const other = await Account.open(root, { log: quiet })
  const inbox = await other.open('INBOX')
  await add(inbox, `a: b\r\n\r\n${'x'.repeat(2_000)}`)
  assert.deepEqual(quota.usage(), quota.count())
  await inbox.remove([1])
  assert.deepEqual(quota.usage(), quota.count())
  assert.equal(quota.usage().messages, 1)
  await other.close()
  await account.close()
})

test('what is moved to another user counts there, and here no more', async () => {
  const [one, other] = [await limited(), await limited()]
  const [from, to] = [await one.account.open('INBOX'), await other.account.open('INBOX')]
  await add(from)
  await add(from, `a: b\r\n\r\n${'x'.repeat(600)}`)
  await from.move([1, 2], to)
  assert.deepEqual(one.quota.usage(), { octets: 0, messages: 0 })
  assert.deepEqual(other.quota.usage(), other.quota.count())
  assert.equal(other.quota.usage().messages, 2)
  await add(from, `a: b\r\n\r\n${'x'.repeat(600)}`)
  await assert.rejects(from.move([3], to), MailboxError)
  assert.equal(from.count, 1)
  await one.account.close()
  await other.account.close()
})
