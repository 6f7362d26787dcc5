// Which instance holds which executor's connection. Each instance publishes what it holds, one key each, and reads what the
// others say; nothing of it is ever a row, and nothing is decided by it but when an executor has been silent for too long.

import type { Coordination } from '../../coordination/coordination.ts'
import type { Clock } from '../../lib/clock.ts'
import type { Logger } from '../../lib/log.ts'
import type { OrderFeed } from './order-feed.ts'

export type PresenceSettings = {
  readonly instanceId: string
  /** Where other instances reach this one; without it they cannot. */
  readonly url?: string
}

export type PresenceComponents = {
  readonly coordination: Coordination
  readonly feed: OrderFeed
  readonly clock: Clock
  readonly logger: Logger
}

/** The instance that has an executor's connection, and when it said so. */
export type Holder = { readonly instanceId: string; readonly url?: string; readonly seenAt: number }

type Announcement = {
  readonly format: 1
  readonly url?: string
  /** Whose orders are sent from here. */
  readonly executors: readonly string[]
  /** Heard lately, here; left out when they are the same. */
  readonly alive?: readonly string[]
}

/** Instances of other services share the coordination. */
const prefix = 'runservice.'
/** What comes and goes in this time is published together. */
const gatherMs = 200
const peersMs = 1000

export class ExecutorPresence implements AsyncDisposable {
  readonly #settings: PresenceSettings
  readonly #components: PresenceComponents
  readonly #closing = new AbortController()
  #holders: ReadonlyMap<string, Holder> = new Map()
  #alive: ReadonlySet<string> = new Set()
  #peers: readonly string[] = []
  #readAt = Number.NEGATIVE_INFINITY
  #announcing: Promise<void> | undefined

  constructor(settings: PresenceSettings, components: PresenceComponents) {
    this.#settings = settings
    this.#components = components
    components.feed.onHeldChanged = () => this.#announceSoon()
  }

  /** Publishes what is held here and reads what the others do; the executors that anybody heard. Errors: those of the coordination. */
  async look(signal: AbortSignal): Promise<ReadonlySet<string>> {
    await this.#announce()
    await this.#read(signal)
    return new Set([...this.#alive, ...this.#components.feed.aliveIds()])
  }

  /** As of the last look. */
  holderOf(executorId: string): Holder | undefined {
    const { feed, clock } = this.#components
    if (feed.executorIds.includes(executorId)) return { instanceId: this.#settings.instanceId, seenAt: clock.now() }
    return this.#holders.get(executorId)
  }

  /** Holders by executor, this instance's own included. */
  holders(): ReadonlyMap<string, Holder> {
    const { feed, clock } = this.#components
    const own = { instanceId: this.#settings.instanceId, seenAt: clock.now() }
    return new Map([...this.#holders, ...feed.executorIds.map((id) => [id, own] as const)])
  }

  /** Where the other instances are; asked anew when the answer is older than a second. */
  async peers(signal: AbortSignal): Promise<readonly string[]> {
    if (this.#components.clock.now() - this.#readAt > peersMs) await this.#read(signal)
    return this.#peers
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#components.feed.onHeldChanged = () => {}
    this.#closing.abort()
    await this.#announcing
  }

  async #read(signal: AbortSignal): Promise<void> {
    const own = prefix + this.#settings.instanceId
    const holders = new Map<string, Holder>()
    const alive = new Set<string>()
    const peers: string[] = []
    for (const { instanceId, data, seenAt } of await this.#components.coordination.present(signal)) {
      if (!instanceId.startsWith(prefix) || instanceId === own) continue
      const announcement = parseAnnouncement(data)
      const url = announcement?.url
      if (url !== undefined) peers.push(url)
      const holder = { instanceId: instanceId.slice(prefix.length), seenAt, ...(url === undefined ? {} : { url }) }
      for (const executorId of announcement?.executors ?? []) holders.set(executorId, holder)
      for (const executorId of announcement?.alive ?? announcement?.executors ?? []) alive.add(executorId)
    }
    this.#holders = holders
    this.#alive = alive
    this.#peers = peers
    this.#readAt = this.#components.clock.now()
  }

  #announceSoon(): void {
    const { clock, logger } = this.#components
    this.#announcing ??= clock
      .sleep(gatherMs, this.#closing.signal)
      .then(
        () => {
          this.#announcing = undefined
          return this.#announce()
        },
        () => undefined, // Closing: what is announced goes with the instance.
      )
      .catch((error: unknown) => logger.warn('executors held here cannot be published', { error }))
  }

  async #announce(): Promise<void> {
    const { instanceId, url } = this.#settings
    const { coordination, feed } = this.#components
    const executors = [...feed.executorIds].sort()
    const alive = [...feed.aliveIds()].sort()
    const isSame = alive.length === executors.length && alive.every((id, index) => id === executors[index])
    const announcement: Announcement = {
      format: 1,
      ...(url === undefined ? {} : { url }),
      executors,
      ...(isSame ? {} : { alive }),
    }
    await coordination.announce(prefix + instanceId, JSON.stringify(announcement))
  }
}

/** Undefined for what another version wrote, or nobody of us. */
function parseAnnouncement(data: string): Announcement | undefined {
  try {
    const parsed = JSON.parse(data) as Partial<Announcement> | null
    return parsed?.format === 1 && Array.isArray(parsed.executors) ? (parsed as Announcement) : undefined
  } catch {
    return undefined
  }
}
