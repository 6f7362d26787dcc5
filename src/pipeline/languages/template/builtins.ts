// The functions that Go's text/template itself gives, without `and`, `or` and `call`, which are part of the evaluation.

import { malformed, type Parsed, parsed } from '../parsed.ts'
import type { BuiltinName } from './function-names.ts'
import { sprint, sprintf } from './printf.ts'
import { boolValue, intValue, isTrue, nil, printValue, stringValue, typeName, type Value } from './value.ts'

export type PlainBuiltin = Exclude<BuiltinName, 'and' | 'or' | 'call'>

/** How many operands each takes; `most` is missing where there is no limit. */
export const operandCounts: Readonly<Record<BuiltinName, { readonly least: number; readonly most?: number }>> = {
  and: { least: 1 },
  call: { least: 1 },
  eq: { least: 1 },
  ge: { least: 2, most: 2 },
  gt: { least: 2, most: 2 },
  html: { least: 0 },
  index: { least: 1 },
  js: { least: 0 },
  le: { least: 2, most: 2 },
  len: { least: 1, most: 1 },
  lt: { least: 2, most: 2 },
  ne: { least: 2, most: 2 },
  not: { least: 1, most: 1 },
  or: { least: 1 },
  print: { least: 0 },
  printf: { least: 1 },
  println: { least: 0 },
  slice: { least: 1 },
  urlquery: { least: 0 },
}

/** Calls a function with as many operands as it takes. Malformed: Go's message, without where it happened. */
export function callBuiltin(name: PlainBuiltin, operands: readonly Value[], charactersMax: number): Parsed<Value> {
  const [first = nil, second = nil] = operands
  switch (name) {
    case 'print':
      return parsed(stringValue(sprint(operands)))
    case 'println':
      return parsed(stringValue(`${operands.map(printValue).join(' ')}\n`))
    case 'printf':
      return formatted(printValue(first), operands.slice(1), charactersMax)
    case 'html':
      return parsed(stringValue(replaced(textOf(operands), /["'&<>\0]/g, htmlEscapes)))
    case 'js':
      return parsed(stringValue(escapeJavaScript(textOf(operands))))
    case 'urlquery':
      return parsed(stringValue(escapeQuery(textOf(operands))))
    case 'not':
      return parsed(boolValue(!isTrue(first)))
    case 'len':
      return lengthOf(first)
    case 'index':
      return operands
        .slice(1)
        .reduce<Parsed<Value>>((item, at) => (item.ok ? indexed(item.value, at) : item), indexable(first))
    case 'slice':
      return sliced(first, operands.slice(1))
    case 'eq':
      return isEqualToAny(first, operands.slice(1))
    case 'ne': {
      const equal = isEqualToAny(first, [second])
      return equal.ok ? parsed(boolValue(!isTrue(equal.value))) : equal
    }
    case 'lt':
      return isLess(first, second)
    case 'le': {
      const less = isLess(first, second)
      return less.ok && !isTrue(less.value) ? isEqualToAny(first, [second]) : less
    }
    case 'gt':
    case 'ge': {
      const opposite = callBuiltin(name === 'gt' ? 'le' : 'lt', operands, charactersMax)
      return opposite.ok ? parsed(boolValue(!isTrue(opposite.value))) : opposite
    }
  }
}

const noValue = stringValue('<no value>')

function formatted(format: string, operands: readonly Value[], charactersMax: number): Parsed<Value> {
  const text = sprintf(format, operands, charactersMax)
  return text.ok ? parsed(stringValue(text.value)) : text
}

function textOf(operands: readonly Value[]): string {
  const [only] = operands
  if (operands.length === 1 && only?.kind === 'string') return only.value
  return sprint(operands.map((operand) => (operand.kind === 'nil' ? noValue : operand)))
}

const htmlEscapes: Readonly<Record<string, string>> = {
  '"': '&#34;',
  "'": '&#39;',
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '\0': '\ufffd',
}

const javaScriptEscapes: Readonly<Record<string, string>> = {
  '\\': '\\\\',
  "'": "\\'",
  '"': '\\"',
  '<': '\\u003C',
  '>': '\\u003E',
  '&': '\\u0026',
  '=': '\\u003D',
}

function replaced(text: string, pattern: RegExp, escapes: Readonly<Record<string, string>>): string {
  return text.replace(pattern, (character) => escapes[character]!)
}

function escapeJavaScript(text: string): string {
  return text.replace(/[\\'"<>&=]|[^\p{L}\p{M}\p{N}\p{P}\p{S} ]/gu, (character) => {
    return javaScriptEscapes[character] ?? `\\u${character.codePointAt(0)!.toString(16).toUpperCase().padStart(4, '0')}`
  })
}

function escapeQuery(text: string): string {
  return encodeURIComponent(text.toWellFormed())
    .replace(/[!'()*]/g, (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`)
    .replaceAll('%20', '+')
}

function lengthOf(value: Value): Parsed<Value> {
  if (value.kind === 'string') return parsed(intValue(Buffer.byteLength(value.value)))
  if (value.kind === 'map') return parsed(intValue(0))
  return malformed(value.kind === 'nil' ? 'len of nil pointer' : `len of type ${typeName(value)}`)
}

function indexable(value: Value): Parsed<Value> {
  return value.kind === 'nil' ? malformed('index of untyped nil') : parsed(value)
}

function indexed(item: Value, at: Value): Parsed<Value> {
  if (item.kind === 'map') {
    if (at.kind === 'string') return parsed(stringValue(''))
    return malformed(
      at.kind === 'nil' ? 'value is nil; should be of type string' : `value has type ${typeName(at)}; should be string`,
    )
  }
  if (item.kind !== 'string') return malformed(`can't index item of type ${typeName(item)}`)
  const bytes = Buffer.from(item.value)
  const index = indexOf(at, bytes.length - 1)
  return index.ok ? parsed({ kind: 'int', value: BigInt(bytes[index.value]!), type: 'uint8' }) : index
}

function sliced(item: Value, positions: readonly Value[]): Parsed<Value> {
  if (item.kind === 'nil') return malformed('slice of untyped nil')
  if (positions.length > 3) return malformed(`too many slice indexes: ${positions.length}`)
  if (item.kind !== 'string') return malformed(`can't slice item of type ${typeName(item)}`)
  if (positions.length === 3) return malformed('cannot 3-index slice a string')
  const bytes = Buffer.from(item.value)
  const bounds = [0, bytes.length]
  for (const [at, position] of positions.entries()) {
    const index = indexOf(position, bytes.length)
    if (!index.ok) return index
    bounds[at] = index.value
  }
  const [start, end] = bounds as [number, number]
  if (start > end) return malformed(`invalid slice index: ${start} > ${end}`)
  return parsed(stringValue(bytes.subarray(start, end).toString('utf8')))
}

function indexOf(at: Value, most: number): Parsed<number> {
  if (at.kind === 'nil') return malformed('cannot index slice/array with nil')
  if (at.kind !== 'int') return malformed(`cannot index slice/array with type ${typeName(at)}`)
  if (at.value < 0n || at.value > BigInt(most)) return malformed(`index out of range: ${at.value}`)
  return parsed(Number(at.value))
}

const badComparison = (first: Value, second: Value) =>
  malformed(`incompatible types for comparison: ${typeName(first)} and ${typeName(second)}`)

function isEqualToAny(first: Value, others: readonly Value[]): Parsed<Value> {
  if (others.length === 0) return malformed('missing argument for comparison')
  // The empty environment is a nil map.
  const isNil = (value: Value) => value.kind === 'nil' || value.kind === 'map'
  for (const other of others) {
    if (isNil(first) && isNil(other)) return parsed(boolValue(true))
    if (first.kind !== other.kind) {
      if (first.kind !== 'nil' && other.kind !== 'nil') return badComparison(first, other)
      continue
    }
    if (first.kind === 'data') return malformed(`non-comparable type ${printValue(first)}: ${typeName(first)}`)
    if (first.kind === 'nil' || first.kind === 'map') continue
    if (first.value === (other as typeof first).value) return parsed(boolValue(true))
  }
  return parsed(boolValue(false))
}

function isLess(first: Value, second: Value): Parsed<Value> {
  const isOrdered = (value: Value) => value.kind !== 'nil' && value.kind !== 'map' && value.kind !== 'data'
  if (!isOrdered(first) || !isOrdered(second)) return malformed('invalid type for comparison')
  if (first.kind === 'string' && second.kind === 'string')
    return parsed(boolValue(Buffer.compare(Buffer.from(first.value), Buffer.from(second.value)) < 0))
  if (first.kind === 'int' && second.kind === 'int') return parsed(boolValue(first.value < second.value))
  if (first.kind === 'float' && second.kind === 'float') return parsed(boolValue(first.value < second.value))
  return first.kind === 'bool' && second.kind === 'bool'
    ? malformed('invalid type for comparison')
    : badComparison(first, second)
}
