// The order of texts by their UTF-8 bytes, which is SQLite's (BINARY) and object storage's. Comparing with `<` compares
// UTF-16 units instead, which puts characters beyond U+FFFF before U+E000 to U+FFFF.

/** Negative, zero or positive, as `Array.sort` wants it. Both texts must be well-formed. */
export function compareUtf8(a: string, b: string): number {
  const length = Math.min(a.length, b.length)
  for (let at = 0; at < length; at++) {
    const left = a.charCodeAt(at)
    const right = b.charCodeAt(at)
    if (left !== right) return utf8Rank(left) - utf8Rank(right)
  }
  return a.length - b.length
}

/** Surrogates stand for characters beyond all others. */
function utf8Rank(unit: number): number {
  return unit >= 0xd800 && unit < 0xe000 ? unit + 0x2000 : unit >= 0xe000 ? unit - 0x800 : unit
}
