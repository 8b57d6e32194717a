/** Targets: texts that people, clients and configuration write. */
// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the variables of Sieve look so
import assert from 'node:assert/strict'
import { parseAliases, parseTargets } from '../../lib/auth/aliases-file.js'
import { parsePasswdFile } from '../../lib/auth/passwd-file.js'
import { ConfigError, parseConfig } from '../../lib/config/load.js'
import { ServerLines } from '../../lib/fetch/lines.js'
import { countOf, formatRanges, parseSet, resolveSet } from '../../lib/imap/set.js'
import { maskOf, parseName, withMask } from '../../lib/maildir/name.js'
import { decodeMutf7, encodeMutf7 } from '../../lib/message/mutf7.js'
import { matchRegex } from '../../lib/sieve/regex/match.js'
import { compileRegex } from '../../lib/sieve/regex/program.js'
import { RegexError } from '../../lib/sieve/regex/syntax.js'
import { parseForwardPath, parsePath, parseReversePath } from '../../lib/smtp/path.js'
import { SmtpError } from '../../lib/smtp/reply.js'
import { DotDecoder } from '../../lib/wire/dot.js'
import { PeerGone } from '../../lib/wire/line.js'
import { parseBlock, parseLine } from '../../lib/wire/proxy.js'
import { decodeInitial, decodeResponse } from '../../lib/wire/sasl.js'
import { readClientFirst } from '../../lib/wire/scram.js'
import { run as runSieve } from '../sieve/cases.js'
import { demand, fixtures, texts } from './seeds.js'
import type { Target } from './targets.js'

/** Runs what may refuse. @returns undefined when it did */
function unless<T>(refusal: new (...values: never[]) => Error, work: () => T): T | undefined {
  try {
    return work()
  } catch (error) {
    if (error instanceof refusal) return undefined
    throw error
  }
}

const message =
  'From: a@b.example\nTo: c@d.example\nSubject: =?utf-8?q?h=C3=A9?= aaaaaaaaaaaaaaaaaaaaaaaa\nDate: Thu, 1 Jan 2026 00:00:00 +0000\n\nbody\n'

/** Decodes a dot-stuffed text in pieces of one size. */
function undot(octets: Buffer, size: number): [text: string, rest: string] {
  const decoder = new DotDecoder()
  const found: Buffer[] = []
  let at = 0
  for (; at < octets.length && !decoder.ended; at += size)
    found.push(Buffer.from(decoder.push(octets.subarray(at, at + size))))
  const rest = decoder.ended ? Buffer.concat([decoder.rest, octets.subarray(at)]) : Buffer.alloc(0)
  return [Buffer.concat(found).toString('latin1'), rest.toString('latin1')]
}

export const textTargets: readonly Target[] = [
  {
    name: 'smtp-path',
    seeds: () =>
      texts(
        '<a@b> SIZE=1 BODY=8BITMIME',
        '<"a b"@[IPv6:::1]>',
        '<@r:a@b> ORCPT=rfc822;a+2Bb NOTIFY=NEVER',
        '<>',
      ),
    words: ['<', '>', '@', '"', '\\', 'SIZE=', 'AUTH=<>', 'SMTPUTF8', '[', ']', ' '],
    run(octets) {
      const text = octets.toString('utf8')
      unless(SmtpError, () => parseReversePath(text))
      unless(SmtpError, () => parseForwardPath(text))
      const path = parsePath(text)
      if (path) demand(!/[\r\n\0]/.test(path.address), 'no control characters in an address')
    },
  },
  {
    name: 'dot',
    seeds: () => texts('a\r\n..b\r\n.\r\nQUIT\r\n', 'x\n.\n\r\n.\r\n', '\r.\r\r\n.\r\n', '.\r\nMAIL'),
    words: ['\r\n.\r\n', '\n.\n', '\r.\r', '\r\n.', '.\r\n', '\n.\r\n', '\r\n.\n', '\r\n.\r', '\0'],
    run(octets) {
      const whole = undot(octets, octets.length + 1)
      for (const size of octets.length < 2_000 ? [1, 2, 3, 7] : [])
        assert.deepEqual(undot(octets, size), whole, `in pieces of ${size}`)
      // Only CR LF dot CR LF ends a text, or a dot and CR LF at its very beginning.
      const text = octets.toString('latin1')
      const end = text.startsWith('.\r\n') ? 0 : text.indexOf('\r\n.\r\n')
      if (end < 0) assert.equal(whole[1], '')
    },
  },
  {
    name: 'imap-set',
    seeds: () => texts('1:*', '1,3:5,*', '4294967295:1', '5:2,1:9', '$'),
    words: [':', ',', '*', '4294967295'],
    run(octets) {
      const set = parseSet(octets.toString('latin1'))
      if (!set) return
      const ranges = resolveSet(set, 1000)
      demand(countOf(ranges) >= 0, 'a count')
      assert.deepEqual(resolveSet(parseSet(formatRanges(ranges)) ?? set, 1000), ranges)
    },
  },
  {
    name: 'mutf7',
    seeds: () => texts('&AOk-', 'a&-b', '&1V3QWA-', '&&-', 'é😀'),
    words: ['&', '-', '&-', 'AAA', '2D3c'],
    run(octets) {
      const name = decodeMutf7(octets.toString('latin1'))
      if (name !== undefined) assert.equal(decodeMutf7(encodeMutf7(name)), name)
      const text = octets.toString('utf8')
      if (Buffer.from(text).equals(octets)) assert.equal(decodeMutf7(encodeMutf7(text)), text)
    },
  },
  {
    name: 'maildir-name',
    seeds: () =>
      texts(
        '1700000000.M1P2.host,S=1,W=2:2,FSab',
        '1.x:2,',
        'x',
        '1.2.3:1,x',
        '1.a,S=99999999999999999999:2,S',
      ),
    words: [':2,', ',S=', ',W=', '.M', ':', ',', '\xff'],
    run(octets) {
      const name = octets.toString('latin1')
      parseName(name)
      assert.equal(maskOf(withMask(name, maskOf(name))), maskOf(name))
    },
  },
  {
    name: 'sieve',
    seeds: () =>
      fixtures('sieve', '.sieve').map(octets => (octets.length < 4_000 ? octets : octets.subarray(0, 4_000))),
    words: [
      'require',
      'if ',
      'elsif ',
      'else ',
      'anyof(',
      'allof(',
      'not ',
      ':matches',
      ':regex',
      ':contains',
      '"${1}"',
      'set ',
      'foreverypart',
      'text:\r\n',
      '.\r\n',
      '/*',
      '*/',
      '[',
      ']',
      '{',
      '}',
      ';',
      'fileinto',
      'vacation',
      '*?',
      '1G',
    ],
    run(octets) {
      runSieve(octets.toString('utf8'), message)
    },
  },
  {
    name: 'regex',
    seeds: () =>
      texts(
        '^(a+)+$',
        '([a-z]*)*x',
        '(a|aa)+$',
        '[[:alpha:]]{1,5}',
        '(?:a|b)?c',
        '\\bx\\b',
        '((a{1,30}){1,30}){1,30}',
      ),
    words: ['(', ')', '*', '+', '?', '{1,', '}', '[', ']', '[[:alpha:]]', '|', '^', '$', '\\', '.'],
    run(octets) {
      const pattern = octets.toString('utf8')
      const program = unless(RegexError, () => compileRegex(pattern, true))
      if (program) matchRegex(program, `${'a'.repeat(30)}!`, true, () => {})
    },
  },
  {
    name: 'toml',
    // It is the owner's own file.
    limit: 1_000,
    seeds: () => fixtures('config', '.toml'),
    words: [
      '[[',
      ']]',
      '"""',
      "'''",
      ' = ',
      '\\u0000',
      '{',
      '}',
      '1e999',
      'inf',
      '2026-01-01T00:00:00Z',
      '[smtpd]',
      'listen',
    ],
    run(octets) {
      unless(ConfigError, () => parseConfig(octets.toString('utf8'), '/nowhere/mail.toml'))
    },
  },
  {
    name: 'passwd',
    seeds: () => [...fixtures('auth', '.txt'), ...texts('a:{PLAIN}b:1:2:g:/h:/s:k=v q\n#c\n\nb:x\n')],
    words: [':', '{', '}', '\n', 'userdb_quota_rule=*:storage=1G', '=', '\0'],
    run(octets) {
      parsePasswdFile(octets.toString('utf8'))
    },
  },
  {
    name: 'aliases',
    seeds: () => texts('a: b, c@d\n  e\n"x y": "|prog \\"a\\"", :include:/f\n@dom: z\n#c\n'),
    words: [':', ',', '"', '\\', '\n ', '@', '|', ':include:', '/'],
    run(octets) {
      parseAliases(octets.toString('utf8'))
      parseTargets(octets.toString('utf8'))
    },
  },
  {
    name: 'proxy',
    seeds: () => [
      ...texts('PROXY TCP4 1.2.3.4 5.6.7.8 1 2', 'PROXY TCP6 ::1 ::2 1 2', 'PROXY UNKNOWN x'),
      Buffer.from('11c0a80001c0a8000200500051', 'hex'),
    ],
    words: ['PROXY ', 'TCP4', 'TCP6', ' ', '::'],
    run(octets) {
      unless(PeerGone, () => parseLine(octets.toString('latin1')))
      if (octets.length > 0) unless(PeerGone, () => parseBlock(octets[0] as number, octets.subarray(1)))
    },
  },
  {
    name: 'sasl',
    seeds: () => texts('n,,n=user,r=abc', 'y,a=x,n==2C,r=z', 'AGEAYg==', '=', '*', 'p=tls-unique,,n=,r='),
    words: ['n,,', 'n=', ',r=', '=2C', '=3D', '\0', '='],
    run(octets) {
      const text = octets.toString('utf8')
      readClientFirst(text)
      decodeResponse(text)
      decodeInitial(text)
    },
  },
  {
    name: 'server-lines',
    seeds: () => [...fixtures('fetch', '.txt'), ...texts('* 1 FETCH (BODY[] {5}\r\nhello)\r\na OK\r\n')],
    words: ['{5}\r\n', '{99999999999}\r\n', '\r\n', '* ', 'OK'],
    run(octets) {
      const whole: string[] = []
      const pieces: string[] = []
      new ServerLines(line => whole.push(line)).push(octets)
      const lines = new ServerLines(line => pieces.push(line))
      for (let at = 0; at < octets.length; at += 5) lines.push(octets.subarray(at, at + 5))
      if (octets.length < 1_000) assert.deepEqual(pieces, whole)
    },
  },
]
