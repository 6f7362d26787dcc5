// Parses the text/template language of Go. Actions that define or call other templates are refused by name: a cache key is
// one template.

import { limits } from '../../../lib/limits.ts'
import { unquoteCharacter, unquoteString } from '../go-format/quote.ts'
import { malformed, type Parsed, parsed } from '../parsed.ts'
import { functionNames } from './function-names.ts'
import {
  type Command,
  type NumberValue,
  type Operand,
  type Pipeline,
  printSyntax,
  type Statement,
  type Template,
} from './syntax.ts'
import { type Token, type TokenKind, tokensOf } from './tokens.ts'

/** Parses a template of at most `limits.templateBytes`. Malformed: Go's messages, `template: key:LINE: ...`. */
export function parseTemplate(text: string): Parsed<Template> {
  const bytesMax = limits.templateBytes.value
  if (Buffer.byteLength(text) > bytesMax) return malformed(`template: key: longer than ${bytesMax} bytes`)
  try {
    return parsed({ text, nodes: new Parser(text).parse() })
  } catch (error) {
    if (!(error instanceof SyntaxRefusal)) throw error
    return malformed(error.message)
  }
}

/** How the parser gives up; does not leave this file. */
class SyntaxRefusal extends Error {}

type Ending = { readonly kind: 'end'; readonly at: number } | { readonly kind: 'else'; readonly at: number }
type Block = { readonly body: readonly Statement[]; readonly ending: Ending }

const operandStarts: ReadonlySet<TokenKind> = new Set<TokenKind>([
  'bool',
  'character',
  'dot',
  'field',
  'identifier',
  'number',
  'nil',
  'rawString',
  'string',
  'variable',
  'leftParen',
])

class Parser {
  readonly #text: string
  readonly #tokens: readonly Token[]
  #next = 0
  /** The names in scope, innermost last. */
  #variables: string[] = ['$']
  #ranges = 0
  #depth = 0
  #actionAt: number | undefined

  constructor(text: string) {
    this.#text = text
    this.#tokens = tokensOf(text)
  }

  parse(): Statement[] {
    const statements: Statement[] = []
    while (this.#peekNonSpace().kind !== 'end') {
      const statement = this.#statement()
      if (statement.kind === 'end' || statement.kind === 'else') this.#fail(`unexpected {{${statement.kind}}}`)
      statements.push(statement)
    }
    return statements
  }

  #block(): Block {
    const body: Statement[] = []
    while (this.#peekNonSpace().kind !== 'end') {
      const statement = this.#statement()
      if (statement.kind === 'end' || statement.kind === 'else') return { body, ending: statement }
      body.push(statement)
    }
    this.#fail('unexpected EOF', this.#peek())
  }

  #statement(): Statement | Ending {
    const token = this.#takeNonSpace()
    if (token.kind === 'text') return { kind: 'text', at: token.at, text: token.text }
    if (token.kind !== 'leftDelimiter') this.#unexpected(token, 'input')
    this.#actionAt = token.at
    const statement = this.#action()
    this.#actionAt = undefined
    return statement
  }

  #action(): Statement | Ending {
    const token = this.#peekNonSpace()
    if (token.kind !== 'keyword') {
      const at = this.#peekNonSpace().at
      return { kind: 'action', at, pipeline: this.#pipeline('command', 'rightDelimiter') }
    }
    this.#takeNonSpace()
    switch (token.text) {
      case 'if':
      case 'with':
      case 'range':
        return this.#control(token.text, token.at)
      case 'end':
        return { kind: 'end', at: this.#expectRightDelimiter('end').at }
      case 'else': {
        const peeked = this.#peekNonSpace()
        if (peeked.kind === 'keyword' && (peeked.text === 'if' || peeked.text === 'with'))
          return { kind: 'else', at: peeked.at }
        return { kind: 'else', at: this.#expectRightDelimiter('else').at }
      }
      case 'break':
      case 'continue': {
        const peeked = this.#takeNonSpace()
        if (peeked.kind !== 'rightDelimiter') this.#unexpected(peeked, `{{${token.text}}}`)
        if (this.#ranges === 0) this.#fail(`{{${token.text}}} outside {{range}}`)
        return { kind: token.text, at: token.at }
      }
      default:
        return this.#fail(`{{${token.text}}} is not supported in a cache key`)
    }
  }

  #control(kind: 'if' | 'with' | 'range', at: number): Statement {
    return this.#nested(() => {
      const scope = this.#variables.length
      const pipeline = this.#pipeline(kind, 'rightDelimiter')
      if (kind === 'range') this.#ranges++
      const { body, ending } = this.#block()
      if (kind === 'range') this.#ranges--
      const otherwise = ending.kind === 'end' ? undefined : this.#otherwise(kind)
      this.#variables.length = scope
      return { kind, at, pipeline, body, otherwise }
    })
  }

  #otherwise(kind: 'if' | 'with' | 'range'): readonly Statement[] {
    const token = this.#peekNonSpace()
    if (token.kind === 'keyword' && token.text === kind && kind !== 'range') {
      this.#takeNonSpace()
      return [this.#control(kind, token.at)]
    }
    const { body, ending } = this.#block()
    if (ending.kind !== 'end') this.#fail(`expected end; found {{${ending.kind}}}`)
    return body
  }

  #pipeline(context: string, end: TokenKind): Pipeline {
    return this.#nested(() => {
      const { at } = this.#peekNonSpace()
      const { variables, isAssignment } = this.#declarations(context)
      const commands: Command[] = []
      for (let token = this.#takeNonSpace(); token.kind !== end; token = this.#takeNonSpace()) {
        if (!operandStarts.has(token.kind)) this.#unexpected(token, context)
        this.#next--
        commands.push(this.#command())
      }
      if (commands.length === 0) this.#fail(`missing value for ${context}`)
      for (const [index, command] of commands.entries())
        if (index > 0 && ['bool', 'dot', 'nil', 'number', 'string'].includes(command.operands[0]!.kind))
          this.#fail(`non executable command in pipeline stage ${index + 1}`)
      return { kind: 'pipeline', at, variables, isAssignment, commands }
    })
  }

  #declarations(context: string): { variables: readonly string[]; isAssignment: boolean } {
    const variables: string[] = []
    for (;;) {
      const token = this.#peekNonSpace()
      if (token.kind !== 'variable') return { variables, isAssignment: false }
      const start = this.#next
      this.#takeNonSpace()
      const following = this.#peekNonSpace()
      const isComma = following.kind === 'other' && following.text === ','
      if (following.kind !== 'assign' && following.kind !== 'declare' && !isComma) {
        this.#next = start
        return { variables, isAssignment: false }
      }
      this.#takeNonSpace()
      variables.push(token.text)
      this.#variables.push(token.text)
      if (!isComma) return { variables, isAssignment: following.kind === 'assign' }
      if (context !== 'range' || variables.length >= 2) this.#fail(`too many declarations in ${context}`)
      if (!['variable', 'rightDelimiter', 'rightParen'].includes(this.#peekNonSpace().kind))
        this.#fail('range can only initialize variables')
    }
  }

  #command(): Command {
    const { at } = this.#peekNonSpace()
    const operands: Operand[] = []
    for (;;) {
      this.#peekNonSpace()
      const operand = this.#operand()
      if (operand !== undefined) operands.push(operand)
      const token = this.#take()
      if (token.kind === 'space') continue
      if (token.kind === 'rightDelimiter' || token.kind === 'rightParen') this.#next--
      else if (token.kind !== 'pipe') this.#unexpected(token, 'operand')
      if (operands.length === 0) this.#fail('empty command')
      return { kind: 'command', at, operands }
    }
  }

  #operand(): Operand | undefined {
    const term = this.#term()
    if (term === undefined || this.#peek().kind !== 'field') return term
    const { at } = this.#peek()
    const fields: string[] = []
    while (this.#peek().kind === 'field') fields.push(this.#take().text.slice(1))
    switch (term.kind) {
      case 'field':
      case 'variable':
        return { ...term, at, fields: [...term.fields, ...fields] }
      case 'bool':
      case 'string':
      case 'number':
      case 'nil':
      case 'dot':
        return this.#fail(`unexpected . after term ${JSON.stringify(printSyntax(term))}`)
      default:
        return { kind: 'chain', at, operand: term, fields }
    }
  }

  #term(): Operand | undefined {
    const token = this.#peekNonSpace()
    const { at, text } = token
    if (!operandStarts.has(token.kind)) return undefined
    this.#takeNonSpace()
    switch (token.kind) {
      case 'identifier':
        if (!functionNames.has(text)) this.#fail(`function ${JSON.stringify(text)} not defined`)
        return { kind: 'function', at, name: text }
      case 'dot':
      case 'nil':
        return { kind: token.kind, at }
      case 'variable':
        if (!this.#variables.includes(text)) this.#fail(`undefined variable ${JSON.stringify(text)}`)
        return { kind: 'variable', at, name: text, fields: [] }
      case 'field':
        return { kind: 'field', at, fields: [text.slice(1)] }
      case 'bool':
        return { kind: 'bool', at, value: text === 'true' }
      case 'leftParen':
        return this.#pipeline('parenthesized pipeline', 'rightParen')
      case 'character': {
        const value = unquoteCharacter(text)
        if (value === undefined)
          this.#fail(/^'(?:\\|'$)/.test(text) ? 'invalid syntax' : `malformed character constant: ${text}`)
        return { kind: 'number', at, text, value: { kind: 'int', value: BigInt(value) } }
      }
      case 'number':
        return { kind: 'number', at, text, value: this.#number(text) }
      default: {
        const value = unquoteString(text)
        if (value === undefined) this.#fail('invalid syntax')
        return { kind: 'string', at, quoted: text, value }
      }
    }
  }

  #number(text: string): NumberValue {
    if (text.endsWith('i')) this.#fail(`complex number ${text} is not supported in a cache key`)
    const isFloat = /[.pP]/.test(text) || (/[eE]/.test(text) && !/^[+-]?0[xX]/.test(text))
    const value = isFloat ? floatOf(text) : integerOf(text)
    if (value === undefined) {
      // `08` is no octal number; Go takes it for an integer that does not fit.
      const problem = /^[+-]?[0-9]+$/.test(text) ? 'integer overflow' : 'illegal number syntax'
      this.#fail(`${problem}: ${JSON.stringify(text)}`)
    }
    if (typeof value === 'number') return { kind: 'float', value }
    if (value >= 1n << 64n || value < -(1n << 63n)) this.#fail(`integer overflow: ${JSON.stringify(text)}`)
    return { kind: 'int', value }
  }

  #nested<T>(parse: () => T): T {
    if (++this.#depth > limits.templateNestingLevels.value)
      this.#fail(`nested deeper than ${limits.templateNestingLevels.value} levels`)
    const result = parse()
    this.#depth--
    return result
  }

  #expectRightDelimiter(context: string): Token {
    const token = this.#takeNonSpace()
    if (token.kind !== 'rightDelimiter') this.#unexpected(token, context)
    return token
  }

  #peek(): Token {
    return this.#tokens[Math.min(this.#next, this.#tokens.length - 1)]!
  }

  #take(): Token {
    const token = this.#peek()
    this.#next++
    return token
  }

  #peekNonSpace(): Token {
    while (this.#peek().kind === 'space') this.#next++
    return this.#peek()
  }

  #takeNonSpace(): Token {
    this.#peekNonSpace()
    return this.#take()
  }

  #unexpected(token: Token, context: string): never {
    if (token.kind === 'error') {
      const line = this.#lineAt(token.at)
      const start = this.#actionAt === undefined ? line : this.#lineAt(this.#actionAt)
      const started =
        start === line ? '' : `${token.text.endsWith(' action') ? '' : ' in action'} started at key:${start}`
      this.#fail(`${token.text}${started}`, token)
    }
    this.#fail(`unexpected ${printToken(token)} in ${context}`, token)
  }

  #fail(
    message: string,
    token: Token = this.#tokens[Math.min(Math.max(this.#next - 1, 0), this.#tokens.length - 1)]!,
  ): never {
    throw new SyntaxRefusal(`template: key:${this.#lineAt(token.at)}: ${message}`)
  }

  #lineAt(at: number): number {
    return this.#text.slice(0, at).split('\n').length
  }
}

function printToken(token: Token): string {
  if (token.kind === 'end') return 'EOF'
  if (token.kind === 'keyword' || token.kind === 'dot' || token.kind === 'nil') return `<${token.text}>`
  const characters = [...token.text]
  return characters.length > 10 ? `${JSON.stringify(characters.slice(0, 10).join(''))}...` : JSON.stringify(token.text)
}

/** Undefined when it is no number; underscores may stand between digits and after a prefix. */
function integerOf(text: string): bigint | undefined {
  const match =
    /^([+-]?)(?:(0[xX])((?:_?[0-9a-fA-F])+)|(0[bB])((?:_?[01])+)|(0[oO]?)((?:_?[0-7])+)|(0|[1-9](?:_?[0-9])*))$/.exec(
      text,
    )
  if (match === null) return undefined
  const [, sign, , hexadecimal, , binary, , octal, decimal] = match
  const digits =
    hexadecimal !== undefined
      ? `0x${hexadecimal}`
      : binary !== undefined
        ? `0b${binary}`
        : octal !== undefined
          ? `0o${octal}`
          : decimal!
  const size = BigInt(digits.replaceAll('_', ''))
  return sign === '-' ? -size : size
}

function floatOf(text: string): number | undefined {
  const hexadecimal = /^([+-]?)0[xX]([0-9a-fA-F]*)(?:\.([0-9a-fA-F]*))?[pP]([+-]?[0-9]+)$/.exec(text)
  if (hexadecimal !== null) {
    const [, sign, whole = '', fraction = '', exponent] = hexadecimal
    if (whole + fraction === '') return undefined
    const size = Number(BigInt(`0x${whole}${fraction}`)) * 2 ** (Number(exponent) - 4 * fraction.length)
    return Number.isFinite(size) ? (sign === '-' ? -size : size) : undefined
  }
  if (!/^[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?$/.test(text)) return undefined
  const value = Number(text)
  return Number.isFinite(value) ? value : undefined
}
