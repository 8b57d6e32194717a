/** QR codes as SVG: the only file that knows qrcode-generator. */
import qrcode from 'qrcode-generator'

/** Modules of white around the code (ISO/IEC 18004 §9.1). */
const margin = 4

/** The code of a text, in UTF-8; it grows with what stands around it. @param title what it is, for who cannot see it */
export function qrCode(text: string, title: string): string {
  // Of a screen little is lost: the lowest correction gives the largest squares.
  const code = qrcode(0, 'L')
  code.addData(Buffer.from(text, 'utf8').toString('latin1'), 'Byte')
  code.make()
  const count = code.getModuleCount()
  let path = ''
  for (let row = 0; row < count; row++)
    for (let column = 0; column < count; column++)
      if (code.isDark(row, column)) path += `M${column + margin} ${row + margin}h1v1h-1z`
  const side = count + 2 * margin
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${side} ${side}" role="img" shape-rendering="crispEdges">` +
    `<title>${title}</title><path fill="#fff" d="M0 0h${side}v${side}H0z"/><path d="${path}"/></svg>`
  )
}
