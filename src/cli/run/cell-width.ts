// How many cells of a terminal a text takes: none for marks and escape sequences, two for wide characters.

const colourSequence = new RegExp(`${'\u001b'}\\[[0-9;:]*m`, 'g')
const colourOrText = new RegExp(`${'\u001b'}\\[[0-9;:]*m|[^${'\u001b'}]+|${'\u001b'}`, 'g')
const ascii = /^[ -~]*$/
const zeroWidth = /^[\p{M}\p{Cf}\p{Cc}]/u
/** East Asian Width W and F (Unicode Standard Annex 11), and what is drawn as an emoji. */
const wide =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\ua960-\ua97c\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff01-\uff60\uffe0-\uffe6\u{1f300}-\u{1f64f}\u{1f900}-\u{1f9ff}\u{20000}-\u{3fffd}]|\ufe0f|\p{Emoji_Presentation}/u

/** Cells of a text without control characters other than colour sequences. */
export function cellWidth(text: string): number {
  const plain = text.replaceAll(colourSequence, '')
  if (ascii.test(plain)) return plain.length
  let width = 0
  for (const { segment } of graphemes(plain)) width += graphemeWidth(segment)
  return width
}

/** The text cut to `columns` cells, with an ellipsis when something is missing; colours are closed. */
export function truncateCells(text: string, columns: number): string {
  if (cellWidth(text) <= columns) return text
  if (columns < 1) return ''
  let room = columns - 1
  let cut = ''
  let hasColours = false
  for (const [part] of text.matchAll(colourOrText)) {
    if (part.startsWith('\u001b')) {
      cut += part
      hasColours = true
      continue
    }
    for (const { segment } of graphemes(part)) {
      room -= graphemeWidth(segment)
      if (room < 0) return `${cut}…${hasColours ? '\u001b[0m' : ''}`
      cut += segment
    }
  }
  return cut
}

function graphemeWidth(grapheme: string): number {
  if (zeroWidth.test(grapheme)) return 0
  return wide.test(grapheme) ? 2 : 1
}

function graphemes(text: string): Iterable<{ readonly segment: string }> {
  return new Intl.Segmenter(undefined, { granularity: 'grapheme' }).segment(text)
}
