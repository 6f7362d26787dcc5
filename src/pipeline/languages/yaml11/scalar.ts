// What an unquoted text means. The rules are those of YAML 1.1 as go-yaml v2 reads it: many words for booleans, integers
// with a leading zero are octal, no numbers to the base of 60, timestamps are strings.

export type ScalarValue =
  | { readonly kind: 'string'; readonly value: string }
  | { readonly kind: 'int'; readonly value: bigint }
  | { readonly kind: 'float'; readonly value: number }
  | { readonly kind: 'bool'; readonly value: boolean }
  | { readonly kind: 'null'; readonly value: null }

const words: ReadonlyMap<string, ScalarValue> = new Map<string, ScalarValue>([
  ...['', '~', 'null', 'Null', 'NULL'].map((word) => [word, { kind: 'null', value: null }] as const),
  ...['y', 'Y', 'yes', 'Yes', 'YES', 'true', 'True', 'TRUE', 'on', 'On', 'ON'].map(
    (word) => [word, { kind: 'bool', value: true }] as const,
  ),
  ...['n', 'N', 'no', 'No', 'NO', 'false', 'False', 'FALSE', 'off', 'Off', 'OFF'].map(
    (word) => [word, { kind: 'bool', value: false }] as const,
  ),
  ...['.inf', '.Inf', '.INF', '+.inf', '+.Inf', '+.INF'].map(
    (word) => [word, { kind: 'float', value: Number.POSITIVE_INFINITY }] as const,
  ),
  ...['-.inf', '-.Inf', '-.INF'].map((word) => [word, { kind: 'float', value: Number.NEGATIVE_INFINITY }] as const),
  ...['.nan', '.NaN', '.NAN'].map((word) => [word, { kind: 'float', value: Number.NaN }] as const),
])

/** The longest text that can be an integer of 64 bits: a sign, `0b` and 64 digits, and zeros nobody writes. */
const integerLengthMax = 200

/** Resolves the text of an unquoted scalar. */
export function resolvePlain(text: string): ScalarValue {
  const word = words.get(text)
  if (word !== undefined) return word
  if (text.startsWith('.')) return floatOf(text, text) ?? { kind: 'string', value: text }
  if (!/^[-+0-9]/.test(text)) return { kind: 'string', value: text }
  const digits = text.replaceAll('_', '')
  return integerOf(digits) ?? floatOf(digits, text) ?? { kind: 'string', value: text }
}

/** Undefined when it is no integer of 64 bits: signed, or unsigned without a sign. */
function integerOf(digits: string): ScalarValue | undefined {
  const match =
    digits.length <= integerLengthMax
      ? /^([+-]?)(?:0[xX]([0-9a-fA-F]+)|0[bB]([01]+)|0[oO]?([0-7]+)|([1-9][0-9]*|0))$/.exec(digits)
      : null
  if (match === null) return undefined
  const [, sign, hexadecimal, binary, octal, decimal] = match
  const size =
    hexadecimal !== undefined
      ? BigInt(`0x${hexadecimal}`)
      : binary !== undefined
        ? BigInt(`0b${binary}`)
        : octal !== undefined
          ? BigInt(`0o${octal}`)
          : BigInt(decimal!)
  const value = sign === '-' ? -size : size
  if (value < -(1n << 63n) || value >= (sign === '' ? 1n << 64n : 1n << 63n)) return undefined
  return { kind: 'int', value }
}

/** Undefined when it is no float, or too large for one. */
function floatOf(digits: string, text: string): ScalarValue | undefined {
  if (!/^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$/.test(digits)) return undefined
  const value = Number(digits)
  return Number.isFinite(value) ? { kind: 'float', value } : { kind: 'string', value: text }
}
