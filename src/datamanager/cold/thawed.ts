// Rows of cold families that were read from object storage, for as long as they may be of use. They are kept by the place
// they came from, which never has other content: nothing in here can be out of date.

import { SlipwayError } from '../../lib/errors.ts'
import { limits } from '../../lib/limits.ts'
import { rowHash } from '../read-model/content-hash.ts'
import type { ColdFamily } from './entries.ts'
import type { FamilyMember } from './family-file.ts'

/** Thrown through a closure that needs rows which are not here: they are read, and the closure runs again. */
export class ColdRows extends Error {
  readonly families: readonly ColdFamily[]

  constructor(families: readonly ColdFamily[]) {
    super(`${families.length} cold families are needed`)
    this.families = families
  }
}

export type ThawedRow = FamilyMember & { readonly hash: Uint8Array }

export class ThawedFamily {
  readonly rows: readonly ThawedRow[]
  /** About what it takes in memory. */
  readonly bytes: number
  readonly #byName: ReadonlyMap<string, ThawedRow>

  constructor(members: readonly FamilyMember[]) {
    this.rows = members.map((row) => ({ ...row, hash: rowHash(row.type, row.id, row.body) }))
    this.#byName = new Map(this.rows.map((row) => [`${row.type}\0${row.id}`, row]))
    this.bytes = this.rows.reduce((bytes, { id, body }) => bytes + 2 * (id.length + body.length) + 300, 1000)
  }

  find(type: string, id: string): ThawedRow | undefined {
    return this.#byName.get(`${type}\0${id}`)
  }
}

export class ThawedFamilies {
  /** The one used last is the last one. */
  readonly #kept = new Map<string, ThawedFamily>()
  readonly #holds = new Map<string, number>()
  #bytes = 0

  /** Errors: ColdRows when it is not here. */
  get(cold: ColdFamily): ThawedFamily {
    const found = this.find(cold.key)
    if (!found) throw new ColdRows([cold])
    return found
  }

  find(key: string): ThawedFamily | undefined {
    const found = this.#kept.get(key)
    if (!found) return undefined
    this.#kept.delete(key)
    this.#kept.set(key, found)
    return found
  }

  add(key: string, family: ThawedFamily): void {
    if (this.#kept.has(key)) return
    this.#kept.set(key, family)
    this.#bytes += family.bytes
    this.#shrink()
  }

  /** What is held stays until the hold is disposed, however much else is read. */
  hold(names: readonly string[]): Disposable {
    const keys = [...names]
    for (const key of keys) this.#holds.set(key, (this.#holds.get(key) ?? 0) + 1)
    return {
      [Symbol.dispose]: () => {
        for (const key of keys.splice(0)) {
          const count = (this.#holds.get(key) ?? 1) - 1
          if (count === 0) this.#holds.delete(key)
          else this.#holds.set(key, count)
        }
        this.#shrink()
      },
    }
  }

  #shrink(): void {
    for (const [key, { bytes }] of this.#kept) {
      if (this.#bytes <= limits.thawedBytes.value) return
      if (this.#holds.has(key)) continue
      this.#kept.delete(key)
      this.#bytes -= bytes
    }
  }
}

/** What one closure has needed so far: it is run again until it needs nothing more. */
export class Thawing implements Disposable {
  readonly #holds = new DisposableStack()
  readonly #keys = new Set<string>()
  readonly #load: LoadFamilies
  readonly #thawed: ThawedFamilies
  #rounds = 0

  constructor(load: LoadFamilies, thawed: ThawedFamilies) {
    this.#load = load
    this.#thawed = thawed
  }

  /** Errors: those of the storage, `snapshot_corrupt`, `limit_exceeded`. */
  async load({ families }: ColdRows, signal?: AbortSignal): Promise<void> {
    const keys = families.map(({ key }) => key)
    for (const key of keys) this.#keys.add(key)
    if (this.#keys.size > limits.thawedFamilies.value || ++this.#rounds > 2 * limits.thawedFamilies.value)
      throw new SlipwayError(
        'limit_exceeded',
        `one transaction needs more than ${limits.thawedFamilies.value} families that are cold`,
      )
    this.#holds.use(this.#thawed.hold(keys))
    await this.#load(families, signal)
  }

  [Symbol.dispose](): void {
    this.#holds.dispose()
  }
}

/** Reads families into ThawedFamilies. A family that is elsewhere by now is left out: the closure asks again. */
export type LoadFamilies = (families: readonly ColdFamily[], signal?: AbortSignal) => Promise<void>
