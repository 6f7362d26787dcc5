// The runservice for an executor that is not in its process: the executor protocol over HTTP (runservice/executor-protocol.ts).
//
// Reports and logs are tried once, because their callers try again and know what is newest by then. Archives and caches are tried
// until they are stored, read, or given up: what a pod packs can be read only once.

import type { IncomingMessage } from 'node:http'
import type { Clock } from '../../lib/clock.ts'
import { type ErrorCode, errorCodes, isSlipwayError, SlipwayError } from '../../lib/errors.ts'
import type { Logger } from '../../lib/log.ts'
import type {
  ExecutorApi,
  ExecutorHello,
  FoundCache,
  LogName,
  LogPosition,
  OrderMessage,
  Registration,
  ReportAnswer,
  StoredArchive,
  TaskReport,
} from '../../runservice/executor-api.ts'
import { aliveEveryMs, executorPrefix, silenceMsMax } from '../../runservice/executor-protocol.ts'
import { ArchiveTransfers } from './archive-transfers.ts'
import { BucketConnection } from './bucket-connection.ts'
import { parseEvents, type ServerSentEvent } from './event-stream.ts'
import { type CallOptions, type ConnectionSettings, HttpConnection } from './http-connection.ts'
import { LiveSender } from './live-sender.ts'

export type RemoteApiComponents = {
  readonly clock: Clock
  readonly logger: Logger
  /** From 0 to 1, exclusive; spreads the attempts of many executors. */
  readonly random?: () => number
}

/** Frames over slow lines. */
const uploadMsMax = 120_000

export type RemoteApiSettings = ConnectionSettings & {
  /** Whether archives may go to the bucket of the server directly, if it offers that; default true. */
  readonly signedUrls?: boolean
  /** PEM; authorities of the bucket besides those that Node.js trusts. */
  readonly bucketCaFile?: string
}

export class RemoteExecutorApi implements ExecutorApi, Disposable {
  readonly #connection: HttpConnection
  readonly #components: RemoteApiComponents
  readonly #live: LiveSender
  readonly #bucket: BucketConnection | undefined
  readonly #transfers: ArchiveTransfers

  /** Errors: `config_invalid`. */
  constructor(settings: RemoteApiSettings, components: RemoteApiComponents) {
    const { signedUrls = true, bucketCaFile } = settings
    this.#connection = new HttpConnection({ ...settings, url: settings.url.replace(/\/+$/, '') })
    this.#components = components
    this.#bucket = signedUrls
      ? new BucketConnection(bucketCaFile === undefined ? {} : { caFile: bucketCaFile })
      : undefined
    this.#transfers = new ArchiveTransfers({
      server: {
        call: (method, path, options) => this.#call(method, path, options),
        open: (method, path, options) => this.#open(method, path, options),
      },
      bucket: this.#bucket,
      clock: components.clock,
      logger: components.logger,
      random: components.random ?? Math.random,
    })
    this.#live = new LiveSender(async ({ executorTaskId, log }, firstByte, bytes) => {
      await this.#call('POST', `${taskPath(executorTaskId)}/logs/${log}/live`, { query: { firstByte }, bytes })
    }, components.clock)
  }

  /** Which executor the token is for. Errors: `unauthenticated`, `service_unavailable`. */
  async self(signal?: AbortSignal): Promise<{ readonly executorId: string }> {
    return (await this.#call('GET', '/self', { signal })) as { executorId: string }
  }

  async *connect(hello: ExecutorHello, signal: AbortSignal): AsyncGenerator<OrderMessage, void, undefined> {
    const registered = (await this.#call('POST', '/register', { json: hello, signal })) as Registration
    const { connection, position, gone } = registered
    for (const executorTaskId of gone) yield { kind: 'gone', executorTaskId }
    const ended = new AbortController()
    const reading = AbortSignal.any([signal, ended.signal])
    try {
      const response = await this.#open('GET', '/orders', { query: { connection, position }, signal: reading })
      response.setEncoding('utf8')
      this.#sayAlive(reading).catch(() => undefined) // Aborted.
      for await (const event of this.#heard(response)) {
        if (event === 'comment') continue
        if (event.event === 'error') throw errorOfEvent(event)
        yield JSON.parse(event.data) as OrderMessage
      }
    } catch (error) {
      if (!signal.aborted) throw isSlipwayError(error) ? error : cut(error)
    } finally {
      ended.abort()
    }
  }

  async report(report: TaskReport, signal?: AbortSignal): Promise<ReportAnswer> {
    const path = `${taskPath(report.executorTaskId)}/report`
    return ((await this.#call('POST', path, { json: report, signal })) as { answer: ReportAnswer }).answer
  }

  async cloneUrl(executorTaskId: string, signal?: AbortSignal): Promise<string> {
    return ((await this.#call('GET', `${taskPath(executorTaskId)}/clone`, { signal })) as { readonly url: string }).url
  }

  async logPosition(executorTaskId: string, log: LogName, signal?: AbortSignal): Promise<LogPosition> {
    return (await this.#call('GET', `${taskPath(executorTaskId)}/logs/${log}`, { signal })) as LogPosition
  }

  async storeFrame(
    executorTaskId: string,
    log: LogName,
    frame: Uint8Array,
    signal?: AbortSignal,
  ): Promise<LogPosition> {
    const options = { bytes: frame, signal, timeoutMs: uploadMsMax }
    return (await this.#call('POST', `${taskPath(executorTaskId)}/logs/${log}/frames`, options)) as LogPosition
  }

  offerLive(executorTaskId: string, log: LogName, firstByte: number, bytes: Uint8Array): void {
    this.#live.offer({ executorTaskId, log }, firstByte, bytes)
  }

  async finishLog(executorTaskId: string, log: LogName, signal?: AbortSignal): Promise<void> {
    await this.#call('POST', `${taskPath(executorTaskId)}/logs/${log}/finish`, { signal, timeoutMs: uploadMsMax })
  }

  async saveArchive(
    executorTaskId: string,
    step: number,
    data: AsyncIterable<Uint8Array>,
    signal?: AbortSignal,
  ): Promise<StoredArchive> {
    const uploaded = await this.#transfers.upload(taskPath(executorTaskId), { kind: 'workspace', step }, data, signal)
    const options = { json: uploaded, signal }
    return (await this.#transfers.persist(
      'POST',
      `${taskPath(executorTaskId)}/archives/${step}`,
      options,
    )) as StoredArchive
  }

  readArchive(executorTaskId: string, archive: StoredArchive, signal?: AbortSignal): AsyncIterable<Uint8Array> {
    return this.#transfers.download(`${taskPath(executorTaskId)}/archives`, archive, signal)
  }

  async findCache(
    executorTaskId: string,
    key: string,
    { exactOnly }: { readonly exactOnly: boolean },
    signal?: AbortSignal,
  ): Promise<FoundCache | undefined> {
    const options = { query: { key, exactOnly }, signal }
    const answer = await this.#transfers.persist('GET', `${taskPath(executorTaskId)}/caches`, options)
    return (answer as { readonly found?: FoundCache }).found
  }

  readCache(executorTaskId: string, cache: FoundCache, signal?: AbortSignal): AsyncIterable<Uint8Array> {
    return this.#transfers.download(`${taskPath(executorTaskId)}/caches/data`, cache, signal)
  }

  async saveCache(
    executorTaskId: string,
    key: string,
    data: AsyncIterable<Uint8Array>,
    signal?: AbortSignal,
  ): Promise<'stored' | 'exists'> {
    const uploaded = await this.#transfers.upload(taskPath(executorTaskId), { kind: 'cache', key }, data, signal)
    const options = { query: { key }, json: uploaded, signal }
    const answer = await this.#transfers.persist('POST', `${taskPath(executorTaskId)}/caches`, options)
    return (answer as { readonly answer: 'stored' | 'exists' }).answer
  }

  [Symbol.dispose](): void {
    this.#live[Symbol.dispose]()
    this.#bucket?.[Symbol.dispose]()
    this.#connection[Symbol.dispose]()
  }

  /** The events of a stream that is not silent for too long. */
  async *#heard(response: IncomingMessage): AsyncGenerator<ServerSentEvent | 'comment'> {
    const onSilence = () => response.destroy(new SlipwayError('service_unavailable', 'nothing is heard of the server'))
    let silence = setTimeout(onSilence, silenceMsMax)
    try {
      for await (const event of parseEvents(response as AsyncIterable<string>)) {
        clearTimeout(silence)
        yield event
        silence = setTimeout(onSilence, silenceMsMax)
      }
    } finally {
      clearTimeout(silence)
      response.destroy()
    }
  }

  async #sayAlive(signal: AbortSignal): Promise<void> {
    for (;;) {
      await this.#components.clock.sleep(aliveEveryMs, signal)
      // What is wrong with it the stream of orders will tell.
      await this.#call('POST', '/alive', { signal, timeoutMs: aliveEveryMs }).catch(() => undefined)
    }
  }

  #call(method: string, path: string, options: CallOptions): Promise<unknown> {
    return this.#connection.call(method, executorPrefix + path, options)
  }

  #open(method: string, path: string, options: CallOptions): Promise<IncomingMessage> {
    return this.#connection.open(method, executorPrefix + path, options)
  }
}

function taskPath(executorTaskId: string): string {
  return `/tasks/${encodeURIComponent(executorTaskId)}`
}

function errorOfEvent({ data }: ServerSentEvent): SlipwayError {
  const { code, message } = JSON.parse(data) as { readonly code: string; readonly message: string }
  return Object.hasOwn(errorCodes, code)
    ? new SlipwayError(code as ErrorCode, message)
    : new SlipwayError('service_unavailable', message)
}

function cut(cause: unknown): SlipwayError {
  return new SlipwayError('service_unavailable', 'the stream of orders was cut', { cause })
}
