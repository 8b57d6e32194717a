/** Dovecot's tab escapes, in files that hold names or values in lines: \001 before 0, 1, t, r, n. */

const letters: Readonly<Record<string, string>> = { '\0': '0', '\x01': '1', '\t': 't', '\r': 'r', '\n': 'n' }
const characters = new Map(Object.entries(letters).map(([character, letter]) => [letter, character]))

export function escapeTabs(text: string): string {
  return text.replace(/[\0\x01\t\r\n]/g, character => `\x01${letters[character]}`)
}

export function unescapeTabs(text: string): string {
  return text.replace(/\x01([01trn])/g, (_, letter: string) => characters.get(letter) ?? '')
}
