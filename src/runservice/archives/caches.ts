// Caches: a key's content is written once and never changed. Who was first is decided by a create-if-absent, so no lock is
// needed and two processes may share one storage.
//
//   caches/<group>/<escaped full key>.json          what it is: the object, size, SHA-256, when it was saved
//   caches/<group>/data/<uuid>.tar.zst              the archive
//   caches/<group>/used/<escaped full key>          empty; its time is when the cache was used last

import { collectBytes } from '../../lib/bytes.ts'
import type { Clock } from '../../lib/clock.ts'
import { isSlipwayError, SlipwayError } from '../../lib/errors.ts'
import { newUuid } from '../../lib/uuid.ts'
import type { ObjectStorage, ReadOptions } from '../../objectstorage/object-storage.ts'
import { escapeSegment } from '../../pipeline/group.ts'
import type { FoundCache, StoredArchive } from '../executor-api.ts'

export class Caches {
  readonly #ost: ObjectStorage
  readonly #clock: Clock

  constructor(components: { readonly ost: ObjectStorage; readonly clock: Clock }) {
    this.#ost = components.ost
    this.#clock = components.clock
  }

  /** The exact key first; else, unless `exactOnly`, the newest of those that begin with it. Marks it used. */
  async find(
    group: string,
    key: string,
    options: { readonly exactOnly: boolean },
    signal?: AbortSignal,
  ): Promise<FoundCache | undefined> {
    const exact = await this.#load(`${folder(group)}${escapeSegment(key)}.json`, signal)
    const found = exact ?? (options.exactOnly ? undefined : await this.#newestWithPrefix(group, key, signal))
    // When it was used decides what is removed first; a lost mark costs at most a cache that is made again.
    if (found !== undefined)
      await this.#ost.put(`${folder(group)}used/${escapeSegment(found.key)}`, new Uint8Array(), { persist: false })
    return found
  }

  /** Streams a cache that was found in one of these groups, verified when it is whole. Errors: those of `checkGroup`. */
  read(groups: readonly string[], object: string, options: ReadOptions = {}): AsyncIterable<Uint8Array> {
    this.checkGroup(groups, object)
    return this.#ost.read(object, options)
  }

  /** `object_not_found` for any object that is no cache of one of these groups. */
  checkGroup(groups: readonly string[], object: string): void {
    if (!groups.some((group) => object.startsWith(`${folder(group)}data/`)))
      throw new SlipwayError('object_not_found', `there is no cache ${object} in ${groups.join(', ')}`)
  }

  /** Where the data of a cache of this group is written. */
  objectOf(group: string, uuid: string): string {
    return `${folder(group)}data/${uuid}.tar.zst`
  }

  /** `exists` when somebody was first with the key; then what was written is removed again. */
  async save(
    group: string,
    key: string,
    data: AsyncIterable<Uint8Array>,
    signal?: AbortSignal,
  ): Promise<'stored' | 'exists'> {
    const object = this.objectOf(group, newUuid(this.#clock.now()))
    const options = signal === undefined ? {} : { signal }
    // Persisted, though it could be made again: an entry that survives a power cut without its data would fail every
    // restore, and nobody could save the key anew.
    const { sizeBytes, sha256 } = await this.#ost.put(object, data, options)
    return await this.enter(group, key, { object, sizeBytes, sha256 }, signal)
  }

  /** As `save`, of data that is stored already, at `objectOf`. */
  async enter(group: string, key: string, stored: StoredArchive, signal?: AbortSignal): Promise<'stored' | 'exists'> {
    const { object, sizeBytes, sha256 } = stored
    const entry: StoredCache = { format: 1, key, object, sizeBytes, sha256, savedAt: this.#clock.now() }
    const options = signal === undefined ? {} : { signal }
    try {
      await this.#ost.create(`${folder(group)}${escapeSegment(key)}.json`, Buffer.from(JSON.stringify(entry)), options)
      return 'stored'
    } catch (error) {
      await this.#ost.delete(object)
      if (isSlipwayError(error, 'object_exists')) return 'exists'
      throw error
    }
  }

  /**
   * Removes caches not used for `maxAgeMs` (0 keeps them), then those used longest ago until a group is at most
   * `maxBytesPerGroup`, then data that no entry names and that is older than a day.
   */
  async clean(
    limits: { readonly maxAgeMs: number; readonly maxBytesPerGroup: number },
    signal?: AbortSignal,
  ): Promise<void> {
    const now = this.#clock.now()
    const groups = new Map<string, { entry: FoundCache; usedAt: number; object: string }[]>()
    const usedAt = new Map<string, number>()
    const data: { key: string; modifiedAt: number }[] = []
    const options = signal === undefined ? {} : { signal }
    for await (const { key, modifiedAt } of this.#ost.list({ prefix: 'caches/', ...options })) {
      const [, group = '', kind = '', name = ''] = key.split('/')
      if (kind === 'used') usedAt.set(`${group}/${name}`, modifiedAt)
      else if (kind === 'data') data.push({ key, modifiedAt })
      else {
        const entry = await this.#load(key, signal)
        if (entry === undefined) continue
        const entries = groups.get(group) ?? []
        entries.push({ entry, usedAt: modifiedAt, object: key })
        groups.set(group, entries)
      }
    }
    const named = new Set<string>()
    for (const [group, entries] of groups) {
      const byUse = entries
        .map((each) => ({
          ...each,
          usedAt: Math.max(each.usedAt, usedAt.get(`${group}/${escapeSegment(each.entry.key)}`) ?? 0),
        }))
        .sort((a, b) => b.usedAt - a.usedAt)
      let bytes = 0
      for (const { entry, object, usedAt: lastUse } of byUse) {
        bytes += entry.sizeBytes
        const isOld = limits.maxAgeMs !== 0 && lastUse + limits.maxAgeMs < now
        if (!isOld && bytes <= limits.maxBytesPerGroup) {
          named.add(entry.object)
          continue
        }
        await this.#ost.delete(object)
        await this.#ost.delete(`${object.slice(0, object.lastIndexOf('/'))}/used/${escapeSegment(entry.key)}`)
        await this.#ost.delete(entry.object)
        named.add(entry.object)
      }
    }
    for (const { key, modifiedAt } of data)
      if (!named.has(key) && modifiedAt + orphanAgeMs < now) await this.#ost.delete(key)
    // Marks that were written while their cache was removed.
    for (const [mark, modifiedAt] of usedAt) {
      const [group = '', name = ''] = mark.split('/')
      const isNamed = groups.get(group)?.some(({ entry }) => escapeSegment(entry.key) === name) === true
      if (!isNamed && modifiedAt + orphanAgeMs < now) await this.#ost.delete(`caches/${group}/used/${name}`)
    }
  }

  /** Removes the caches of a project or user: its own, those of its forks, and those that projects of this user share. */
  async deleteAllOf(ownerId: string, signal?: AbortSignal): Promise<void> {
    const group = folder(ownerId).slice(0, -1)
    for (const prefix of [`${group}/`, `${group}-`])
      for await (const { key } of this.#ost.list({ prefix, ...(signal === undefined ? {} : { signal }) })) {
        signal?.throwIfAborted()
        await this.#ost.delete(key)
      }
  }

  async #newestWithPrefix(group: string, key: string, signal?: AbortSignal): Promise<FoundCache | undefined> {
    let newest: { readonly key: string; readonly modifiedAt: number } | undefined
    const options = signal === undefined ? {} : { signal }
    for await (const object of this.#ost.list({ prefix: `${folder(group)}${escapeSegment(key)}`, ...options })) {
      if (newest === undefined || object.modifiedAt > newest.modifiedAt) newest = object
    }
    return newest === undefined ? undefined : await this.#load(newest.key, signal)
  }

  async #load(object: string, signal?: AbortSignal): Promise<FoundCache | undefined> {
    try {
      const text = (await collectBytes(this.#ost.read(object, signal === undefined ? {} : { signal }))).toString('utf8')
      const { key, object: data, sizeBytes, sha256 } = JSON.parse(text) as StoredCache
      return { key, object: data, sizeBytes, sha256 }
    } catch (error) {
      if (isSlipwayError(error, 'object_not_found')) return undefined
      throw error
    }
  }
}

const orphanAgeMs = 24 * 60 * 60 * 1000

type StoredCache = FoundCache & { readonly format: 1; readonly savedAt: number }

function folder(group: string): string {
  return `caches/${escapeSegment(group)}/`
}
