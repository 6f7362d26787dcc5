// Kubernetes quantities: `64Mi`, `1.5G`, `1e6`, `512m`. Only their value in whole bytes matters here.

import { malformed, type Parsed, parsed } from '../parsed.ts'

/** Longer texts are no quantities: 2^53 has 16 digits. */
const textLengthMax = 100

const decimalExponents: Readonly<Record<string, number>> = {
  n: -9,
  u: -6,
  m: -3,
  '': 0,
  k: 3,
  M: 6,
  G: 9,
  T: 12,
  P: 15,
  E: 18,
}
const binaryExponents: Readonly<Record<string, number>> = { Ki: 10, Mi: 20, Gi: 30, Ti: 40, Pi: 50, Ei: 60 }

/**
 * Parses a quantity and returns its value in bytes, a fraction rounded away from zero (`512m`, half a byte, is 1). A
 * number is taken as its decimal text. Negative quantities are quantities. Malformed: the messages of Kubernetes' parser,
 * and one that names a value beyond 2^53.
 */
export function parseQuantity(input: string | number): Parsed<number> {
  const text = String(input)
  const match = /^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$/.exec(text.slice(0, textLengthMax + 1))
  if (match === null || text.length > textLengthMax)
    return malformed("quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'")
  const [, number = '', suffix = ''] = match
  const numeric = /^([+-]?)([0-9]*)(?:\.([0-9]*))?$/.exec(number)
  if (numeric === null) return malformed('unable to parse numeric part of quantity')
  const [, sign = '', whole = '', fraction = ''] = numeric
  if (whole === '' && fraction === '') return malformed('unable to parse numeric part of quantity')
  const scale = scaleOf(suffix)
  if (scale === undefined) return malformed("unable to parse quantity's suffix")

  const digits = BigInt(whole + fraction)
  const bytes = roundedUp(digits, { twos: scale.twos, tens: scale.tens - fraction.length })
  if (bytes === undefined || bytes > BigInt(Number.MAX_SAFE_INTEGER))
    return malformed(`quantity ${text} is larger than ${Number.MAX_SAFE_INTEGER}`)
  return parsed(sign === '-' && bytes !== 0n ? -Number(bytes) : Number(bytes))
}

type Scale = { readonly twos: number; readonly tens: number }

function scaleOf(suffix: string): Scale | undefined {
  if (Object.hasOwn(decimalExponents, suffix)) return { twos: 0, tens: decimalExponents[suffix]! }
  if (Object.hasOwn(binaryExponents, suffix)) return { twos: binaryExponents[suffix]!, tens: 0 }
  const exponent = /^[eE]([+-]?[0-9]+)$/.exec(suffix)
  return exponent === null ? undefined : { twos: 0, tens: Number(exponent[1]) }
}

/** digits * 2^twos * 10^tens, rounded up; undefined when it is far too large. */
function roundedUp(digits: bigint, { twos, tens }: Scale): bigint | undefined {
  if (digits === 0n) return 0n
  if (tens > 2 * textLengthMax) return undefined
  // Below that even the largest number of digits is a small part of one byte.
  if (tens < -2 * textLengthMax) return 1n
  const scaled = digits << BigInt(twos)
  if (tens >= 0) return scaled * 10n ** BigInt(tens)
  const divisor = 10n ** BigInt(-tens)
  return (scaled + divisor - 1n) / divisor
}
