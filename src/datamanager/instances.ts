// Who works on the databases of an installation: each instance says in its presence what it is, what it reads, where its
// databases are and whether it has entered maintenance. The same is an object in object storage, so that an instance that
// is stopped, or lost its way to the others, is still known for an hour, and so that a stopped installation can be asked.
//
// Positions change all the time: they are told by presence alone. The object is written when something else changes, and
// now and then so that it does not look old.

import { isDeepStrictEqual } from 'node:util'
import type { Coordination } from '../coordination/coordination.ts'
import { collectBytes } from '../lib/bytes.ts'
import type { Clock } from '../lib/clock.ts'
import { errorMessage, isSlipwayError } from '../lib/errors.ts'
import { limits } from '../lib/limits.ts'
import { type Logger, silentLogger } from '../lib/log.ts'
import type { ObjectStorage } from '../objectstorage/object-storage.ts'
import type { Schema } from './database.ts'
import { AgreedFormats, type Formats, readableFormats } from './formats.ts'
import { Wakeups } from './log/wakeups.ts'
import type { LogDatabase } from './log-database.ts'

/** How often an instance looks whether it has something new to say. */
const announceMs = 5000
/** How often it says it anew in object storage; well below the hour for which it is remembered. */
const rememberMs = 10 * 60_000
/** How often the others are asked what they read, while they hold a newer format back. */
const agreeMs = limits.instanceRememberedMs.value / 60
/** After trouble with coordination or storage. */
const retryMs = 1000

/** One database of an instance. */
export type InstanceDatabase = {
  readonly generation: string
  /** Newest applied record. */
  readonly position: number
  /** `replaced`: an import has put another generation in the place of this one. */
  readonly maintenance: 'no' | 'entered' | 'replaced'
}

export type InstanceState = {
  readonly instanceId: string
  readonly version: string
  readonly startedAt: number
  readonly formats: Formats
  /** By service. */
  readonly databases: Readonly<Record<string, InstanceDatabase>>
  /** Set at a clean end. */
  readonly stoppedAt?: number
}

export type SeenInstance = InstanceState & {
  readonly seenAt: number
  /** It has renewed its presence lately; a stopped installation has no instances that have. */
  readonly isPresent: boolean
}

type WatchedDatabase = Pick<LogDatabase<Schema>, 'identity' | 'position' | 'maintenance' | 'watchMaintenance'>

export type InstancesParts = {
  readonly coordination: Coordination
  readonly storage: ObjectStorage
  readonly base: string
  readonly clock: Clock
  readonly instanceId: string
  readonly version: string
  readonly logger?: Logger
  /** Default: what this version reads. */
  readonly formats?: Formats
}

export class Instances implements AsyncDisposable {
  readonly #parts: InstancesParts
  readonly #startedAt: number
  readonly #agreed: AgreedFormats
  readonly #databases = new Map<string, WatchedDatabase>()
  /** The last states of databases that were closed: what is told at the end. */
  readonly #closed = new Map<string, InstanceDatabase>()
  readonly #closing = new AbortController()
  readonly #news = new Wakeups()
  #hasNews = false
  #agreedAt = Number.NEGATIVE_INFINITY
  #announced: InstanceState | undefined
  #remembered: { readonly state: InstanceState; readonly at: number } | undefined
  #running: Promise<void> | undefined

  constructor(parts: InstancesParts) {
    this.#parts = parts
    this.#startedAt = parts.clock.now()
    this.#agreed = new AgreedFormats(parts.formats ?? readableFormats)
  }

  /** Announces this instance until disposed. Resolves when others can see it. Errors: of coordination and storage. */
  async start(): Promise<void> {
    await this.#tell()
    await this.#agree()
    this.#running = this.#run()
  }

  /** From now on the state of this database is told as well; disposing the result ends that. */
  watch(service: string, db: WatchedDatabase): Disposable {
    this.#databases.set(service, db)
    const wake = () => {
      this.#hasNews = true
      this.#news.wake()
    }
    const watching = db.watchMaintenance(wake)
    wake()
    return {
      [Symbol.dispose]: () => {
        watching[Symbol.dispose]()
        if (this.#databases.get(service) === db) this.#databases.delete(service)
        this.#closed.set(service, describe(db))
        wake()
      },
    }
  }

  /** The format to write things of `kind` in: the newest that every instance of the last hour reads. */
  formatOf(kind: string): number {
    return this.#agreed.of(kind)
  }

  /** All instances there is a trace of, in the order of their ids; this one as it is now. */
  async list(signal?: AbortSignal): Promise<readonly SeenInstance[]> {
    const all = await listInstances(this.#parts, signal)
    if (!this.#running || this.#closing.signal.aborted) return all
    const own = { ...this.#state(), seenAt: this.#parts.clock.now(), isPresent: true }
    return all.map((one) => (one.instanceId === own.instanceId ? own : one))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#closing.signal.aborted) return
    this.#closing.abort(new Error('the instance stops'))
    await this.#running
    try {
      const state = this.#state()
      const databases = { ...Object.fromEntries(this.#closed), ...state.databases }
      await this.#remember({ ...state, databases, stoppedAt: this.#parts.clock.now() })
    } catch (error) {
      // Others see it go by itself.
      this.#logger.warn('the end of this instance could not be told', { error })
    }
  }

  get #logger(): Logger {
    return this.#parts.logger ?? silentLogger
  }

  async #run(): Promise<void> {
    const { clock } = this.#parts
    const { signal } = this.#closing
    let isTroubled = false
    while (!signal.aborted) {
      const late = clock.timeout(isTroubled ? retryMs : announceMs)
      await this.#news.until(() => this.#hasNews && !isTroubled, AbortSignal.any([signal, late])).catch(() => undefined)
      if (signal.aborted) return
      this.#hasNews = false
      try {
        await this.#tell()
        await this.#agree()
        isTroubled = false
      } catch (error) {
        isTroubled = true
        this.#logger.warn('this instance could not tell the others its state', { error: errorMessage(error) })
      }
    }
  }

  async #agree(): Promise<void> {
    const now = this.#parts.clock.now()
    if (this.#agreed.isComplete || now - this.#agreedAt < agreeMs) return
    this.#agreed.hear(await listInstances(this.#parts, this.#closing.signal), now)
    this.#agreedAt = now
  }

  async #tell(): Promise<void> {
    const { coordination, instanceId, clock } = this.#parts
    const state = this.#state()
    const isNew = !this.#remembered || !isDeepStrictEqual(lasting(state), lasting(this.#remembered.state))
    if (isNew || clock.now() - (this.#remembered?.at ?? 0) >= rememberMs) await this.#remember(state)
    if (isDeepStrictEqual(state, this.#announced)) return
    await coordination.announce(`instance.${instanceId}`, JSON.stringify(state))
    this.#announced = state
  }

  async #remember(state: InstanceState): Promise<void> {
    const { storage, base, instanceId, clock } = this.#parts
    await storage.put(`${instancePrefix(base)}${instanceId}`, Buffer.from(`${JSON.stringify(state)}\n`))
    this.#remembered = { state, at: clock.now() }
  }

  #state(): InstanceState {
    const { instanceId, version, formats = readableFormats } = this.#parts
    const databases: Record<string, InstanceDatabase> = {}
    for (const [service, db] of this.#databases) databases[service] = describe(db)
    return { instanceId, version, startedAt: this.#startedAt, formats, databases }
  }
}

/**
 * All instances there is a trace of: those that are present, by their presence, the others by what they left in object storage
 * in the last hour. Without `coordination` (a stopped installation) none is present. Errors: of both.
 */
export async function listInstances(
  parts: {
    readonly coordination?: Coordination
    readonly storage: ObjectStorage
    readonly base: string
    readonly clock: Clock
  },
  signal?: AbortSignal,
): Promise<readonly SeenInstance[]> {
  const { coordination, storage, base, clock } = parts
  const found = new Map<string, SeenInstance>()
  const options = signal ? { signal } : {}
  const prefix = instancePrefix(base)
  const storageTime = await readStorageTime(storage, base, signal)
  for await (const { key, modifiedAt } of storage.list({ prefix, ...options })) {
    const age = storageTime === undefined ? 0 : Math.max(0, storageTime - modifiedAt)
    if (age > limits.instanceRememberedMs.value) {
      await storage.delete(key, signal)
      continue
    }
    try {
      const state = parseState((await collectBytes(storage.read(key, options))).toString())
      if (state) found.set(state.instanceId, { ...state, seenAt: clock.now() - age, isPresent: false })
    } catch (error) {
      if (!isSlipwayError(error, 'object_not_found')) throw error // forgotten just now
    }
  }
  for (const { data, seenAt } of (await coordination?.present(signal)) ?? []) {
    const state = parseState(data)
    if (state) found.set(state.instanceId, { ...state, seenAt, isPresent: true })
  }
  return [...found.values()].sort((a, b) => (a.instanceId < b.instanceId ? -1 : 1))
}

export const instancePrefix = (base: string) => `${base}/instance/`

function describe({ identity, position, maintenance }: WatchedDatabase): InstanceDatabase {
  const state = !maintenance ? 'no' : maintenance.replacedBy === undefined ? 'entered' : 'replaced'
  return { generation: identity.generation, position, maintenance: state }
}

/** What is worth an object: everything but positions. */
function lasting(state: InstanceState): unknown {
  const databases = Object.entries(state.databases).map(([service, db]) => [service, { ...db, position: 0 }])
  return { ...state, databases: Object.fromEntries(databases) }
}

/** By the storage's clock, which is compared with other times of the same storage only. */
async function readStorageTime(
  storage: ObjectStorage,
  base: string,
  signal: AbortSignal | undefined,
): Promise<number | undefined> {
  const key = `${base}/clock`
  await storage.put(key, Buffer.from('\n'), { persist: false, ...(signal ? { signal } : {}) })
  return (await storage.stat(key, signal))?.modifiedAt
}

/** Undefined for what others announce, and for what a later version says in a way unknown here. */
function parseState(text: string): InstanceState | undefined {
  let value: Partial<InstanceState> | null
  try {
    value = JSON.parse(text) as typeof value
  } catch {
    return undefined
  }
  const isState =
    typeof value?.instanceId === 'string' &&
    typeof value.version === 'string' &&
    typeof value.formats === 'object' &&
    typeof value.databases === 'object'
  return isState ? (value as InstanceState) : undefined
}
