// The hash of a set of rows that does not depend on their order: SHA-256 of each row, summed modulo 2^256, so that a
// change of one row changes it without reading the others.

import { hash } from 'node:crypto'

const modulus = 1n << 256n

/** Of no rows. */
export const emptyContentHash = '0'.repeat(64)

/** SHA-256 of one row; type and id hold no zero byte, so the three parts cannot run into each other. */
export function rowHash(type: string, id: string, body: string): Buffer {
  // As text first: 'buffer' makes memory outside of the heap for each hash, which takes longer than hashing.
  return Buffer.from(hash('sha256', `${type}\0${id}\0${body}`, 'binary'), 'latin1')
}

export function hashNumber(bytes: Uint8Array): bigint {
  return BigInt(`0x${Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex')}`)
}

/** `sum` with the row of hash `added` and without that of `removed`. */
export function moveSum(sum: bigint, added: Uint8Array | undefined, removed: Uint8Array | undefined): bigint {
  const change = (added ? hashNumber(added) : 0n) - (removed ? hashNumber(removed) : 0n)
  return reduced(sum + change)
}

export function encodeSum(sum: bigint): string {
  return sum.toString(16).padStart(64, '0')
}

export function decodeSum(hex: string): bigint {
  return BigInt(`0x${hex}`)
}

/** Words of 32 bits, of which a double holds the sum of so many exactly. */
const wordsExact = 2 ** 20

/** A sum that rows come to and leave often: in words of 32 bits, which are carried when it is asked for. */
export class ContentSum {
  #carried: bigint
  /** From the highest on. */
  readonly #words = new Float64Array(8)
  #changes = 0

  constructor(sum: bigint) {
    this.#carried = sum
  }

  add(rowHash: Uint8Array): void {
    this.#move(rowHash, 1)
  }

  remove(rowHash: Uint8Array): void {
    this.#move(rowHash, -1)
  }

  reset(sum: bigint): void {
    this.#carried = sum
    this.#words.fill(0)
    this.#changes = 0
  }

  get value(): bigint {
    if (this.#changes === 0) return this.#carried
    let change = 0n
    for (const word of this.#words) change = (change << 32n) + BigInt(word)
    this.reset(reduced(this.#carried + change))
    return this.#carried
  }

  #move(bytes: Uint8Array, sign: 1 | -1): void {
    if (this.#changes === wordsExact) void this.value
    this.#changes++
    const words = this.#words
    for (let word = 0; word < 8; word++) {
      const at = word * 4
      const value = (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!
      words[word] = words[word]! + sign * (value >>> 0)
    }
  }
}

function reduced(sum: bigint): bigint {
  return ((sum % modulus) + modulus) % modulus
}
