// Up to which position records of a log on object storage may be gone. Marks are numbered objects of which the last counts;
// each is made by create-if-absent with a position above that of the one before, so the mark never goes back, whoever
// raises it. They are tiny and never deleted: only so can the last one be found without trusting a listing.

import { collectBytes } from '../../../lib/bytes.ts'
import { isSlipwayError, SlipwayError } from '../../../lib/errors.ts'
import type { ObjectKey, ObjectStorage } from '../../../objectstorage/object-storage.ts'
import type { Position } from '../../database.ts'
import { encodePosition } from '../../snapshot/keys.ts'

export class CollectedMark {
  readonly #storage: ObjectStorage
  readonly #prefix: string
  /** Number of the newest mark that was seen; 0 for none. */
  #number = 0
  #position: Position = 0
  #hasListed = false

  /** Objects `<prefix><number>`. */
  constructor(storage: ObjectStorage, prefix: string) {
    this.#storage = storage
    this.#prefix = prefix
  }

  /** The newest mark; 0 before the first. */
  async position(signal?: AbortSignal): Promise<Position> {
    await this.#listOnce(signal)
    for (;;) {
      const number = this.#number + 1
      const position = await this.#read(number, signal)
      if (number <= this.#number) continue // another call was faster
      if (position === undefined) return this.#position
      this.#number = number
      this.#position = position
    }
  }

  /** Makes the mark at least `position`. */
  async raise(position: Position, signal?: AbortSignal): Promise<void> {
    while ((await this.position(signal)) < position) {
      const body = Buffer.from(`${JSON.stringify({ position })}\n`)
      try {
        await this.#storage.create(this.#key(this.#number + 1), body, signal ? { signal } : {})
      } catch (error) {
        if (!isSlipwayError(error, 'object_exists')) throw error // somebody was faster: look how far
      }
    }
  }

  async #listOnce(signal: AbortSignal | undefined): Promise<void> {
    if (this.#hasListed) return
    let last = 0
    for await (const { key } of this.#storage.list({ prefix: this.#prefix, ...(signal ? { signal } : {}) })) {
      const name = key.slice(this.#prefix.length)
      if (/^[0-9a-f]{16}$/.test(name)) last = Number.parseInt(name, 16)
    }
    this.#number = Math.max(this.#number, last - 1) // so that the last one is read
    this.#hasListed = true
  }

  async #read(number: number, signal: AbortSignal | undefined): Promise<Position | undefined> {
    const key = this.#key(number)
    try {
      const bytes = await collectBytes(this.#storage.read(key, signal ? { signal } : {}))
      const { position } = JSON.parse(bytes.toString()) as { position?: unknown }
      if (typeof position === 'number' && Number.isSafeInteger(position)) return position
    } catch (error) {
      if (isSlipwayError(error, 'object_not_found')) return undefined
      if (!(error instanceof SyntaxError)) throw error
    }
    throw new SlipwayError('database_corrupt', `${key} says not which records of the log may be gone`)
  }

  #key(number: number): ObjectKey {
    return `${this.#prefix}${encodePosition(number)}`
  }
}
