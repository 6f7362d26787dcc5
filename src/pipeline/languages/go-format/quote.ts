// Quoted strings and characters as Go's strconv reads and writes them.

const shortEscapes: Readonly<Record<string, number>> = { a: 7, b: 8, f: 12, n: 10, r: 13, t: 9, v: 11, '\\': 0x5c }

/** The value of a Go string literal with its quotes, `"..."` or between backquotes; undefined when it is none. */
export function unquoteString(literal: string): string | undefined {
  const quote = literal[0]
  if (literal.length < 2 || quote !== literal.at(-1)) return undefined
  const content = literal.slice(1, -1)
  if (quote === '`') return content.includes('`') ? undefined : content.replaceAll('\r', '')
  if (quote !== '"') return undefined
  const chunks: Buffer[] = []
  const pattern = /([^"\\\n]+)|\\(.[0-9a-fA-F]*)/suy
  while (pattern.lastIndex < content.length) {
    const start = pattern.lastIndex
    const match = pattern.exec(content)
    if (match === null) return undefined
    if (match[1] !== undefined) {
      chunks.push(Buffer.from(match[1]))
      continue
    }
    const decoded = escapeOf(match[2]!, '"')
    if (decoded === undefined) return undefined
    chunks.push(decoded.isByte ? Buffer.of(decoded.value) : Buffer.from(String.fromCodePoint(decoded.value)))
    pattern.lastIndex = start + 1 + decoded.length
  }
  return Buffer.concat(chunks).toString('utf8')
}

/** The code point of a Go character literal with its quotes; undefined when it is none. */
export function unquoteCharacter(literal: string): number | undefined {
  const content = literal.slice(1, -1)
  if (content.startsWith('\\')) {
    const decoded = escapeOf(content.slice(1), "'")
    return decoded?.length === content.length - 1 ? decoded.value : undefined
  }
  const [character, ...more] = [...content]
  return character === undefined || character === "'" || more.length > 0 ? undefined : character.codePointAt(0)
}

/** `text` is what follows the backslash; `length` how much of it belongs to the escape. */
function escapeOf(text: string, quote: string): { value: number; length: number; isByte: boolean } | undefined {
  const letter = text[0] ?? ''
  if (letter === quote) return { value: letter.charCodeAt(0), length: 1, isByte: false }
  if (Object.hasOwn(shortEscapes, letter)) return { value: shortEscapes[letter]!, length: 1, isByte: false }
  const octal = /^[0-7]{3}/.exec(text)
  if (octal !== null) {
    const value = Number.parseInt(octal[0], 8)
    return value > 255 ? undefined : { value, length: 3, isByte: true }
  }
  const digits = { x: 2, u: 4, U: 8 }[letter]
  if (digits === undefined) return undefined
  const hexadecimal = text.slice(1, 1 + digits)
  if (!/^[0-9a-fA-F]+$/.test(hexadecimal) || hexadecimal.length !== digits) return undefined
  const value = Number.parseInt(hexadecimal, 16)
  const isCodePoint = value <= 0x10ffff && (value < 0xd800 || value > 0xdfff)
  return letter === 'x' || isCodePoint ? { value, length: 1 + digits, isByte: letter === 'x' } : undefined
}

/** Quotes like Go's `%q`; `isAscii` like `%+q`. */
export function quoteGo(text: string, isAscii = false): string {
  return `"${[...text].map((character) => escaped(character, '"', isAscii)).join('')}"`
}

/** Quotes a code point like Go's `%q` of a number. */
export function quoteGoCharacter(codePoint: number, isAscii = false): string {
  const isValid = codePoint >= 0 && codePoint <= 0x10ffff && (codePoint < 0xd800 || codePoint > 0xdfff)
  return `'${escaped(String.fromCodePoint(isValid ? codePoint : 0xfffd), "'", isAscii)}'`
}

/** True for what Go prints as it is: letters, marks, numbers, punctuation, symbols and the ASCII space. */
export function isPrintable(character: string): boolean {
  return /^[\p{L}\p{M}\p{N}\p{P}\p{S} ]$/u.test(character)
}

const shortNames: ReadonlyMap<number, string> = new Map(
  Object.entries(shortEscapes).map(([letter, code]) => [code, `\\${letter}`]),
)

function escaped(character: string, quote: string, isAscii: boolean): string {
  if (character === quote || character === '\\') return `\\${character}`
  const code = character.codePointAt(0)!
  if (isPrintable(character) && (!isAscii || code < 0x80)) return character
  const short = shortNames.get(code)
  if (short !== undefined) return short
  if (code < 0x20 || code === 0x7f) return `\\x${code.toString(16).padStart(2, '0')}`
  return code < 0x10000 ? `\\u${code.toString(16).padStart(4, '0')}` : `\\U${code.toString(16).padStart(8, '0')}`
}
