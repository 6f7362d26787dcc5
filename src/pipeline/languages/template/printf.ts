// Go's formatted printing, for the types a template has. A verb that does not fit prints what Go prints: `%!d(string=x)`.

import { formatGoFloat } from '../go-format/float.ts'
import { isPrintable, quoteGo, quoteGoCharacter } from '../go-format/quote.ts'
import { malformed, type Parsed, parsed } from '../parsed.ts'
import { printValue, typeName, type Value } from './value.ts'

/** A width or precision may have one digit more than this, as in Go. */
const widthMax = 1_000_000

type Flags = {
  minus: boolean
  plus: boolean
  sharp: boolean
  /** `%#v`, which is not the same as `#` with the value printed by default. */
  syntax: boolean
  space: boolean
  zero: boolean
  width: number | undefined
  precision: number | undefined
}

/**
 * Like `fmt.Sprintf`. The output is cut soon after `charactersMax`, which the caller refuses. Malformed: a format of
 * floats that is not supported, by name.
 */
export function sprintf(format: string, operands: readonly Value[], charactersMax: number): Parsed<string> {
  try {
    return parsed(new Printer(format, operands, charactersMax).print())
  } catch (error) {
    if (!(error instanceof UnsupportedFormat)) throw error
    return malformed(error.message)
  }
}

/** Does not leave this file. */
class UnsupportedFormat extends Error {}

/** Like `fmt.Sprint`: a space between operands when neither is a string. */
export function sprint(operands: readonly Value[]): string {
  return operands
    .map((operand, index) => {
      const before = operands[index - 1]
      const isSpaced = before !== undefined && before.kind !== 'string' && operand.kind !== 'string'
      return (isSpaced ? ' ' : '') + printValue(operand)
    })
    .join('')
}

class Printer {
  readonly #format: string
  readonly #operands: readonly Value[]
  readonly #charactersMax: number
  #output = ''
  #at = 0
  #operand = 0
  #isReordered = false
  #hasGoodIndex = true

  constructor(format: string, operands: readonly Value[], charactersMax: number) {
    this.#format = format
    this.#operands = operands
    this.#charactersMax = charactersMax
  }

  print(): string {
    while (this.#at < this.#format.length && this.#output.length <= this.#charactersMax) {
      const percent = this.#format.indexOf('%', this.#at)
      this.#output += this.#format.slice(this.#at, percent < 0 ? undefined : percent)
      if (percent < 0) break
      this.#at = percent + 1
      this.#directive()
    }
    if (!this.#isReordered && this.#operand < this.#operands.length) {
      const extra = this.#operands.slice(this.#operand).map((operand) => {
        return operand.kind === 'nil' ? '<nil>' : `${typeName(operand)}=${printValue(operand)}`
      })
      this.#output += `%!(EXTRA ${extra.join(', ')})`
    }
    return this.#output
  }

  #directive(): void {
    this.#hasGoodIndex = true
    const flags = this.#flags()
    let isAfterIndex = this.#index()
    if (this.#format[this.#at] === '*') {
      this.#at++
      const width = this.#starred()
      if (width === undefined) this.#output += '%!(BADWIDTH)'
      flags.width = width === undefined ? undefined : Math.abs(width)
      if (width !== undefined && width < 0) {
        flags.minus = true
        flags.zero = false
      }
      isAfterIndex = false
    } else {
      flags.width = this.#digits()
      if (isAfterIndex && flags.width !== undefined) this.#hasGoodIndex = false
    }
    if (this.#format[this.#at] === '.') {
      this.#at++
      if (isAfterIndex) this.#hasGoodIndex = false
      isAfterIndex = this.#index()
      if (this.#format[this.#at] === '*') {
        this.#at++
        const precision = this.#starred()
        if (precision === undefined) this.#output += '%!(BADPREC)'
        flags.precision = precision !== undefined && precision >= 0 ? precision : undefined
        isAfterIndex = false
      } else {
        flags.precision = this.#digits() ?? 0
      }
    }
    if (!isAfterIndex) this.#index()

    const verb = String.fromCodePoint(this.#format.codePointAt(this.#at) ?? 0)
    if (this.#at >= this.#format.length) {
      this.#output += '%!(NOVERB)'
      return
    }
    this.#at += verb.length
    if (verb === '%') this.#output += '%'
    else if (!this.#hasGoodIndex) this.#output += `%!${verb}(BADINDEX)`
    else if (this.#operand >= this.#operands.length) this.#output += `%!${verb}(MISSING)`
    else {
      // `%+v` asks for the names of fields, not for a sign.
      if (verb === 'v') Object.assign(flags, { plus: false, sharp: false, syntax: flags.sharp })
      this.#output += formatValue(this.#operands[this.#operand++]!, verb, flags)
    }
  }

  #flags(): Flags {
    const flags: Flags = {
      minus: false,
      plus: false,
      sharp: false,
      syntax: false,
      space: false,
      zero: false,
      width: undefined,
      precision: undefined,
    }
    for (; this.#at < this.#format.length; this.#at++) {
      const character = this.#format[this.#at]
      if (character === '-') flags.minus = true
      else if (character === '+') flags.plus = true
      else if (character === '#') flags.sharp = true
      else if (character === ' ') flags.space = true
      else if (character === '0') flags.zero = true
      else break
    }
    return flags
  }

  /** `[n]`: the operand to take next. */
  #index(): boolean {
    if (this.#format[this.#at] !== '[') return false
    this.#isReordered = true
    const close = this.#format.indexOf(']', this.#at)
    if (close < 0) {
      this.#hasGoodIndex = false
      this.#at++
      return false
    }
    const digits = this.#format.slice(this.#at + 1, close)
    this.#at = close + 1
    const index = /^[0-9]{1,7}$/.test(digits) ? Number(digits) : 0
    if (index < 1 || index > this.#operands.length) {
      this.#hasGoodIndex = false
      return true
    }
    this.#operand = index - 1
    return true
  }

  #digits(): number | undefined {
    const pattern = /[0-9]+/y
    pattern.lastIndex = this.#at
    const digits = pattern.exec(this.#format)?.[0]
    if (digits === undefined) return undefined
    const value = Number(digits)
    const isTooLarge = Math.trunc(value / 10) > widthMax
    // Go gives up at a width that is too large, and with it the rest of the format.
    this.#at = isTooLarge ? this.#format.length : this.#at + digits.length
    return isTooLarge ? undefined : value
  }

  #starred(): number | undefined {
    const operand = this.#operands[this.#operand]
    if (operand !== undefined) this.#operand++
    if (operand?.kind !== 'int') return undefined
    const size = Number(operand.value)
    return Math.abs(size) <= widthMax ? size : undefined
  }
}

function formatValue(value: Value, verb: string, flags: Flags): string {
  if (verb === 'T') return formatString(typeName(value), 's', flags)!
  if (value.kind === 'nil') return verb === 'v' ? padded('<nil>', flags) : `%!${verb}(<nil>)`
  const bad = () => `%!${verb}(${typeName(value)}=${formatValue(value, 'v', flags)})`
  switch (value.kind) {
    case 'string':
      return formatString(value.value, verb, flags) ?? bad()
    case 'int':
      return formatInteger(value, verb, flags) ?? bad()
    case 'float':
      return formatFloat(value.value, verb, flags) ?? bad()
    case 'bool':
      return verb === 't' || verb === 'v' ? padded(String(value.value), flags) : bad()
    case 'map':
      return flags.syntax ? 'map[string]string(nil)' : 'map[]'
    case 'data':
      return '{map[]}'
  }
}

function formatString(text: string, verb: string, flags: Flags): string | undefined {
  const cut = flags.precision === undefined ? text : [...text].slice(0, flags.precision).join('')
  switch (verb) {
    case 'v':
      return padded(flags.syntax ? quoteGo(cut) : cut, flags)
    case 's':
      return padded(cut, flags)
    case 'q': {
      const canBackquote = ![...cut].some(
        (character) =>
          character === '`' ||
          (character < ' ' && character !== '\t') ||
          character === '\x7f' ||
          character === '\ufeff',
      )
      return padded(flags.sharp && canBackquote ? `\`${cut}\`` : quoteGo(cut, flags.plus), flags)
    }
    case 'x':
    case 'X':
      return padded(hexadecimal(text, verb, flags), flags)
    default:
      return undefined
  }
}

function hexadecimal(text: string, verb: 'x' | 'X', { precision, sharp, space }: Flags): string {
  const bytes = Buffer.from(text).subarray(0, precision)
  const pairs = [...bytes].map((byte) => byte.toString(16).padStart(2, '0'))
  if (pairs.length === 0) return ''
  const prefix = sharp ? '0x' : ''
  const digits = space ? pairs.map((pair) => prefix + pair).join(' ') : prefix + pairs.join('')
  return verb === 'X' ? digits.toUpperCase() : digits
}

function formatInteger(operand: Value & { kind: 'int' }, verb: string, flags: Flags): string | undefined {
  const { value, type } = operand
  switch (verb) {
    case 'v':
      return flags.syntax && type === 'uint8'
        ? digitsOf(value, { ...flags, sharp: true, radix: 16 })
        : digitsOf(value, { ...flags, sharp: false, radix: 10 })
    case 'd':
      return digitsOf(value, { ...flags, sharp: false, radix: 10 })
    case 'b':
      return digitsOf(value, { ...flags, radix: 2 })
    case 'o':
      return digitsOf(value, { ...flags, radix: 8 })
    case 'O':
      return digitsOf(value, { ...flags, radix: 8, prefix: '0o' })
    case 'x':
      return digitsOf(value, { ...flags, radix: 16 })
    case 'X':
      return digitsOf(value, { ...flags, radix: 16 }).toUpperCase()
    case 'c':
      return padded(codePointOf(value), flags)
    case 'q':
      return padded(quoteGoCharacter(codePointOf(value).codePointAt(0)!, flags.plus), flags)
    case 'U': {
      const code = (value < 0n ? BigInt.asUintN(64, value) : value).toString(16).toUpperCase()
      const name = `U+${code.padStart(Math.max(flags.precision ?? 4, 4), '0')}`
      const character = codePointOf(value)
      const isShown = flags.sharp && isPrintable(character) && BigInt(character.codePointAt(0)!) === value
      return padded(isShown ? `${name} '${character}'` : name, { ...flags, zero: false })
    }
    default:
      return undefined
  }
}

function codePointOf(value: bigint): string {
  const isCodePoint = value >= 0n && value <= 0x10ffffn && (value < 0xd800n || value > 0xdfffn)
  return isCodePoint ? String.fromCodePoint(Number(value)) : '\ufffd'
}

function digitsOf(value: bigint, options: Flags & { radix: 2 | 8 | 10 | 16; prefix?: string }): string {
  const { radix, precision, width, minus } = options
  if (precision === 0 && value === 0n) return padded('', { ...options, zero: false })
  const size = value < 0n ? -value : value
  const sign = value < 0n ? '-' : options.plus ? '+' : options.space ? ' ' : ''
  let digits = size.toString(radix)
  if (precision !== undefined) digits = digits.padStart(precision, '0')
  else if (options.zero && width !== undefined && !minus) digits = digits.padStart(width - sign.length, '0')
  const sharp = { 2: '0b', 8: digits.startsWith('0') ? '' : '0', 10: '', 16: '0x' }[radix]
  const prefix = options.prefix ?? (options.sharp ? sharp : '')
  return padded(sign + prefix + digits, { ...options, zero: false })
}

function formatFloat(value: number, verb: string, flags: Flags): string | undefined {
  if ('xXb'.includes(verb)) throw new UnsupportedFormat(`%${verb} of a float is not supported in a cache key`)
  const lower = verb.toLowerCase()
  if (!['v', 'e', 'f', 'g'].includes(lower) || verb === 'V') return undefined
  if (flags.sharp) throw new UnsupportedFormat(`%#${verb} of a float is not supported in a cache key`)
  const format = lower === 'v' ? 'g' : (lower as 'e' | 'f' | 'g')
  const precision = flags.precision ?? (format === 'g' ? 'shortest64' : 6)
  const text = formatGoFloat(value, format, precision)
  const printed = verb === 'E' || verb === 'G' ? text.toUpperCase() : text
  const size = printed.replace(/^[+-]/, '')
  const sign = printed.startsWith('-')
    ? '-'
    : flags.plus || (printed.startsWith('+') && !flags.space)
      ? '+'
      : flags.space
        ? ' '
        : ''
  const shownSign = Number.isFinite(value) || printed !== 'NaN' ? sign : flags.plus ? '+' : flags.space ? ' ' : ''
  if (flags.zero && !flags.minus && Number.isFinite(value) && flags.width !== undefined)
    return shownSign + size.padStart(flags.width - shownSign.length, '0')
  return padded(shownSign + size, { ...flags, zero: false })
}

function padded(text: string, { width, minus, zero }: Flags): string {
  if (width === undefined) return text
  const missing = width - [...text].length
  if (missing <= 0) return text
  if (minus) return text + ' '.repeat(missing)
  return (zero ? '0' : ' ').repeat(missing) + text
}
