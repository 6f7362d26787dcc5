// Adds row hashes as the content hash does, modulo 2^256, without a big integer for each of them.

const words = 8
const wordValues = 2 ** 32
/** So many words are below 2^53 together. */
const addsBetweenCarries = 2 ** 20

export class HashSum {
  /** Most significant first, as in a hash; each may be more than a word before it is carried. */
  readonly #words = new Float64Array(words)
  #adds = 0

  /** A hash, or what `bytes` gave: 32 bytes. */
  add(hash: Uint8Array): void {
    if (++this.#adds === addsBetweenCarries) this.#carry()
    for (let word = 0, at = 0; word < words; word++, at += 4)
      this.#words[word]! += hash[at]! * 2 ** 24 + ((hash[at + 1]! << 16) | (hash[at + 2]! << 8) | hash[at + 3]!)
  }

  bytes(): Buffer {
    this.#carry()
    const bytes = Buffer.alloc(words * 4)
    for (let word = 0; word < words; word++) bytes.writeUInt32BE(this.#words[word]!, word * 4)
    return bytes
  }

  /** As encodeSum. */
  hex(): string {
    return this.bytes().toString('hex')
  }

  #carry(): void {
    this.#adds = 1
    let carried = 0
    for (let word = words - 1; word >= 0; word--) {
      const sum = this.#words[word]! + carried
      carried = Math.floor(sum / wordValues)
      this.#words[word] = sum % wordValues
    }
  }
}
