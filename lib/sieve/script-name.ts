/** RFC 5804 §1.6: what a script may be called. Names become file names, so what leads elsewhere is refused too. */
export function isScriptName(name: string): boolean {
  if (name === '' || [...name].length > 128 || Buffer.byteLength(name) > 240) return false
  if (/[\0-\x1f\x7f-\x9f\u2028\u2029\ufeff]/.test(name) || /[\ud800-\udfff]/u.test(name)) return false
  return !name.includes('/') && !name.startsWith('.') && name.normalize('NFC') === name
}
