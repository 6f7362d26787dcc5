// The hash of a set of rows that does not depend on their order: SHA-256 of each row, summed modulo 2^256, so that a
// change of one row changes it without reading the others.

import { hash } from 'node:crypto'

const modulus = 1n << 256n

/** Of no rows. */
export const emptyContentHash = '0'.repeat(64)

/** SHA-256 of one row; type and id hold no zero byte, so the three parts cannot run into each other. */
export function rowHash(type: string, id: string, body: string): Buffer {
  return hash('sha256', `${type}\0${id}\0${body}`, 'buffer')
}

export function hashNumber(bytes: Uint8Array): bigint {
  return BigInt(`0x${Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('hex')}`)
}

/** `sum` with the row of hash `added` and without that of `removed`. */
export function moveSum(sum: bigint, added: Uint8Array | undefined, removed: Uint8Array | undefined): bigint {
  const change = (added ? hashNumber(added) : 0n) - (removed ? hashNumber(removed) : 0n)
  return (((sum + change) % modulus) + modulus) % modulus
}

export function encodeSum(sum: bigint): string {
  return sum.toString(16).padStart(64, '0')
}

export function decodeSum(hex: string): bigint {
  return BigInt(`0x${hex}`)
}
