// How Go turns decoded scalars back into text.

import { formatGoFloat, printGoFloat } from '../go-format/float.ts'
import type { ScalarValue } from './scalar.ts'
import type { Node } from './tree.ts'

/**
 * The string that a scalar becomes in a plain string field: integers decimal, floats in the shortest form that survives
 * 32 bits (`1.10` is `1.1`, `1000000.0` is `1e+06`), booleans `true` and `false`. Undefined for null.
 */
export function toPlainString(scalar: ScalarValue): string | undefined {
  switch (scalar.kind) {
    case 'string':
      return scalar.value
    case 'int':
    case 'bool':
      return String(scalar.value)
    case 'float':
      return formatGoFloat(scalar.value, 'g', 'shortest32')
    case 'null':
      return undefined
  }
}

/**
 * A node as Go's `%v` prints decoded JSON: every number a 64 bit float (`12345678` is `1.2345678e+07`), null `<nil>`,
 * lists `[x y]`, maps `map[a:1 b:2]` with sorted keys. Cut after `charactersMax`, as aliases can make it long.
 */
export function printGoValue(node: Node, charactersMax = 1000): string {
  let text = ''
  for (const piece of pieces(node)) {
    text += piece
    if (text.length >= charactersMax) return text.slice(0, charactersMax)
  }
  return text
}

function* pieces(node: Node): Generator<string> {
  switch (node.kind) {
    case 'string':
      yield node.value
      return
    case 'int':
    case 'float':
      yield printGoFloat(Number(node.value))
      return
    case 'bool':
      yield String(node.value)
      return
    case 'null':
      yield '<nil>'
      return
    case 'sequence':
      for (const [index, item] of node.items.entries()) {
        yield index === 0 ? '[' : ' '
        yield* pieces(item)
      }
      yield node.items.length === 0 ? '[]' : ']'
      return
    case 'mapping': {
      const entries = [...node.entries].sort((a, b) => compareBytes(a.key, b.key))
      for (const [index, entry] of entries.entries()) {
        yield `${index === 0 ? 'map[' : ' '}${entry.key}:`
        yield* pieces(entry.value)
      }
      yield entries.length === 0 ? 'map[]' : ']'
    }
  }
}

function compareBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b))
}
