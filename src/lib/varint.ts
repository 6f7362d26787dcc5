// Non-negative whole numbers in as few bytes as they need: seven bits a byte, low bits first, the top bit says that more
// follow.

import { invariant, SlipwayError } from './errors.ts'

/** Appends `value` (a safe integer of at least 0). */
export function pushVarint(bytes: number[], value: number): void {
  invariant(Number.isSafeInteger(value) && value >= 0, `varint of ${value}`)
  let rest = value
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes.push((rest % 0x80) + 0x80)
  bytes.push(rest)
}

/** As `pushVarint` for numbers of either sign, small ones staying small. */
export function pushSignedVarint(bytes: number[], value: number): void {
  pushVarint(bytes, value < 0 ? -2 * value - 1 : 2 * value)
}

/** Reads numbers one after another; throws `invariant` when the bytes end inside one. */
export class VarintReader {
  readonly #bytes: Uint8Array
  #at = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  next(): number {
    let value = 0
    for (let factor = 1; factor <= Number.MAX_SAFE_INTEGER; factor *= 0x80) {
      const byte = this.#bytes[this.#at++]
      if (byte === undefined) break
      value += (byte & 0x7f) * factor
      if (byte < 0x80) return value
    }
    throw new SlipwayError('invariant', 'a varint is cut off or too long')
  }

  nextSigned(): number {
    const value = this.next()
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2
  }

  /** The next `count` bytes as they are. */
  take(count: number): Uint8Array {
    const bytes = this.#bytes.subarray(this.#at, this.#at + count)
    invariant(bytes.length === count, 'the bytes are cut off')
    this.#at += count
    return bytes
  }
}
