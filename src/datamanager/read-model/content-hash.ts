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

const wordValues = 2 ** 32
/** So many words are exact in a double together. */
const changesBetweenCarries = 2 ** 20

/** A sum that rows come to and leave often: kept in words of 32 bits, without a big integer for each row. */
export class ContentSum {
  /** Most significant first, as in a hash; each may be more than a word, or less than none, before it is carried. */
  readonly #words = new Float64Array(8)
  #changes = 0

  /** `sum`: as encodeSum has it. */
  constructor(sum = emptyContentHash) {
    this.reset(sum)
  }

  /** A row hash, or what `bytes` gave: 32 bytes. */
  add(hash: Uint8Array): void {
    this.#move(hash, 1)
  }

  remove(hash: Uint8Array): void {
    this.#move(hash, -1)
  }

  /** `sum`: as encodeSum has it. */
  reset(sum: string): void {
    const bytes = Buffer.from(sum, 'hex')
    for (let word = 0; word < 8; word++) this.#words[word] = bytes.readUInt32BE(word * 4)
    this.#changes = 0
  }

  /** As encodeSum. */
  hex(): string {
    return this.bytes().toString('hex')
  }

  bytes(): Buffer {
    this.#carry()
    const bytes = Buffer.alloc(32)
    for (let word = 0; word < 8; word++) bytes.writeUInt32BE(this.#words[word]!, word * 4)
    return bytes
  }

  #move(bytes: Uint8Array, sign: 1 | -1): void {
    if (++this.#changes === changesBetweenCarries) this.#carry()
    const words = this.#words
    for (let word = 0; word < 8; word++) {
      const at = word * 4
      const value = (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!
      words[word] = words[word]! + sign * (value >>> 0)
    }
  }

  /** What goes beyond the highest word is left out: the sum is modulo 2^256, in both directions. */
  #carry(): void {
    this.#changes = 0
    let carried = 0
    for (let word = 7; word >= 0; word--) {
      const sum = this.#words[word]! + carried
      carried = Math.floor(sum / wordValues)
      this.#words[word] = sum - carried * wordValues
    }
  }
}

function reduced(sum: bigint): bigint {
  return ((sum % modulus) + modulus) % modulus
}
