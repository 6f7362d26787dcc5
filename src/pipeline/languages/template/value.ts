// What the expressions of a template are: the few types of Go that a cache key can meet.

import { printGoFloat } from '../go-format/float.ts'

export type Value =
  | { readonly kind: 'string'; readonly value: string }
  /** `uint8` is what indexing a string gives. */
  | { readonly kind: 'int'; readonly value: bigint; readonly type: 'int' | 'uint8' }
  | { readonly kind: 'float'; readonly value: number }
  | { readonly kind: 'bool'; readonly value: boolean }
  /** Nil, and what is not there. */
  | { readonly kind: 'nil' }
  /** The template's `.Environment`, which is always empty. */
  | { readonly kind: 'map' }
  /** The template's data: one field, `Environment`. */
  | { readonly kind: 'data' }

export const nil: Value = { kind: 'nil' }

export const stringValue = (value: string): Value => ({ kind: 'string', value })
export const intValue = (value: number | bigint): Value => ({ kind: 'int', value: BigInt(value), type: 'int' })
export const boolValue = (value: boolean): Value => ({ kind: 'bool', value })

/** The name of a value's Go type, as messages have it. */
export function typeName(value: Value): string {
  switch (value.kind) {
    case 'string':
    case 'bool':
      return value.kind
    case 'int':
      return value.type
    case 'float':
      return 'float64'
    case 'map':
      return 'map[string]string'
    case 'data':
      return 'struct'
    case 'nil':
      return '<nil>'
  }
}

/** As Go's `%v` prints it. */
export function printValue(value: Value): string {
  switch (value.kind) {
    case 'string':
      return value.value
    case 'int':
    case 'bool':
      return String(value.value)
    case 'float':
      return printGoFloat(value.value)
    case 'map':
      return 'map[]'
    case 'data':
      return '{map[]}'
    case 'nil':
      return '<nil>'
  }
}

/** What `if`, `and`, `or` and `not` take for true: all but zero, the empty and nil. */
export function isTrue(value: Value): boolean {
  switch (value.kind) {
    case 'string':
      return value.value !== ''
    case 'int':
      return value.value !== 0n
    case 'float':
      return value.value !== 0
    case 'bool':
      return value.value
    case 'data':
      return true
    case 'map':
    case 'nil':
      return false
  }
}
