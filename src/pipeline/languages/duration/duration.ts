// Durations as Go writes them: `1h30m`, `1.5s`, `-300ms`. They are whole nanoseconds in 64 bits, hence bigint.

import { malformed, type Parsed, parsed } from '../parsed.ts'

const nanoseconds: Readonly<Record<string, bigint>> = {
  ns: 1n,
  us: 1_000n,
  '\u00b5s': 1_000n, // micro sign
  '\u03bcs': 1_000n, // Greek letter mu
  ms: 1_000_000n,
  s: 1_000_000_000n,
  m: 60_000_000_000n,
  h: 3_600_000_000_000n,
}

const largest = (1n << 63n) - 1n

/** Digits beyond these cannot change the value, and a hostile text must not become a huge number. */
const integerDigitsMax = 20

/**
 * Parses Go's duration syntax: an optional sign, then `0` or decimal numbers each with a unit (ns us µs ms s m h).
 * Returns nanoseconds; the messages are those of Go's `time.ParseDuration`.
 */
export function parseGoDuration(text: string): Parsed<bigint> {
  const invalid = malformed(`time: invalid duration ${quoted(text)}`)
  const isNegative = text.startsWith('-')
  const unsigned = /^[+-]/.test(text) ? text.slice(1) : text
  if (unsigned === '0') return parsed(0n)
  if (unsigned === '') return invalid

  const part = /([0-9]*)(\.?)([0-9]*)([^.0-9]*)/y
  let total = 0n
  while (part.lastIndex < unsigned.length) {
    const [, whole = '', point = '', fraction = '', unitName = ''] = part.exec(unsigned)!
    const significant = whole.replace(/^0+/, '')
    if (whole === '' && (point === '' || fraction === '')) return invalid
    if (significant.length > integerDigitsMax || BigInt(significant || '0') > largest + 1n) return invalid
    if (unitName === '') return malformed(`time: missing unit in duration ${quoted(text)}`)
    const unit = Object.hasOwn(nanoseconds, unitName) ? nanoseconds[unitName] : undefined
    if (unit === undefined) return malformed(`time: unknown unit ${quoted(unitName)} in duration ${quoted(text)}`)
    total += BigInt(significant || '0') * unit + fractionOf(fraction, unit)
    if (total > largest + 1n) return invalid
  }
  if (isNegative) return parsed(-total)
  return total > largest ? invalid : parsed(total)
}

/** Formats nanoseconds as Go does: `1h30m0s`, `1.5s`, `300ms`, `0s`. Every result parses to the same value. */
export function formatGoDuration(duration: bigint): string {
  if (duration === 0n) return '0s'
  const sign = duration < 0n ? '-' : ''
  const size = duration < 0n ? -duration : duration
  if (size < 1_000n) return `${sign}${size}ns`
  if (size < 1_000_000n) return `${sign}${decimal(size, 1_000n)}µs`
  if (size < 1_000_000_000n) return `${sign}${decimal(size, 1_000_000n)}ms`
  const hours = size / 3_600_000_000_000n
  const minutes = (size / 60_000_000_000n) % 60n
  const seconds = `${decimal(size % 60_000_000_000n, 1_000_000_000n)}s`
  if (hours > 0n) return `${sign}${hours}h${minutes}m${seconds}`
  return minutes > 0n ? `${sign}${minutes}m${seconds}` : `${sign}${seconds}`
}

/** Go computes the fraction in floating point, and drops digits that do not fit 63 bits. */
function fractionOf(digits: string, unit: bigint): bigint {
  let used = 0n
  let scale = 1
  for (const digit of digits.slice(0, integerDigitsMax)) {
    const next = used * 10n + BigInt(digit)
    if (used > largest / 10n || next > largest + 1n) break
    used = next
    scale *= 10
  }
  return used === 0n ? 0n : BigInt(Math.trunc(Number(used) * (Number(unit) / scale)))
}

function decimal(value: bigint, unit: bigint): string {
  const digits = String(unit).length - 1
  const fraction = String(value % unit)
    .padStart(digits, '0')
    .replace(/0+$/, '')
  return fraction === '' ? String(value / unit) : `${value / unit}.${fraction}`
}

/** Quotes like Go's time package: bytes outside printable ASCII as \xNN. */
function quoted(text: string): string {
  const escaped = [...new TextEncoder().encode(text)].map((byte) => {
    const char = String.fromCharCode(byte)
    if (byte < 0x20 || byte >= 0x80) return `\\x${byte.toString(16).padStart(2, '0')}`
    return char === '"' || char === '\\' ? `\\${char}` : char
  })
  return `"${escaped.join('')}"`
}
