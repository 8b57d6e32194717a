/** The text in HTML, for searching: mark-up becomes space, entities characters. Takes time in proportion to the text. */

const entities: Readonly<Record<string, string>> = {
  amp: '&', lt: '<', gt: '>', quot: '"', apos: "'", nbsp: '\u00a0', copy: '©', reg: '®', trade: '™', euro: '€',
  pound: '£', yen: '¥', cent: '¢', sect: '§', deg: '°', plusmn: '±', middot: '·', para: '¶', laquo: '«', raquo: '»',
  lsquo: '‘', rsquo: '’', sbquo: '‚', ldquo: '“', rdquo: '”', bdquo: '„', ndash: '–', mdash: '—', hellip: '…',
  bull: '•', times: '×', divide: '÷', frac12: '½', frac14: '¼', frac34: '¾', szlig: 'ß', aelig: 'æ', AElig: 'Æ',
  oslash: 'ø', Oslash: 'Ø', aring: 'å', Aring: 'Å', auml: 'ä', Auml: 'Ä', ouml: 'ö', Ouml: 'Ö', uuml: 'ü', Uuml: 'Ü',
  agrave: 'à', Agrave: 'À', aacute: 'á', Aacute: 'Á', acirc: 'â', Acirc: 'Â', atilde: 'ã', Atilde: 'Ã', ccedil: 'ç',
  Ccedil: 'Ç', egrave: 'è', Egrave: 'È', eacute: 'é', Eacute: 'É', ecirc: 'ê', Ecirc: 'Ê', euml: 'ë', Euml: 'Ë',
  igrave: 'ì', iacute: 'í', icirc: 'î', iuml: 'ï', ntilde: 'ñ', Ntilde: 'Ñ', ograve: 'ò', oacute: 'ó', ocirc: 'ô',
  otilde: 'õ', ugrave: 'ù', uacute: 'ú', ucirc: 'û', yacute: 'ý', yuml: 'ÿ', shy: '\u00ad', zwnj: '\u200c', zwj: '\u200d',
} // biome-ignore format: a table

/** Elements whose content nobody reads. */
const hidden = /^(script|style|head|title)$/

/** Runs of space, but for the single spaces between most words, which stay as they are: that is many times faster. */
const spaces = / ?[\t\r\n\u00a0][ \t\r\n\u00a0]*| {2}[ \t\r\n\u00a0]*/g

/** The words of an HTML text, runs of space made one. */
export function plainText(html: string): string {
  const pieces: string[] = []
  // Once for all elements whose end is looked for.
  let lower: string | undefined
  const lowered = () => (lower ??= asciiLower(html))
  // Elements that have no end further on: it is not looked for again, so that time stays linear.
  const endless = new Set<string>()
  for (let at = 0; at < html.length; ) {
    const open = html.indexOf('<', at)
    pieces.push(html.slice(at, open < 0 ? html.length : open))
    if (open < 0) break
    at = afterTag(html, open, pieces, lowered, endless)
  }
  return decodeEntities(pieces.join('')).replace(spaces, ' ').trim()
}

/** Goes behind a tag, and behind the whole element where that is hidden. */
function afterTag(
  html: string,
  open: number,
  pieces: string[],
  lowered: () => string,
  endless: Set<string>,
): number {
  if (html.startsWith('<!--', open)) return behind(html, '-->', open + 4)
  const name = /^<\/?([a-z][a-z0-9]*)/i.exec(html.slice(open, open + 20))?.[1]?.toLowerCase()
  if (name === undefined && html[open + 1] !== '!' && html[open + 1] !== '?') {
    pieces.push('<')
    return open + 1
  }
  pieces.push(' ')
  const end = behind(html, '>', open + 1)
  if (name === undefined || !hidden.test(name) || html[open + 1] === '/') return end
  const closing = endless.has(name) ? -1 : lowered().indexOf(`</${name}`, end)
  if (closing < 0) endless.add(name)
  return closing < 0 ? end : behind(html, '>', closing)
}

/** Lower case of a to z alone, so that every character keeps its place. */
function asciiLower(text: string): string {
  return text.replace(/[A-Z]+/g, letters => letters.toLowerCase())
}

function behind(html: string, mark: string, from: number): number {
  const at = html.indexOf(mark, from)
  return at < 0 ? html.length : at + mark.length
}

function decodeEntities(text: string): string {
  return text.replace(
    /&(?:#(\d{1,7})|#x([0-9a-f]{1,6})|([a-z][a-z0-9]{1,10}));?/gi,
    (whole, decimal, hex, name) => {
      if (name !== undefined) return Object.hasOwn(entities, name) ? (entities[name] ?? whole) : whole
      const code = Number.parseInt(decimal ?? hex, decimal === undefined ? 16 : 10)
      return code > 0 && code <= 0x10ffff && (code < 0xd800 || code > 0xdfff)
        ? String.fromCodePoint(code)
        : ''
    },
  )
}
