// Reads cold families out of the data files of a snapshot: one range each, compared with its hash.

import { collectBytes } from '../../lib/bytes.ts'
import { isSlipwayError, SlipwayError } from '../../lib/errors.ts'
import type { ReadModel } from '../read-model/read-model.ts'
import { rowsKey, type StoragePlace } from '../snapshot/keys.ts'
import type { ColdFamily } from './entries.ts'
import { decodeFamilyAt, findBlock } from './family-file.ts'
import { type LoadFamilies, ThawedFamily } from './thawed.ts'

/** Ranges that are read at once. */
const readsAtOnce = 8

export type FamilyLoaderComponents = {
  readonly model: ReadModel
  /** Undefined for a database without object storage. */
  readonly place: StoragePlace | undefined
}

export class FamilyLoader {
  readonly #components: FamilyLoaderComponents
  readonly #running = new Map<string, Promise<void>>()
  /** Called when a file is gone: learns where its families are by now. */
  refresh: ((signal: AbortSignal | undefined) => Promise<void>) | undefined

  constructor(components: FamilyLoaderComponents) {
    this.#components = components
  }

  /** Errors: `row_cold` without object storage, `history_collected`, `snapshot_corrupt`, those of the storage. */
  readonly load: LoadFamilies = async (families, signal) => {
    for (let at = 0; at < families.length; at += readsAtOnce)
      await Promise.all(families.slice(at, at + readsAtOnce).map((family) => this.#loadOnce(family, signal)))
  }

  /** Those who ask for the same family at once share one read; if that fails, because its caller left too, they read anew. */
  async #loadOnce(family: ColdFamily, signal: AbortSignal | undefined): Promise<void> {
    const { model } = this.#components
    const running = this.#running.get(family.key)
    if (running) await running.catch(() => undefined)
    if (model.thawed.find(family.key)) return
    const loading = this.#load(family, signal)
    this.#running.set(family.key, loading)
    try {
      await loading
    } finally {
      if (this.#running.get(family.key) === loading) this.#running.delete(family.key)
    }
  }

  async #load(family: ColdFamily, signal: AbortSignal | undefined): Promise<void> {
    const { model, place } = this.#components
    if (!place)
      throw new SlipwayError('row_cold', `read family ${family.id}: the database was opened without its object storage`)
    const file = model.entries.file(family.file)
    if (!file) return // adopted meanwhile: it is elsewhere
    const { start, end, rawBytes } = findBlock(file.blocks, family.block)
    const key = rowsKey(place.base, model.identity.generation, file.name)
    try {
      const bytes = await collectBytes(place.ost.read(key, { range: { start, end }, ...(signal ? { signal } : {}) }))
      model.thawed.add(family.key, new ThawedFamily(decodeFamilyAt(family, rawBytes, bytes)))
    } catch (error) {
      if (!isSlipwayError(error, 'object_not_found')) throw error
      await this.refresh?.(signal)
      if (model.entries.cold(family.id)?.key !== family.key) return
      throw new SlipwayError('history_collected', `read family ${family.id}: ${file.name} was collected`, {
        cause: error,
      })
    }
  }
}
