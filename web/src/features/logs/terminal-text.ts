// What a terminal would show of one line: carriage returns and backspaces overwrite, colours and weights (ECMA-48, SGR) become styles,
// everything else a terminal understands is left out. The style at the end of a line goes on in the next one.

export type Style = {
  readonly bold?: true
  readonly dim?: true
  readonly italic?: true
  readonly underline?: true
  readonly strike?: true
  readonly inverse?: true
  /** 0 to 15 are the colours of the theme; others are `#rrggbb`. */
  readonly ink?: number | string
  readonly ground?: number | string
}
export type Span = { readonly text: string; readonly style: Style }

export const plain: Style = {}

/** CSI, OSC (to its BEL or ST), other escapes of two characters, and control characters that show nothing. */
const control =
  /\x1b\[([0-9;:?<=>]*)[ -/]*(?:([@-~])|$)|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|\x1b[PX^_][^\x1b]*(?:\x1b\\)?|\x1b[ -/]*[0-~]|\x1b|[\x00-\x07\x0b-\x0c\x0e-\x1a\x1c-\x1f\x7f]/g
const anyControl = /[\x00-\x08\x0b-\x1f\x7f]/

/** Longer lines with overwriting are progress bars that ran long: only their end is looked at. */
const overwrittenCharactersMax = 20_000

export function hasControls(line: string): boolean {
  return anyControl.test(line)
}

const overwriting = /[\r\b]|\x1b\[[0-9;]*[KCDG]/

/** The text alone: for searching. Of what was overwritten only the last is there. */
export function plainText(line: string): string {
  const ending = line.endsWith('\r') ? line.slice(0, -1) : line
  if (!hasControls(ending)) return ending
  if (!overwriting.test(ending)) return ending.replaceAll(control, '')
  return overwritten(ending, plain)
    .spans.map(({ text }) => text)
    .join('')
}

/** The style after a line that began with `style`. */
export function styleAfter(line: string, style: Style): Style {
  const last = line.lastIndexOf('\x1b[')
  if (last === -1) return style
  // Most lines end with a reset.
  if (/^0?m/.test(line.slice(last + 2, last + 4))) return plain
  let current = style
  for (const [, parameters, final] of line.matchAll(control))
    if (final === 'm' && parameters !== undefined) current = select(current, parameters)
  return current
}

export function spansOf(line: string, style: Style): { readonly spans: readonly Span[]; readonly end: Style } {
  if (!hasControls(line)) return { spans: line === '' ? [] : [{ text: line, style }], end: style }
  const ending = line.endsWith('\r') ? line.slice(0, -1) : line
  return overwriting.test(ending) ? overwritten(ending, style) : inOrder(ending, style)
}

function inOrder(line: string, style: Style): { spans: Span[]; end: Style } {
  const spans: Span[] = []
  let current = style
  let at = 0
  const push = (text: string) => {
    if (text !== '') spans.push({ text, style: current })
  }
  for (const match of line.matchAll(control)) {
    push(line.slice(at, match.index))
    at = match.index + match[0].length
    if (match[2] === 'm') current = select(current, match[1] ?? '')
  }
  push(line.slice(at))
  return { spans, end: current }
}

/** Character by character, as a terminal of any width would. */
function overwritten(line: string, style: Style): { spans: Span[]; end: Style } {
  const skipped = Math.max(0, line.length - overwrittenCharactersMax)
  let current = skipped === 0 ? style : styleAfter(line.slice(0, skipped), style)
  const shown = line.slice(skipped)
  const cells: { text: string; style: Style }[] = []
  let column = 0
  const write = (text: string) => {
    for (const char of text) {
      if (char === '\r') column = 0
      else if (char === '\b') column = Math.max(0, column - 1)
      else {
        while (cells.length < column) cells.push({ text: ' ', style: plain })
        cells[column] = { text: char, style: current }
        column += 1
      }
    }
  }
  let at = 0
  for (const match of shown.matchAll(control)) {
    write(shown.slice(at, match.index))
    at = match.index + match[0].length
    const [, parameters = '', final] = match
    const count = Math.min(Number(parameters.split(';')[0]) || 0, overwrittenCharactersMax)
    if (final === 'm') current = select(current, parameters)
    else if (final === 'K') erase(cells, column, count)
    else if (final === 'C') column += Math.max(1, count)
    else if (final === 'D') column = Math.max(0, column - Math.max(1, count))
    else if (final === 'G') column = Math.max(0, count - 1)
  }
  write(shown.slice(at))
  const spans: { text: string; style: Style }[] = []
  for (const cell of cells) {
    const last = spans.at(-1)
    if (last !== undefined && last.style === cell.style) last.text += cell.text
    else spans.push({ ...cell })
  }
  return { spans, end: current }
}

function erase(cells: { text: string; style: Style }[], column: number, mode: number): void {
  if (mode === 0) cells.length = Math.min(cells.length, column)
  else if (mode === 2) cells.length = 0
  else for (let index = 0; index <= column && index < cells.length; index++) cells[index] = { text: ' ', style: plain }
}

/** SGR: https://www.ecma-international.org/publications-and-standards/standards/ecma-48/, 8.3.117. */
function select(style: Style, parameters: string): Style {
  const codes = parameters === '' ? [0] : parameters.split(/[;:]/).map((part) => (part === '' ? 0 : Number(part)))
  let next: { -readonly [K in keyof Style]: Style[K] } = { ...style }
  for (let index = 0; index < codes.length; index++) {
    const code = codes[index]!
    if (code === 0) next = {}
    else if (code === 1) next.bold = true
    else if (code === 2) next.dim = true
    else if (code === 3) next.italic = true
    else if (code === 4) next.underline = true
    else if (code === 7) next.inverse = true
    else if (code === 9) next.strike = true
    else if (code === 22) {
      delete next.bold
      delete next.dim
    } else if (code === 23) delete next.italic
    else if (code === 24) delete next.underline
    else if (code === 27) delete next.inverse
    else if (code === 29) delete next.strike
    else if (code >= 30 && code <= 37) next.ink = code - 30
    else if (code >= 90 && code <= 97) next.ink = code - 82
    else if (code === 39) delete next.ink
    else if (code >= 40 && code <= 47) next.ground = code - 40
    else if (code >= 100 && code <= 107) next.ground = code - 92
    else if (code === 49) delete next.ground
    else if (code === 38 || code === 48) {
      const { colour, length } = extendedColour(codes.slice(index + 1))
      index += length
      if (colour !== undefined) next[code === 38 ? 'ink' : 'ground'] = colour
    }
  }
  return next
}

function extendedColour(codes: readonly number[]): {
  readonly colour: number | string | undefined
  readonly length: number
} {
  const [kind, a, b, c] = codes
  if (kind === 5) return { colour: a === undefined ? undefined : indexed(a), length: 2 }
  if (kind !== 2) return { colour: undefined, length: 1 }
  return { colour: a === undefined || b === undefined || c === undefined ? undefined : hex(a, b, c), length: 4 }
}

/** The 256 colours of xterm: 16 of the theme, a cube of 6, 24 greys. */
function indexed(index: number): number | string | undefined {
  if (!(index >= 0 && index <= 255)) return undefined
  if (index < 16) return index
  if (index >= 232) return hex(8 + (index - 232) * 10, 8 + (index - 232) * 10, 8 + (index - 232) * 10)
  const level = (value: number) => (value === 0 ? 0 : 55 + value * 40)
  const cube = index - 16
  return hex(level(Math.floor(cube / 36)), level(Math.floor(cube / 6) % 6), level(cube % 6))
}

function hex(...parts: readonly number[]): string {
  return `#${parts
    .map((part) =>
      Math.min(255, Math.max(0, Math.trunc(part) || 0))
        .toString(16)
        .padStart(2, '0'),
    )
    .join('')}`
}
