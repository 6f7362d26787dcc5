// Floats as Go's strconv prints them. JavaScript has the shortest form of a 64 bit float, but rounds ties of fixed
// precision away from zero where Go takes the even digit, switches to exponents at other sizes and has no 32 bit form.

/** The decimal digits of a number: 0.DIGITS times ten to the power of `point`. No digits mean zero. */
type Decimal = { readonly digits: string; readonly point: number }

/** `shortest32` and `shortest64`: as few digits as identify the value among the floats of that size. */
export type FloatPrecision = 'shortest32' | 'shortest64' | number

/**
 * Formats like Go's `strconv.FormatFloat`. `precision` counts digits after the point for `e` and `f`, significant digits
 * for `g`. Infinity prints as `+Inf`, `-Inf`, not a number as `NaN`.
 */
export function formatGoFloat(value: number, verb: 'e' | 'f' | 'g', precision: FloatPrecision): string {
  const given = precision === 'shortest32' ? Math.fround(value) : value
  if (Number.isNaN(given)) return 'NaN'
  if (!Number.isFinite(given)) return given > 0 ? '+Inf' : '-Inf'
  const sign = given < 0 || Object.is(given, -0) ? '-' : ''
  const size = Math.abs(given)
  if (typeof precision === 'string') {
    const decimal = precision === 'shortest32' ? shortest32(size) : shortest64(size)
    const count = decimal.digits.length
    if (verb === 'e') return sign + withExponent(decimal, Math.max(count - 1, 0))
    if (verb === 'f') return sign + withPoint(decimal, Math.max(count - decimal.point, 0))
    return sign + general(decimal, { exponentFrom: 6, digits: count })
  }
  const exact = exactDecimal(size)
  if (verb === 'e') return sign + withExponent(rounded(exact, precision + 1), precision)
  if (verb === 'f') return sign + withPoint(rounded(exact, exact.point + precision), precision)
  const digits = precision === 0 ? 1 : precision
  const decimal = rounded(exact, digits)
  const count = decimal.digits.length
  // Without an exponent all digits of the integer part are there, so such a number keeps it up to its own length.
  const exponentFrom = digits > count && count >= decimal.point ? count : digits
  return sign + general(decimal, { exponentFrom, digits: Math.min(digits, count) })
}

/** As Go's `%v` prints a 64 bit float: `1.5`, `1e+06`, `1.2345678e+07`. */
export function printGoFloat(value: number): string {
  return formatGoFloat(value, 'g', 'shortest64')
}

function general(decimal: Decimal, { exponentFrom, digits }: { exponentFrom: number; digits: number }): string {
  if (decimal.digits === '') return '0'
  const exponent = decimal.point - 1
  if (exponent < -4 || exponent >= exponentFrom) return withExponent(decimal, Math.max(digits - 1, 0))
  return withPoint(decimal, Math.max(decimal.digits.length - decimal.point, 0))
}

function withExponent({ digits, point }: Decimal, decimals: number): string {
  const exponent = digits === '' ? 0 : point - 1
  const padded = digits.padEnd(decimals + 1, '0')
  const fraction = decimals > 0 ? `.${padded.slice(1, decimals + 1)}` : ''
  return `${padded[0]}${fraction}e${exponent < 0 ? '-' : '+'}${String(Math.abs(exponent)).padStart(2, '0')}`
}

function withPoint({ digits, point }: Decimal, decimals: number): string {
  const whole = point > 0 ? digits.slice(0, point).padEnd(point, '0') : '0'
  if (decimals === 0) return whole
  const fraction = '0'.repeat(Math.max(-point, 0)) + digits.slice(Math.max(point, 0))
  return `${whole}.${fraction.padEnd(decimals, '0').slice(0, decimals)}`
}

function shortest64(value: number): Decimal {
  return decimalOf(value.toExponential())
}

/** Ties go to the even digit, unlike with toExponential. */
function shortest32(value: number): Decimal {
  const exact = exactDecimal(value)
  for (let count = 1; count < 9; count++) {
    const decimal = rounded(exact, count)
    if (Math.fround(Number(`0.${decimal.digits}e${decimal.point}`)) === value) return decimal
  }
  return rounded(exact, 9)
}

function decimalOf(exponential: string): Decimal {
  const [mantissa = '', exponent = '0'] = exponential.split('e')
  const digits = mantissa.replace('.', '').replace(/0+$/, '')
  return digits === '' ? { digits, point: 0 } : { digits, point: Number(exponent) + 1 }
}

/** All digits of a finite value that is not negative: at most 767. */
function exactDecimal(value: number): Decimal {
  if (value === 0) return { digits: '', point: 0 }
  const bits = new DataView(new ArrayBuffer(8))
  bits.setFloat64(0, value)
  const raw = bits.getBigUint64(0)
  const biased = Number(raw >> 52n)
  const fraction = raw & ((1n << 52n) - 1n)
  const mantissa = biased === 0 ? fraction : fraction | (1n << 52n)
  const exponent = (biased === 0 ? 1 : biased) - 1075
  // m * 2^-k is m * 5^k / 10^k.
  const scaled = exponent >= 0 ? mantissa << BigInt(exponent) : mantissa * 5n ** BigInt(-exponent)
  const text = scaled.toString()
  return { digits: text.replace(/0+$/, ''), point: exponent >= 0 ? text.length : text.length + exponent }
}

/** Rounded to `count` digits, half to even. */
function rounded({ digits, point }: Decimal, count: number): Decimal {
  if (count >= digits.length) return { digits, point }
  if (count < 0) return { digits: '', point: 0 }
  const rest = digits.slice(count)
  const kept = digits.slice(0, count)
  const isHalf = /^50*$/.test(rest)
  const isOdd = '13579'.includes(kept.at(-1) ?? '0')
  const up = isHalf ? isOdd : rest[0]! >= '5'
  if (!up) {
    const trimmed = kept.replace(/0+$/, '')
    return trimmed === '' ? { digits: '', point: 0 } : { digits: trimmed, point }
  }
  const increased = (BigInt(kept === '' ? '0' : kept) + 1n).toString()
  const carry = increased.length > count ? 1 : 0
  return { digits: increased.replace(/0+$/, ''), point: point + carry }
}
