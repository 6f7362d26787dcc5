// Coordination in PostgreSQL: rows that count until a time of the server's clock. Not advisory locks: those belong to a
// connection, and every lost connection would lose them.

import { randomUUID } from 'node:crypto'
import type { Clock } from '../lib/clock.ts'
import { type PostgresClient, quoteName } from '../lib/postgres.ts'
import {
  type Coordination,
  type CoordinationTiming,
  defaultTiming,
  type HeldLock,
  type Presence,
} from './coordination.ts'
import { checkName } from './names.ts'
import { Renewal } from './renewal.ts'

export type PostgresCoordinationOptions = {
  /** Shared with others; not closed here. */
  readonly client: PostgresClient
  /** Made when it is missing; the tables are in it. */
  readonly schema: string
  readonly clock: Clock
  readonly timing?: CoordinationTiming
}

type Announcement = { data: string; readonly renewal: Renewal }

export class PostgresCoordination implements Coordination {
  readonly #options: PostgresCoordinationOptions
  readonly #schema: string
  readonly #timing: CoordinationTiming
  readonly #announcements = new Map<string, Announcement>()
  readonly #locks = new Set<HeldLock>()

  private constructor(options: PostgresCoordinationOptions) {
    this.#options = options
    this.#schema = quoteName(options.schema)
    this.#timing = options.timing ?? defaultTiming
  }

  /** Makes the tables when they are missing. */
  static async open(options: PostgresCoordinationOptions, signal?: AbortSignal): Promise<PostgresCoordination> {
    const schema = quoteName(options.schema)
    const statements = [
      `CREATE TABLE IF NOT EXISTS ${schema}.presence (
         instance_id text COLLATE "C" PRIMARY KEY, data text NOT NULL, seen_at timestamptz NOT NULL)`,
      `CREATE TABLE IF NOT EXISTS ${schema}.lock (name text PRIMARY KEY, mark text NOT NULL, expires_at timestamptz NOT NULL)`,
    ]
    await options.client.define(options.schema, statements, signal)
    return new PostgresCoordination(options)
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
    const rows = await this.#options.client.query<{ instance_id: string; data: string; seen_at: Date }>(
      `SELECT instance_id, data, seen_at FROM ${this.#schema}.presence
       WHERE seen_at > clock_timestamp() - $1 * interval '1 millisecond' ORDER BY instance_id`,
      [this.#timing.expireMs],
      signal,
    )
    return rows.map(({ instance_id, data, seen_at }) => ({ instanceId: instance_id, data, seenAt: seen_at.getTime() }))
  }

  async tryLock(name: string, signal?: AbortSignal): Promise<HeldLock | undefined> {
    checkName(name)
    const { client, clock } = this.#options
    const mark = randomUUID()
    const taken = await client.query(
      `INSERT INTO ${this.#schema}.lock AS held VALUES ($1, $2, clock_timestamp() + $3 * interval '1 millisecond')
       ON CONFLICT (name) DO UPDATE SET mark = excluded.mark, expires_at = excluded.expires_at
       WHERE held.expires_at < clock_timestamp() RETURNING 1`,
      [name, mark, this.#timing.expireMs],
      signal,
    )
    if (taken.length === 0) return undefined
    const lost = new AbortController()
    const renewal = new Renewal({
      clock,
      timing: this.#timing,
      renew: async (signal) => {
        const renewed = await client.query(
          `UPDATE ${this.#schema}.lock SET expires_at = clock_timestamp() + $3 * interval '1 millisecond'
           WHERE name = $1 AND mark = $2 RETURNING 1`,
          [name, mark, this.#timing.expireMs],
          signal,
        )
        return renewed.length > 0
      },
      onLost: () => lost.abort(),
    })
    const lock: HeldLock = {
      lost: lost.signal,
      [Symbol.asyncDispose]: async () => {
        if (!this.#locks.delete(lock)) return
        await renewal[Symbol.asyncDispose]()
        const release = `DELETE FROM ${this.#schema}.lock WHERE name = $1 AND mark = $2`
        await client.query(release, [name, mark]).catch(() => {}) // it expires by itself
      },
    }
    this.#locks.add(lock)
    return lock
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const lock of [...this.#locks]) await lock[Symbol.asyncDispose]()
    for (const [instanceId, { renewal }] of this.#announcements) {
      await renewal[Symbol.asyncDispose]()
      const leave = `DELETE FROM ${this.#schema}.presence WHERE instance_id = $1`
      await this.#options.client.query(leave, [instanceId]).catch(() => {}) // it expires by itself
    }
    this.#announcements.clear()
  }

  async #publish(instanceId: string, data: string, signal?: AbortSignal): Promise<void> {
    await this.#options.client.query(
      `INSERT INTO ${this.#schema}.presence VALUES ($1, $2, clock_timestamp())
       ON CONFLICT (instance_id) DO UPDATE SET data = excluded.data, seen_at = excluded.seen_at`,
      [instanceId, data],
      signal,
    )
  }
}
