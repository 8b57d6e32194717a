/** sendmail's options, read as getopt(3) reads them, and ours: flags may stand together, values beside their letter or after it. */
import { type Call, common, type Option } from './options.js'

type Letters = Readonly<Record<string, Option>>
type Parsed = Pick<Call, 'values' | 'operands'>

const ignored = 'is understood and changes nothing'

/** Those that mean something here, then those that other systems' programs give. */
export const sendOptions = {
  b: {
    type: 'string',
    argument: 'MODE',
    help: 'm: send (usual); p: list the queue; s: SMTP on stdin; v: verify; i: aliases',
  },
  B: { type: 'string', argument: 'TYPE', help: ignored },
  C: { type: 'string', argument: 'FILE', help: 'the configuration file' },
  f: { type: 'string', argument: 'SENDER', help: 'the envelope sender' },
  F: { type: 'string', argument: 'NAME', help: "the sender's full name, for a message without From" },
  i: { type: 'boolean', help: 'a line with a single dot does not end the message' },
  I: { type: 'boolean', help: 'as -bi' },
  N: { type: 'string', argument: 'WHEN', help: 'reports wanted: never, or some of success,failure,delay' },
  o: { type: 'string', multiple: true, argument: 'X', help: 'i: as -i; m, e, d and others change nothing' },
  O: { type: 'string', multiple: true, argument: 'NAME=VALUE', help: ignored },
  q: { type: 'string', argument: 'TIME', help: 'try everything that waits now' },
  r: { type: 'string', argument: 'SENDER', help: 'as -f' },
  R: { type: 'string', argument: 'WHAT', help: 'what reports return: full or hdrs' },
  t: { type: 'boolean', help: 'recipients from To, Cc and Bcc too' },
  V: { type: 'string', argument: 'ID', help: 'the envelope identifier for reports' },
  A: { type: 'string', argument: 'X', help: ignored },
  d: { type: 'string', argument: 'LEVEL', help: ignored },
  e: { type: 'string', argument: 'MODE', help: ignored },
  E: { type: 'boolean', help: ignored },
  G: { type: 'boolean', help: ignored },
  h: { type: 'string', argument: 'N', help: ignored },
  L: { type: 'string', argument: 'TAG', help: ignored },
  m: { type: 'boolean', help: ignored },
  n: { type: 'boolean', help: ignored },
  p: { type: 'string', argument: 'PROTOCOL', help: ignored },
  U: { type: 'boolean', help: ignored },
  v: { type: 'boolean', help: ignored },
  x: { type: 'boolean', help: ignored },
  X: { type: 'string', argument: 'FILE', help: ignored },
} as const satisfies Letters

/** Letters whose value, if any, stands beside them. */
const attachedOnly = new Set(['q', 'd'])

/** @returns undefined for an option that no sendmail has, or a value that is missing */
export function parseSendmail(argv: readonly string[]): Parsed | undefined {
  const parsed = parseWords(argv)
  const file = parsed?.values['C'] ?? parsed?.values['c']
  return parsed && file !== undefined ? { ...parsed, values: { config: file, ...parsed.values } } : parsed
}

function parseWords(argv: readonly string[]): Parsed | undefined {
  const values: Record<string, string | boolean | string[]> = { o: [], O: [] }
  const letters: Letters = { ...sendOptions, c: common.config }
  for (let at = 0; at < argv.length; at++) {
    const word = argv[at] as string
    if (word === '--') return { values, operands: argv.slice(at + 1) }
    if (word === '--help' || word === '--version') return { values: { [word.slice(2)]: true }, operands: [] }
    const [, config] = /^--config(?:=(.*))?$/s.exec(word) ?? []
    if (word.startsWith('--config')) {
      const file = config ?? argv[++at]
      if (file === undefined) return undefined
      values['config'] = file
      continue
    }
    // getopt of POSIX stops at the first operand; programs that give options behind addresses exist.
    if (!word.startsWith('-') || word === '-') {
      const rest = parseWords(argv.slice(at + 1))
      return rest && { values: merge(values, rest.values), operands: [word, ...rest.operands] }
    }
    for (let i = 1; i < word.length; i++) {
      const letter = word[i] as string
      const option = Object.hasOwn(letters, letter) ? letters[letter] : undefined
      if (!option) return undefined
      if (option.type === 'boolean') {
        values[letter] = true
        continue
      }
      const beside = word.slice(i + 1)
      const value = beside !== '' || attachedOnly.has(letter) ? beside : argv[++at]
      if (value === undefined) return undefined
      if (option.multiple) (values[letter] as string[]).push(value)
      else values[letter] = value
      break
    }
  }
  return { values, operands: [] }
}

function merge(first: Call['values'], second: Call['values']): Call['values'] {
  const list = (name: string) => [first[name], second[name]].flat() as string[]
  return { ...first, ...second, o: list('o'), O: list('O') }
}
