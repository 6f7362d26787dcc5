// Presence on object storage: one object per instance, written anew now and then. Its age is told by the storage's clock
// alone. There are no locks: a store that can only create objects cannot take one from an instance that died.

import { collectBytes } from '../lib/bytes.ts'
import type { Clock } from '../lib/clock.ts'
import { isSlipwayError } from '../lib/errors.ts'
import type { ObjectStorage } from '../objectstorage/object-storage.ts'
import {
  type Coordination,
  type CoordinationTiming,
  defaultTiming,
  type HeldLock,
  type Presence,
} from './coordination.ts'
import { checkName } from './names.ts'
import { Renewal } from './renewal.ts'

export type BucketCoordinationOptions = {
  /** Shared with others; not closed here. */
  readonly storage: ObjectStorage
  /** Of all keys; ends with a slash. */
  readonly prefix: string
  readonly clock: Clock
  readonly timing?: CoordinationTiming
}

type Announcement = { data: string; readonly renewal: Renewal }

/** What is so much older than anybody's announcement is removed when somebody looks. */
const forgetAfterExpiries = 100

export class BucketCoordination implements Coordination {
  readonly #options: BucketCoordinationOptions
  readonly #timing: CoordinationTiming
  readonly #announcements = new Map<string, Announcement>()

  constructor(options: BucketCoordinationOptions) {
    this.#options = options
    this.#timing = options.timing ?? defaultTiming
  }

  async announce(instanceId: string, data: string): Promise<void> {
    checkName(instanceId)
    let announcement = this.#announcements.get(instanceId)
    if (announcement) announcement.data = data
    else {
      const created: Announcement = {
        data,
        renewal: new Renewal({
          clock: this.#options.clock,
          timing: this.#timing,
          renew: async (signal) => {
            await this.#publish(instanceId, created.data, signal)
            return true
          },
        }),
      }
      announcement = created
      this.#announcements.set(instanceId, announcement)
    }
    await this.#publish(instanceId, announcement.data)
  }

  async present(signal?: AbortSignal): Promise<readonly Presence[]> {
    const { storage } = this.#options
    const options = signal ? { signal } : {}
    const prefix = `${this.#options.prefix}presence/`
    const now = await this.#storageTime(signal)
    const present: Presence[] = []
    for await (const { key, modifiedAt } of storage.list({ prefix, ...options })) {
      const age = now - modifiedAt
      if (age > this.#timing.expireMs * forgetAfterExpiries) await storage.delete(key, signal)
      if (age > this.#timing.expireMs) continue
      try {
        const data = (await collectBytes(storage.read(key, options))).toString()
        present.push({ instanceId: key.slice(prefix.length), data, seenAt: modifiedAt })
      } catch (error) {
        if (!isSlipwayError(error, 'object_not_found')) throw error // it has just left
      }
    }
    return present
  }

  async tryLock(name: string): Promise<HeldLock | undefined> {
    checkName(name)
    return { lost: new AbortController().signal, [Symbol.asyncDispose]: async () => {} }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const [instanceId, { renewal }] of this.#announcements) {
      await renewal[Symbol.asyncDispose]()
      await this.#options.storage.delete(this.#key(instanceId)).catch(() => {}) // it expires by itself
    }
    this.#announcements.clear()
  }

  #key(instanceId: string): string {
    return `${this.#options.prefix}presence/${instanceId}`
  }

  async #publish(instanceId: string, data: string, signal?: AbortSignal): Promise<void> {
    const options = { persist: false, ...(signal ? { signal } : {}) }
    await this.#options.storage.put(this.#key(instanceId), Buffer.from(data), options)
  }

  /** What the storage's clock says, learned from an object that is written for that. */
  async #storageTime(signal: AbortSignal | undefined): Promise<number> {
    const { storage, prefix, clock } = this.#options
    const key = `${prefix}clock`
    await storage.put(key, new Uint8Array(), { persist: false, ...(signal ? { signal } : {}) })
    return (await storage.stat(key, signal))?.modifiedAt ?? clock.now()
  }
}
