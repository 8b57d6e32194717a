/** Message-IDs as Message-ID, References and In-Reply-To hold them (RFC 5322 §3.6.4), in one form (RFC 5256 §3). */

/** More of a field is not looked at. */
const longestField = 64 * 1024

/**
 * The message IDs of a field, without their angle brackets: quotes that are not needed are gone, and so is white
 * space. What has no @ is none.
 *
 * @param value unfolded
 */
export function messageIds(value: string): string[] {
  const ids: string[] = []
  const text = value.slice(0, longestField)
  let open = -1
  for (let at = 0; at < text.length; at++) {
    const char = text[at]
    if (char === '<') open = at + 1
    else if (char === '>' && open >= 0) {
      const id = normal(text.slice(open, at))
      if (id !== undefined) ids.push(id)
      open = -1
    }
  }
  return ids
}

function normal(text: string): string | undefined {
  const id = /[ \t]/.test(text) ? text.replace(/[ \t]+/g, '') : text
  const at = id.lastIndexOf('@')
  if (at <= 0 || at === id.length - 1) return undefined
  if (!id.startsWith('"') || id[at - 1] !== '"' || at < 2) return id
  return id.slice(1, at - 1).replace(/\\(.)/g, '$1') + id.slice(at)
}
