import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import {
  type Address,
  formatAddress,
  formatMailbox,
  type ListItem,
  parseAddress,
  parseAddressList,
  parseGroups,
} from '../../lib/message/address.js'

/** As IMAP's ENVELOPE writes them: name, route, mailbox, host. */
function drawn(items: readonly ListItem[]): string {
  const quoted = (text: string | undefined) => (text === undefined ? 'NIL' : `"${text}"`)
  return items
    .map(item =>
      'mailbox' in item
        ? `(${[item.name, item.route, item.mailbox, item.host].map(quoted).join(' ')})`
        : `(NIL NIL ${quoted(item.group)} NIL)`,
    )
    .join('')
}

const lists = [
  ['a@b.com', '(NIL NIL "a" "b.com")'],
  ['<a@b.com>', '(NIL NIL "a" "b.com")'],
  ['Joe <a@b.com>', '("Joe" NIL "a" "b.com")'],
  ['Joe<a@b.com>', '("Joe" NIL "a" "b.com")'],
  ['"Joe, Jr." <a@b.com>', '("Joe, Jr." NIL "a" "b.com")'],
  ['"Joe \\"J\\" X" <a@b.com>', '("Joe "J" X" NIL "a" "b.com")'],
  ['Joe Q. Public <a@b.com>', '("Joe Q. Public" NIL "a" "b.com")'],
  ['"x" "y" <a@b>', '("x y" NIL "a" "b")'],
  ['""<a@b>', '(NIL NIL "a" "b")'],
  ['a@b.com (Joe \\(x\\) (nested))', '("Joe (x) (nested)" NIL "a" "b.com")'],
  // RFC 5322 A.5
  ['Pete(A nice \\) chap) <pete(his account)@silly.test(his host)>', '("Pete" NIL "pete" "silly.test")'],
  ['john . doe @ example . com', '(NIL NIL "john.doe" "example.com")'],
  ['"john doe"@example.com', '(NIL NIL "john doe" "example.com")'],
  ['joe@[IPv6:2001:db8::1]', '(NIL NIL "joe" "[IPv6:2001:db8::1]")'],
  ['<@a,@b:c@d>', '(NIL "@a,@b" "c" "d")'],
  ['a@b,\r\n\tc@d', '(NIL NIL "a" "b")(NIL NIL "c" "d")'],
  // Groups
  [
    'G: a@b, "C" <c@d>;, e@f',
    '(NIL NIL "G" NIL)(NIL NIL "a" "b")("C" NIL "c" "d")(NIL NIL NIL NIL)(NIL NIL "e" "f")',
  ],
  ['undisclosed-recipients:;', '(NIL NIL "undisclosed-recipients" NIL)(NIL NIL NIL NIL)'],
  ['A:;, B: x@y;', '(NIL NIL "A" NIL)(NIL NIL NIL NIL)(NIL NIL "B" NIL)(NIL NIL "x" "y")(NIL NIL NIL NIL)'],
  [': x@y;', '(NIL NIL "" NIL)(NIL NIL "x" "y")(NIL NIL NIL NIL)'],
  ['Unclosed: x@y', '(NIL NIL "Unclosed" NIL)(NIL NIL "x" "y")(NIL NIL NIL NIL)'],
  // What the world sends
  ['root (Cron Daemon)', '("Cron Daemon" NIL "root" "")'],
  ['Foo Bar', '("Foo Bar" NIL "" "")'],
  ['<>', '(NIL NIL "" "")'],
  ['John Doe john@example.com', '("John Doe" NIL "john" "example.com")'],
  ['a@b.com; c@d.com', '(NIL NIL "a" "b.com")(NIL NIL "c" "d.com")'],
  ['"A" <a@b.com> "B" <c@d.com>', '("A" NIL "a" "b.com")("B" NIL "c" "d.com")'],
  [',,,a@b,,', '(NIL NIL "a" "b")'],
  ['=?utf-8?Q?Foo,_Bar?= <x@y.com>', '("=?utf-8?Q?Foo,_Bar?=" NIL "x" "y.com")'],
  ['김민수 <minsu@example.kr>', '("김민수" NIL "minsu" "example.kr")'],
  ['Joe [spam] <a@b.com>', '("Joe [spam]" NIL "a" "b.com")'],
  ['a@b@c', '(NIL NIL "a@b" "c")'],
  ['a.@b.com, .a@b.com', '(NIL NIL "a." "b.com")(NIL NIL ".a" "b.com")'],
  ['"unterminated <a@b.com>, c@d', '("unterminated" NIL "a" "b.com")(NIL NIL "c" "d")'],
  ['Joe (unterminated <a@b.com>', '("Joe unterminated" NIL "a" "b.com")'],
  ['Joe [unterminated <a@b.com>', '("Joe unterminated" NIL "a" "b.com")'],
  ['Joe <a@b.com, c@d', '("Joe" NIL "a" "b.com")(NIL NIL "c" "d")'],
  ['', ''],
  [' , ; ', ''],
] as const
for (const [text, envelope] of lists)
  test(`parseGroups() ${text}`, () => assert.equal(drawn(parseGroups(text)), envelope))

test('parseAddressList() gives the addresses within groups, and no marks of the groups', () =>
  assert.equal(drawn(parseAddressList('G: a@b;, c@d')), '(NIL NIL "a" "b")(NIL NIL "c" "d")'))

const single = [
  ['me@ilnmors.internal', 'me@ilnmors.internal'],
  ['Me <me@ilnmors.internal>', 'me@ilnmors.internal'],
  ['"a b"@example.com', '"a b"@example.com'],
  ['joe@[192.0.2.1]', 'joe@[192.0.2.1]'],
  ['메일@메일.한국', '메일@메일.한국'],
  ['me@localhost', 'me@localhost'],
  ['me', undefined],
  ['me@', undefined],
  ['@host', undefined],
  ['a@b, c@d', undefined],
  ['a@b..c', undefined],
  ['a@-b_c.d', 'a@-b_c.d'],
  ['a@b/c', undefined],
  ['a@[not a literal]', undefined],
  ['G: a@b;', undefined],
  ['"a\nb"@c', undefined],
  ['', undefined],
] as const
for (const [text, mailbox] of single)
  test(`parseAddress() ${JSON.stringify(text)}`, () => {
    const address = parseAddress(text.replaceAll('\n', '\x01'))
    assert.equal(address && formatMailbox(address), mailbox)
  })

const formatted = [
  [{ name: undefined, mailbox: 'a', host: 'b.c' }, 'a@b.c'],
  [{ name: '', mailbox: 'a', host: 'b.c' }, 'a@b.c'],
  [{ name: 'Joe Doe', mailbox: 'a', host: 'b.c' }, 'Joe Doe <a@b.c>'],
  [{ name: 'Doe, "J"', mailbox: 'a', host: 'b.c' }, '"Doe, \\"J\\"" <a@b.c>'],
  [{ name: '김민수', mailbox: 'a', host: 'b.c' }, '=?UTF-8?B?6rmA66+87IiY?= <a@b.c>'],
  [{ name: 'René', mailbox: 'a', host: 'b.c' }, '=?UTF-8?Q?Ren=C3=A9?= <a@b.c>'],
  [{ name: 'x\r\nBcc: e@f', mailbox: 'a', host: 'b.c' }, '"x Bcc: e@f" <a@b.c>'],
  [{ name: undefined, mailbox: 'a b', host: 'b.c' }, '"a b"@b.c'],
  [{ name: undefined, mailbox: 'a.', host: 'b.c' }, '"a."@b.c'],
  [{ name: undefined, mailbox: 'root', host: '' }, 'root'],
] as const
for (const [address, text] of formatted)
  test(`formatAddress() ${text}`, () => assert.equal(formatAddress(address), text))

test('what formatAddress() writes parseAddressList() reads', () => {
  const word = fc.string({ unit: fc.constantFrom(...'ab .,;:<>@()[]"\\\'=?é') })
  const host = fc.constantFrom('b', 'b.c', '[192.0.2.1]')
  const name = fc.string({ unit: fc.constantFrom(...'ab .,;:<>@()[]"\\\'=') })
  fc.assert(
    fc.property(name, word, host, (name, mailbox, host) => {
      const [address, more] = parseAddressList(formatAddress({ name, mailbox, host }))
      assert.equal(more, undefined)
      assert.deepEqual([address?.name ?? '', address?.mailbox, address?.host], [name.trim(), mailbox, host])
    }),
  )
})

test('any text is read, and each address keeps to the text', () => {
  const text = fc.string({
    unit: fc.constantFrom(...'ab .,;:<>@()[]"\\\r\n\0=?', '=?utf-8?Q?a,b?=', '<a@b>'),
  })
  fc.assert(
    fc.property(text, given => {
      const isAddress = (item: ListItem): item is Address => 'mailbox' in item
      for (const item of parseGroups(given).filter(isAddress))
        assert.ok([...item.mailbox, ...item.host].every(char => given.includes(char)))
    }),
    { numRuns: 2000 },
  )
})

test('openings without ends do not make reading slow', () => {
  for (const opening of ['(', '"', '[', '<', '<@', '"\\', '(\\', '=?', ':', '(()', 'a@b <'])
    parseGroups(opening.repeat(200_000))
})
