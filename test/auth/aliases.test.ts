import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import fc from 'fast-check'
import { Aliases } from '../../lib/auth/aliases.js'
import { formatTarget, parseAliases, parseTargets } from '../../lib/auth/aliases-file.js'
import { Users } from '../../lib/auth/users.js'
import { Log } from '../../lib/sys/log.js'

/** Alice, Bob and Carol of example.internal, Dora of second.internal, and these aliases. */
async function open(t: TestContext, text: string, includes = false, watch = false, delimiter = '+') {
  const directory = mkdtempSync(join(tmpdir(), 'postern-aliases-'))
  t.after(() => rmSync(directory, { recursive: true }))
  const lines: string[] = []
  const log = new Log({ write: line => lines.push(line), journal: true })
  const people = ['alice', 'bob', 'carol', 'with+plus', 'dora@second.internal', 'eve@foreign.example']
  writeFileSync(join(directory, 'users'), people.map(name => `${name}:x\n`).join(''))
  const domains = ['Example.Internal', 'second.internal']
  const users = await Users.open({
    file: join(directory, 'users'),
    home: '/%n',
    domain: domains[0] as string,
    log,
    watch: false,
  })
  const file = join(directory, 'aliases')
  writeFileSync(file, text.replaceAll('DIRECTORY', directory))
  const aliases = await Aliases.open({ file, users, domains, log, includes, watch, delimiter })
  t.after(() => aliases.close())
  const show = (address: string) => {
    const { users, remote, unknown, loop, discard } = aliases.expand(address)
    return [
      ...users.map(({ user, detail }) => `${user.name}${detail === undefined ? '' : ` (${detail})`}`),
      ...remote.map(each => `-> ${each}`),
      ...unknown.map(each => `? ${each}`),
      ...(loop ? [`loop ${loop.join(' ')}`] : []),
      ...(discard ? ['discard'] : []),
    ].join(', ')
  }
  return { aliases, show, lines, directory, file }
}

const file = `
# The comment.
postmaster: carol
sales: alice, Bob+Sales,
   # in between
\tcarol@EXAMPLE.internal , somebody@Outside.example # the end
shop@second.internal: dora
@second.internal: bob
team: sales, carol, team2
team2: sales
alice: alice, copy@outside.example
round: about
about: round, bob
both: round, sales
self: self
raw: \\alice
quoted: "Alice A." <alice@example.internal>, "with space"@outside.example
"two words": bob
lost: nobody, alice
noreply: /dev/null
list: /dev/null, bob
program: "|/usr/bin/vacation alice", bob
onlyprogram: |/bin/true
mailfile: /var/mail/x
domainwide@example.internal: @second.internal
old@example.internal: bob
old: carol
spaces: bob carol
UPPER: bob
sales: carol
Plus+Tag: bob
bob+exact: carol
`

const cases = [
  // address, what it comes to
  ['bob', 'bob@example.internal'],
  ['BOB@EXAMPLE.INTERNAL', 'bob@example.internal'],
  ['bob+shop@example.internal', 'bob@example.internal (shop)'],
  ['bob+Shop+More@example.internal', 'bob@example.internal (Shop+More)'],
  ['bob+@example.internal', 'bob@example.internal ()'],
  ['bob+exact', 'carol@example.internal (exact)'],
  ['with+plus@example.internal', 'with+plus@example.internal'],
  ['+bob@example.internal', '? +bob@example.internal'],
  ['somebody@elsewhere.example', '-> somebody@elsewhere.example'],
  ['eve@foreign.example', '-> eve@foreign.example'],
  ['nobody@example.internal', '? nobody@example.internal'],
  ['postmaster@example.internal', 'carol@example.internal'],
  ['Postmaster', 'carol@example.internal'],
  ['postmaster@second.internal', 'carol@example.internal'],
  [
    'sales@example.internal',
    'alice@example.internal, bob@example.internal (Sales), carol@example.internal, -> copy@outside.example, -> somebody@Outside.example',
  ],
  [
    'sales+x@example.internal',
    'alice@example.internal (x), bob@example.internal (Sales), carol@example.internal (x), -> copy@outside.example, -> somebody@Outside.example',
  ],
  ['shop@second.internal', 'dora@second.internal'],
  ['shop@example.internal', '? shop@example.internal'],
  ['dora@second.internal', 'dora@second.internal'],
  ['anything@second.internal', 'bob@example.internal'],
  [
    'team',
    'alice@example.internal, bob@example.internal (Sales), carol@example.internal, -> copy@outside.example, -> somebody@Outside.example',
  ],
  ['alice', 'alice@example.internal, -> copy@outside.example'],
  ['alice+x', 'alice@example.internal (x), -> copy@outside.example'],
  [
    'round',
    'bob@example.internal, loop round@example.internal about@example.internal round@example.internal',
  ],
  ['self', '? self@example.internal'],
  ['raw', 'alice@example.internal'],
  ['quoted', 'alice@example.internal, -> copy@outside.example, -> "with space"@outside.example'],
  ['"two words"@example.internal', 'bob@example.internal'],
  ['lost', 'alice@example.internal, -> copy@outside.example, ? nobody@example.internal'],
  ['noreply', 'discard'],
  ['list', 'bob@example.internal, discard'],
  ['program', 'bob@example.internal'],
  ['onlyprogram', '? onlyprogram@example.internal'],
  ['mailfile', '? mailfile@example.internal'],
  ['domainwide', 'bob@example.internal'],
  ['old', 'bob@example.internal'],
  ['old@second.internal', 'carol@example.internal'],
  ['spaces', 'bob@example.internal, carol@example.internal'],
  ['upper', 'bob@example.internal'],
  ['plus+tag', 'bob@example.internal (tag)'],
  ['"sales@second.internal"@example.internal', '? sales@second.internal@example.internal'],
  ['', '? @example.internal'],
] as const
for (const [address, expected] of cases)
  test(`expand(${JSON.stringify(address)})`, async t => {
    const { show } = await open(t, file)
    assert.equal(show(address), expected)
  })

test('what is not delivered to is told once, with its line', async t => {
  const { lines } = await open(t, file)
  const told = lines.map(line => /line=(\d+) reason="?([^"]*)/.exec(line)?.slice(1).join(': '))
  assert.equal(told.length, 4)
  assert.match(told.join('\n'), /^\d+: program is not delivered to \|\/usr\/bin\/vacation alice/)
  assert.match(told.join('\n'), /sales stands above already/)
})

test('postmaster falls back to root, then to the first user', async t => {
  assert.equal((await open(t, 'root: bob')).show('postmaster@second.internal'), 'bob@example.internal')
  assert.equal((await open(t, '')).show('POSTMASTER'), 'alice@example.internal')
  assert.equal((await open(t, '')).show('root'), '? root@example.internal')
})

test('included files are followed only when that is allowed, and never further', async t => {
  const text = 'many: :include:DIRECTORY/list, bob\nnone: ":include:DIRECTORY/missing"\n'
  const refused = await open(t, text)
  assert.equal(refused.show('many'), 'bob@example.internal')
  assert.match(refused.lines.join(''), /turned off/)
  const { aliases, show, lines, directory } = await open(t, text, true)
  writeFileSync(
    join(directory, 'list'),
    '# members\nalice, dora@second.internal\n"|evil"\n:include:/etc/passwd\n',
  )
  aliases.reload()
  assert.equal(show('many'), 'alice@example.internal, dora@second.internal, bob@example.internal')
  assert.match(lines.join(''), /cannot include .*missing/)
  assert.match(lines.join(''), /not delivered to \|evil/)
})

test('a broken file gives what it holds, a missing one nothing', async t => {
  const { aliases, show, lines, file } = await open(
    t,
    'no colon here\n: nothing\nbob2: bob\n  , carol\n"open: x\n',
  )
  assert.equal(show('bob2'), 'bob@example.internal, carol@example.internal')
  assert.equal(lines.filter(line => line.includes('aliases-line-broken')).length, 3)
  rmSync(file)
  aliases.reload()
  assert.equal(show('bob2'), '? bob2@example.internal')
})

test('a changed file is taken over', async t => {
  const { show, file } = await open(t, 'x: bob', false, true)
  writeFileSync(file, 'x: carol')
  while (show('x') !== 'carol@example.internal') await new Promise(resolve => setTimeout(resolve, 20))
})

test('any of the delimiters separates a detail', async t => {
  const { aliases } = await open(t, 'sales: bob\nno-reply: carol\n', false, false, '+-')
  const who = (address: string) =>
    aliases.expand(address).users.map(({ user, detail }) => [user.local, detail].join(' '))
  assert.deepEqual(who('alice-lists+x'), ['alice lists+x'])
  assert.deepEqual(who('alice+lists-x'), ['alice lists-x'])
  assert.deepEqual(who('sales-2026'), ['bob 2026'])
  assert.deepEqual(who('no-reply'), ['carol reply'])
  assert.deepEqual(who('with+plus'), ['with+plus '])
})

test('isOurs() compares domains without case', async t => {
  const { aliases } = await open(t, '')
  assert.deepEqual(
    ['EXAMPLE.internal', 'second.internal.', 'x.org'].map(domain => aliases.isOurs(domain)),
    [true, true, false],
  )
})

test('a thousand aliases of one another end, and soon', async t => {
  const names = Array.from({ length: 300 }, (_, i) => `n${i}`)
  const { aliases } = await open(t, names.map(name => `${name}: ${names.join(', ')}\n`).join(''))
  assert.ok(aliases.expand('n0').loop)
})

test('no text makes the reader throw, and targets are written as they were read', () => {
  const unit = fc.constantFrom(
    'a',
    'b',
    ':',
    ',',
    '"',
    '\\',
    ' ',
    '\n',
    '#',
    '@',
    '<',
    '>',
    '|',
    '/',
    ':include:',
  )
  fc.assert(
    fc.property(fc.string({ unit }), text => {
      for (const { targets, start, end } of parseAliases(text).entries) {
        assert.ok(start < end)
        for (const target of targets)
          if (target.kind === 'program' || target.kind === 'file')
            assert.deepEqual(parseTargets(formatTarget(target)), [target])
      }
    }),
    { numRuns: 500 },
  )
})
