// The data files that an import writes, some of them at once.

import type { FamilyFileEncoder } from '../cold/family-file.ts'
import { type DataFile, type EncodedDataFile, encodeDataFile, type SnapshotRow } from '../snapshot/data-file.ts'
import { indexKey, rowsKey, type StoragePlace } from '../snapshot/keys.ts'

/** Files that are on their way to the storage at the same time; each is held in memory. */
const filesAtOnce = 4

export class ImportFiles {
  /** All that were written, or are on their way. */
  readonly files: DataFile[] = []
  readonly #place: StoragePlace
  readonly #generation: string
  readonly #signal: AbortSignal | undefined
  readonly #writing = new Set<Promise<void>>()
  #failure: { readonly error: unknown } | undefined

  constructor(place: StoragePlace, generation: string, signal: AbortSignal | undefined) {
    this.#place = place
    this.#generation = generation
    this.#signal = signal
  }

  /** Of at least one row, in the order of their ids. Errors: of this file or one before, from the storage. */
  async write(type: string, rows: readonly SnapshotRow[]): Promise<void> {
    await this.#add(encodeDataFile(this.#newName(), type, rows))
  }

  /** Of at least one family. Errors: as `write`. */
  async writeFamilies(encoder: FamilyFileEncoder): Promise<void> {
    await this.#add(encoder.finish(this.#newName()))
  }

  /** Bytes that are no data file. Errors: as `write`. */
  async writePart(key: string, bytes: Uint8Array): Promise<void> {
    await this.#begin(async () => {
      await this.#place.ost.put(key, bytes, { persist: false, ...this.#options() })
    })
  }

  /** Resolves when nothing is on its way any more. Errors: as `write`. */
  async settle(): Promise<void> {
    while (this.#writing.size > 0) await Promise.all(this.#writing)
    if (this.#failure) throw this.#failure.error
  }

  async #add({ file, rows, index }: EncodedDataFile): Promise<void> {
    this.files.push(file)
    const { ost, base } = this.#place
    await this.#begin(async () => {
      await ost.put(rowsKey(base, this.#generation, file.name), rows, { sha256: file.sha256, ...this.#options() })
      await ost.put(indexKey(base, this.#generation, file.name), index, {
        sha256: file.indexSha256,
        ...this.#options(),
      })
    })
  }

  async #begin(write: () => Promise<void>): Promise<void> {
    while (this.#writing.size >= filesAtOnce) await Promise.race(this.#writing)
    if (this.#failure) throw this.#failure.error
    const writing = write()
      .catch((error: unknown) => {
        this.#failure ??= { error }
      })
      .finally(() => this.#writing.delete(writing))
    this.#writing.add(writing)
  }

  #options() {
    return this.#signal ? { signal: this.#signal } : {}
  }

  #newName(): string {
    return `import-${this.files.length}`
  }
}
