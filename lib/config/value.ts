/** What the configuration writes as text: sizes, times, patterns of addresses. */

const sizeUnits: Readonly<Record<string, number>> = {
  '': 1,
  K: 1024,
  M: 1024 ** 2,
  G: 1024 ** 3,
  T: 1024 ** 4,
}
const timeUnits: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
  w: 604_800_000,
}

/** Reads `50M`, `1.5G`, `64K` or `1000` (octets; K is 1024). @returns octets; undefined when it is none of these */
export function parseSize(text: string): number | undefined {
  const [, digits, unit] = /^(\d+(?:\.\d+)?) ?([KMGT]?)(?:i?B)?$/i.exec(text) ?? []
  const factor = sizeUnits[unit?.toUpperCase() ?? '?']
  const size = Math.round(Number(digits) * (factor ?? Number.NaN))
  return Number.isSafeInteger(size) ? size : undefined
}

/** Reads `90s`, `5m`, `1h30m` or `2d`. @returns milliseconds; undefined when it is none of these */
export function parseTime(text: string): number | undefined {
  if (!/^(?:\d+(?:ms|[smhdw]))+$/.test(text)) return undefined
  let total = 0
  for (const [, digits, unit] of text.matchAll(/(\d+)(ms|[smhdw])/g))
    total += Number(digits) * (timeUnits[unit as string] as number)
  return Number.isSafeInteger(total) ? total : undefined
}

/**
 * Whether an address fits one of the patterns: `me@naver.com`, `*@naver.com`, `naver.com` (any address of the domain),
 * `*`; a star stands for any text, case does not matter, and the null reverse-path is the pattern `<>`.
 */
export function fitsPattern(patterns: readonly string[], address: string): boolean {
  return patterns.some(pattern => expression(pattern).test(address))
}

const expressions = new Map<string, RegExp>()

function expression(pattern: string): RegExp {
  let known = expressions.get(pattern)
  if (!known) {
    const whole = pattern === '<>' ? '' : pattern === '*' || pattern.includes('@') ? pattern : `*@${pattern}`
    const parts = whole.split('*').map(part => part.replace(/[\\^$.|?+()[\]{}]/g, '\\$&'))
    known = new RegExp(`^${parts.join('.*')}$`, 'iu')
    expressions.set(pattern, known)
  }
  return known
}
