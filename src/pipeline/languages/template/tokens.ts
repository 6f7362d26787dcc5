// Cuts a template into text and the tokens of its actions. The rules, and the words of the errors, are those of Go's
// text/template.

export type TokenKind =
  | 'text'
  | 'leftDelimiter'
  | 'rightDelimiter'
  | 'space'
  | 'dot'
  | 'field'
  | 'variable'
  | 'identifier'
  | 'keyword'
  | 'bool'
  | 'nil'
  | 'number'
  | 'character'
  | 'string'
  | 'rawString'
  | 'assign'
  | 'declare'
  | 'pipe'
  | 'leftParen'
  | 'rightParen'
  | 'other'
  | 'error'
  | 'end'

/** `text` is as written; for an error it is the message. `at` is the offset in the template. */
export type Token = { readonly kind: TokenKind; readonly text: string; readonly at: number }

const keywords: ReadonlySet<string> = new Set([
  'block',
  'break',
  'continue',
  'define',
  'else',
  'end',
  'if',
  'range',
  'template',
  'with',
])

/** The tokens of a template; the last one is of kind `end` or `error`. */
export function tokensOf(template: string): readonly Token[] {
  const lexer = new Lexer(template)
  lexer.run()
  return lexer.tokens
}

class Lexer {
  readonly tokens: Token[] = []
  readonly #input: string
  #at = 0
  #parens = 0

  constructor(input: string) {
    this.#input = input
  }

  run(): void {
    while (this.#text()) {
      while (this.#token());
      if (this.tokens.at(-1)?.kind === 'error') return
    }
  }

  /** Takes text and comments up to the next action, and its opening; false at the end, also after an error. */
  #text(): boolean {
    for (;;) {
      const open = this.#input.indexOf('{{', this.#at)
      if (open < 0) {
        this.#emitText(this.#input.slice(this.#at))
        this.#at = this.#input.length
        this.#emit('end', 0)
        return false
      }
      const isTrimmed = /^-[ \t\r\n]/.test(this.#input.slice(open + 2, open + 4))
      const text = this.#input.slice(this.#at, open)
      this.#emitText(isTrimmed ? withoutSpaceAtEnd(text) : text)
      this.#at = open
      const content = open + 2 + (isTrimmed ? 2 : 0)
      if (!this.#input.startsWith('/*', content)) {
        this.#emit('leftDelimiter', 2)
        this.#at = content
        this.#parens = 0
        return true
      }
      if (!this.#comment(content)) return false
    }
  }

  #comment(content: number): boolean {
    const close = this.#input.indexOf('*/', content + 2)
    this.#at = content
    if (close < 0) return this.#error('unclosed comment')
    this.#at = close + 2
    const length = this.#rightDelimiterLength()
    if (length === 0) return this.#error('comment ends before closing delimiter')
    this.#skipRightDelimiter(length)
    return true
  }

  #emitText(text: string): void {
    if (text !== '') this.tokens.push({ kind: 'text', text, at: this.#at })
  }

  /** 0 when no right delimiter is here, 2 for `}}`, 4 for ` -}}`. */
  #rightDelimiterLength(): number {
    if (this.#input.startsWith('}}', this.#at)) return 2
    return /^[ \t\r\n]-\}\}/.test(this.#input.slice(this.#at, this.#at + 4)) ? 4 : 0
  }

  #skipRightDelimiter(length: number): void {
    this.#at += length
    if (length < 4) return
    while (this.#at < this.#input.length && ' \t\r\n'.includes(this.#input[this.#at]!)) this.#at++
  }

  /** Takes one token inside an action; false when the action, or everything, is over. */
  #token(): boolean {
    const delimiter = this.#rightDelimiterLength()
    if (delimiter > 0) {
      if (this.#parens > 0) return this.#error('unclosed left paren')
      this.tokens.push({ kind: 'rightDelimiter', text: '}}', at: this.#at })
      this.#skipRightDelimiter(delimiter)
      return false
    }
    const character = this.#input[this.#at]
    if (character === undefined) return this.#error('unclosed action')
    switch (character) {
      case ' ':
      case '\t':
      case '\r':
      case '\n':
        return this.#space()
      case '=':
        return this.#emit('assign', 1)
      case ':':
        return this.#input[this.#at + 1] === '=' ? this.#emit('declare', 2) : this.#error('expected :=')
      case '|':
        return this.#emit('pipe', 1)
      case '"':
        return this.#quoted('string', '"', 'unterminated quoted string')
      case "'":
        return this.#quoted('character', "'", 'unterminated character constant')
      case '`': {
        const close = this.#input.indexOf('`', this.#at + 1)
        return close < 0 ? this.#error('unterminated raw quoted string') : this.#emit('rawString', close + 1 - this.#at)
      }
      case '$':
        return this.#named('variable')
      case '(':
        this.#parens++
        return this.#emit('leftParen', 1)
      case ')':
        if (this.#parens === 0) return this.#error('unexpected right paren')
        this.#parens--
        return this.#emit('rightParen', 1)
      case '.':
        return /[0-9]/.test(this.#input[this.#at + 1] ?? 'x') ? this.#number() : this.#named('field')
      default:
        if (/[-+0-9]/.test(character)) return this.#number()
        return this.#word()
    }
  }

  #space(): boolean {
    let end = this.#at
    while (end < this.#input.length && ' \t\r\n'.includes(this.#input[end]!)) end++
    // The last of the spaces belongs to a trimming delimiter.
    if (this.#input.startsWith('-}}', end)) end--
    return end === this.#at ? true : this.#emit('space', end - this.#at)
  }

  #quoted(kind: 'string' | 'character', quote: string, unterminated: string): boolean {
    for (let end = this.#at + 1; end < this.#input.length; end++) {
      const character = this.#input[end]
      if (character === '\n') break
      if (character === '\\') {
        end++
        if (this.#input[end] === '\n') break
      } else if (character === quote) return this.#emit(kind, end + 1 - this.#at)
    }
    return this.#error(unterminated)
  }

  #named(kind: 'variable' | 'field'): boolean {
    const length = 1 + this.#alphanumerics(this.#at + 1)
    if (!this.#isTerminated(length)) return false
    return this.#emit(kind === 'field' && length === 1 ? 'dot' : kind, length)
  }

  #word(): boolean {
    const length = this.#alphanumerics(this.#at)
    if (length === 0) {
      const codePoint = this.#input.codePointAt(this.#at)!
      return codePoint > 0x20 && codePoint < 0x7f
        ? this.#emit('other', 1)
        : this.#error(`unrecognized character in action: ${unicodeName(codePoint)}`)
    }
    if (!this.#isTerminated(length)) return false
    const word = this.#input.slice(this.#at, this.#at + length)
    if (keywords.has(word)) return this.#emit('keyword', length)
    if (word === 'true' || word === 'false') return this.#emit('bool', length)
    return this.#emit(word === 'nil' ? 'nil' : 'identifier', length)
  }

  #alphanumerics(from: number): number {
    const pattern = /[\p{L}\p{Nd}_]*/uy
    pattern.lastIndex = from
    return pattern.exec(this.#input)![0].length
  }

  /** Whether a name of `length` may end where it ends; if not, that is an error. */
  #isTerminated(length: number): boolean {
    const start = this.#at
    this.#at += length
    const next = this.#input.codePointAt(this.#at)
    if (
      next === undefined ||
      ' \t\r\n.,|:)('.includes(String.fromCodePoint(next)) ||
      this.#rightDelimiterLength() > 0
    ) {
      this.#at = start
      return true
    }
    return this.#error(`bad character ${unicodeName(next)}`)
  }

  #number(): boolean {
    const pattern =
      /[+-]?(?:0[xX][0-9a-fA-F_]*(?:\.[0-9a-fA-F_]*)?(?:[pP][+-]?[0-9_]*)?|0[oO][0-7_]*(?:\.[0-7_]*)?|0[bB][01_]*(?:\.[01_]*)?|[0-9_]*(?:\.[0-9_]*)?(?:[eE][+-]?[0-9_]*)?)i?/y
    pattern.lastIndex = this.#at
    const text = pattern.exec(this.#input)![0]
    if (this.#alphanumerics(this.#at + text.length) > 0) {
      const next = String.fromCodePoint(this.#input.codePointAt(this.#at + text.length)!)
      return this.#error(`bad number syntax: ${JSON.stringify(text + next)}`)
    }
    if (!/^[+-]$/.test(this.#input[this.#at + text.length] ?? '')) return this.#emit('number', text.length)
    // A sign right after a number makes it a complex one.
    pattern.lastIndex = this.#at + text.length
    const complex = text + pattern.exec(this.#input)![0]
    return complex.endsWith('i')
      ? this.#emit('number', complex.length)
      : this.#error(`bad number syntax: ${JSON.stringify(complex)}`)
  }

  #emit(kind: TokenKind, length: number): boolean {
    this.tokens.push({ kind, text: this.#input.slice(this.#at, this.#at + length), at: this.#at })
    this.#at += length
    return true
  }

  #error(message: string): false {
    this.tokens.push({ kind: 'error', text: message, at: this.#at })
    return false
  }
}

/** A regular expression for this takes quadratic time where spaces are many and not at the end. */
function withoutSpaceAtEnd(text: string): string {
  let end = text.length
  while (end > 0 && ' \t\r\n'.includes(text[end - 1]!)) end--
  return text.slice(0, end)
}

/** Like Go's `%#U`: `U+0040 '@'`. */
function unicodeName(codePoint: number): string {
  const code = `U+${codePoint.toString(16).toUpperCase().padStart(4, '0')}`
  const character = String.fromCodePoint(codePoint)
  return /[\p{L}\p{M}\p{N}\p{P}\p{S} ]/u.test(character) ? `${code} '${character}'` : code
}
