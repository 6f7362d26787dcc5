// Coordination in etcd: keys that vanish with a lease. Every announcement and every lock has a lease of its own, so that
// losing one says nothing about the others.

import { randomUUID } from 'node:crypto'
import type { Clock } from '../lib/clock.ts'
import { type EtcdClient, prefixEnd } from '../lib/etcd/client.ts'
import {
  type Coordination,
  type CoordinationTiming,
  defaultTiming,
  type HeldLock,
  type Presence,
} from './coordination.ts'
import { checkName } from './names.ts'
import { Renewal } from './renewal.ts'

export type EtcdCoordinationOptions = {
  /** Shared with others; not closed here. */
  readonly client: EtcdClient
  /** Of all keys; ends with a slash. */
  readonly prefix: string
  readonly clock: Clock
  readonly timing?: CoordinationTiming
}

type Announcement = { data: string; lease: string; readonly renewal: Renewal }

export class EtcdCoordination implements Coordination {
  readonly #options: EtcdCoordinationOptions
  readonly #timing: CoordinationTiming
  readonly #announcements = new Map<string, Announcement>()
  readonly #locks = new Set<HeldLock>()

  constructor(options: EtcdCoordinationOptions) {
    this.#options = options
    this.#timing = options.timing ?? defaultTiming
  }

  async announce(instanceId: string, data: string): Promise<void> {
    checkName(instanceId)
    const { clock } = this.#options
    const known = this.#announcements.get(instanceId)
    if (known) {
      known.data = data
      await this.#publish(instanceId, known)
      return
    }
    const announcement: Announcement = {
      data,
      lease: '',
      renewal: new Renewal({
        clock,
        timing: this.#timing,
        renew: async (signal) => {
          await this.#publish(instanceId, announcement, signal)
          return true
        },
      }),
    }
    this.#announcements.set(instanceId, announcement)
    await this.#publish(instanceId, announcement)
  }

  async present(signal?: AbortSignal): Promise<readonly Presence[]> {
    const prefix = `${this.#options.prefix}presence/`
    const entries = await this.#options.client.range({ key: prefix, end: prefixEnd(prefix) }, signal)
    return entries.map(({ key, value }) => {
      const { data, seenAt } = JSON.parse(value.toString()) as { data: string; seenAt: number } // written by publish
      return { instanceId: key.slice(prefix.length), data, seenAt }
    })
  }

  async tryLock(name: string, signal?: AbortSignal): Promise<HeldLock | undefined> {
    checkName(name)
    const { client, clock } = this.#options
    const key = `${this.#options.prefix}lock/${name}`
    const lease = await client.grantLease(this.#leaseSeconds, signal)
    const mark = randomUUID()
    const taken = await client
      .transact(
        {
          compare: [{ kind: 'absent', key }],
          success: [{ kind: 'put', key, value: Buffer.from(mark), lease }],
          failure: [{ kind: 'range', key }],
        },
        signal,
        true,
      )
      .catch(async (error: unknown) => {
        await client.revokeLease(lease).catch(() => {}) // it expires by itself
        throw error
      })
    // The answer to the first attempt may have been lost: then the lock is held with our mark.
    if (!taken.succeeded && taken.found[0]?.[0]?.value.toString() !== mark) {
      await client.revokeLease(lease, signal)
      return undefined
    }
    const lost = new AbortController()
    const renewal = new Renewal({
      clock,
      timing: this.#timing,
      renew: async (signal) => (await client.keepLeaseAlive(lease, signal)) > 0,
      onLost: () => lost.abort(),
    })
    const lock: HeldLock = {
      lost: lost.signal,
      [Symbol.asyncDispose]: async () => {
        if (!this.#locks.delete(lock)) return
        await renewal[Symbol.asyncDispose]()
        await client.revokeLease(lease).catch(() => {}) // it expires by itself
      },
    }
    this.#locks.add(lock)
    return lock
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const lock of [...this.#locks]) await lock[Symbol.asyncDispose]()
    for (const { renewal, lease } of this.#announcements.values()) {
      await renewal[Symbol.asyncDispose]()
      if (lease !== '') await this.#options.client.revokeLease(lease).catch(() => {}) // it expires by itself
    }
    this.#announcements.clear()
  }

  get #leaseSeconds(): number {
    return Math.ceil(this.#timing.expireMs / 1000)
  }

  async #publish(instanceId: string, announcement: Announcement, signal?: AbortSignal): Promise<void> {
    const { client, clock, prefix } = this.#options
    if (announcement.lease === '' || (await client.keepLeaseAlive(announcement.lease, signal)) <= 0)
      announcement.lease = await client.grantLease(this.#leaseSeconds, signal)
    const value = Buffer.from(JSON.stringify({ data: announcement.data, seenAt: clock.now() }))
    const key = `${prefix}presence/${instanceId}`
    const { lease } = announcement
    await client.transact({ compare: [], success: [{ kind: 'put', key, value, lease }] }, signal, true)
  }
}
