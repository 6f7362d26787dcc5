// Following a log that other instances may be told of: executors send frames and live bytes to whichever instance takes the call.
// While somebody here follows a log, the others are asked for what they hear of it, and the storage is looked at, once for all
// followers; all of it goes into the log as this instance knows it.

import type { FastifyInstance } from 'fastify'
import type { RpcMethods } from '../../http/rpc/rpc.ts'
import { createRpcClient } from '../../http/rpc/rpc-client.ts'
import { serveRpc } from '../../http/rpc/rpc-server.ts'
import type { Clock } from '../../lib/clock.ts'
import type { Logger } from '../../lib/log.ts'
import type { LogName } from '../executor-api.ts'
import type { LogChunk, LogKey, LogStore } from './log-store.ts'

/** What instances ask each other. */
export interface InstanceLogs {
  /** As `LogStore.watch`; bytes in base64. */
  watchLog(runTaskId: string, log: LogName, fromByte: number, signal: AbortSignal): AsyncIterable<SentNews>
}

type SentNews =
  | { readonly kind: 'live'; readonly firstByte: number; readonly base64: string }
  | { readonly kind: 'stored'; readonly bytes: number; readonly complete: boolean }

const prefix = '/internal/runservice-logs'
const methods: RpcMethods<InstanceLogs> = { watchLog: 'stream' }

export type SharedLogsComponents = {
  readonly logs: LogStore
  /** Where the other instances are now. */
  readonly peers: (signal: AbortSignal) => Promise<readonly string[]>
  readonly clock: Clock
  readonly logger: Logger
}

/** The storage is looked at so often, and instances that came or went are noticed. */
const lookEveryMs = 1000

export class SharedLogs {
  readonly #token: string
  readonly #components: SharedLogsComponents
  readonly #watched = new Map<string, { followers: number; readonly end: AbortController }>()

  constructor(token: string, components: SharedLogsComponents) {
    this.#token = token
    this.#components = components
  }

  /** As `LogStore.follow`. */
  async *follow(key: LogKey, fromByte: number, signal: AbortSignal): AsyncGenerator<LogChunk> {
    const name = `${key.runTaskId}/${key.log}`
    const watched = this.#watched.get(name) ?? this.#watch(name, key, fromByte)
    watched.followers++
    try {
      yield* this.#components.logs.follow(key, fromByte, signal)
    } finally {
      if (--watched.followers === 0) {
        watched.end.abort()
        this.#watched.delete(name)
      }
    }
  }

  #watch(name: string, key: LogKey, fromByte: number) {
    const watched = { followers: 0, end: new AbortController() }
    this.#watched.set(name, watched)
    void this.#gather(key, fromByte, watched.end.signal)
    return watched
  }

  async #gather(key: LogKey, fromByte: number, signal: AbortSignal): Promise<void> {
    const { logs, peers, clock, logger } = this.#components
    const asked = new Set<string>()
    while (!signal.aborted) {
      try {
        for (const url of await peers(signal)) {
          if (asked.has(url)) continue
          asked.add(url)
          void this.#ask(url, key, fromByte, signal).finally(() => asked.delete(url))
        }
        await logs.refresh(key, signal)
      } catch (error) {
        if (!signal.aborted) logger.warn('a log that others write cannot be looked at', { ...key, error })
      }
      await clock.sleep(lookEveryMs, signal).catch(() => undefined)
    }
  }

  async #ask(url: string, key: LogKey, fromByte: number, signal: AbortSignal): Promise<void> {
    const { logs, logger } = this.#components
    try {
      await using peer = createRpcClient<InstanceLogs>({ urls: [url], prefix, methods, token: this.#token })
      for await (const news of peer.watchLog(key.runTaskId, key.log, fromByte, signal)) {
        if (news.kind === 'live') logs.offerLive(key, news.firstByte, Buffer.from(news.base64, 'base64'))
        else await logs.refresh(key, signal)
      }
    } catch (error) {
      // It is asked again, while it is there.
      if (!signal.aborted) logger.debug('an instance does not tell of a log', { url, ...key, error })
    }
  }
}

/** Lets the other instances of the installation ask. */
export function serveInstanceLogs(
  app: FastifyInstance,
  token: string,
  { logs, logger }: Pick<SharedLogsComponents, 'logs' | 'logger'>,
): void {
  const target: InstanceLogs = {
    async *watchLog(runTaskId, log, fromByte, signal) {
      for await (const news of logs.watch({ runTaskId, log }, fromByte, signal))
        yield news.kind === 'stored'
          ? news
          : { kind: 'live', firstByte: news.firstByte, base64: Buffer.from(news.bytes).toString('base64') }
    },
  }
  serveRpc<InstanceLogs>(app, { prefix, methods, token }, { target, logger })
}
