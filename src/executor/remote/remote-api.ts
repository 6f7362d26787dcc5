// The runservice for an executor that is not in its process: the executor protocol over HTTP (runservice/executor-protocol.ts).
//
// Reports and logs are tried once, because their callers try again and know what is newest by then. Archives and caches are tried
// until they are stored, read, or given up: what a pod packs can be read only once.

import { createHash } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { Clock } from '../../lib/clock.ts'
import { type ErrorCode, errorCodes, isSlipwayError, SlipwayError } from '../../lib/errors.ts'
import type { Logger } from '../../lib/log.ts'
import type {
  BegunUpload,
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
import { parseEvents, type ServerSentEvent } from './event-stream.ts'
import { type CallOptions, type ConnectionSettings, HttpConnection } from './http-connection.ts'
import { LiveSender } from './live-sender.ts'

export type RemoteApiComponents = {
  readonly clock: Clock
  readonly logger: Logger
  /** From 0 to 1, exclusive; spreads the attempts of many executors. */
  readonly random?: () => number
}

const retryMsMin = 100
const retryMsMax = 10_000
/** Part and frame uploads over slow lines. */
const uploadMsMax = 120_000

export class RemoteExecutorApi implements ExecutorApi, Disposable {
  readonly #connection: HttpConnection
  readonly #components: RemoteApiComponents
  readonly #live: LiveSender

  /** Errors: `config_invalid`. */
  constructor(settings: ConnectionSettings, components: RemoteApiComponents) {
    this.#connection = new HttpConnection({ ...settings, url: settings.url.replace(/\/+$/, '') })
    this.#components = components
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
    const uploaded = await this.#upload(executorTaskId, data, signal)
    const options = { json: uploaded, signal }
    return (await this.#persist('POST', `${taskPath(executorTaskId)}/archives/${step}`, options)) as StoredArchive
  }

  readArchive(executorTaskId: string, archive: StoredArchive, signal?: AbortSignal): AsyncIterable<Uint8Array> {
    return this.#download(`${taskPath(executorTaskId)}/archives`, archive, signal)
  }

  async findCache(
    executorTaskId: string,
    key: string,
    { exactOnly }: { readonly exactOnly: boolean },
    signal?: AbortSignal,
  ): Promise<FoundCache | undefined> {
    const options = { query: { key, exactOnly }, signal }
    const answer = await this.#persist('GET', `${taskPath(executorTaskId)}/caches`, options)
    return (answer as { readonly found?: FoundCache }).found
  }

  readCache(executorTaskId: string, cache: FoundCache, signal?: AbortSignal): AsyncIterable<Uint8Array> {
    return this.#download(`${taskPath(executorTaskId)}/caches/data`, cache, signal)
  }

  async saveCache(
    executorTaskId: string,
    key: string,
    data: AsyncIterable<Uint8Array>,
    signal?: AbortSignal,
  ): Promise<'stored' | 'exists'> {
    const uploaded = await this.#upload(executorTaskId, data, signal)
    const options = { query: { key }, json: uploaded, signal }
    const answer = await this.#persist('POST', `${taskPath(executorTaskId)}/caches`, options)
    return (answer as { readonly answer: 'stored' | 'exists' }).answer
  }

  [Symbol.dispose](): void {
    this.#live[Symbol.dispose]()
    this.#connection[Symbol.dispose]()
  }

  /** Parts one after another; the next one is packed while one is on its way. */
  async #upload(executorTaskId: string, data: AsyncIterable<Uint8Array>, signal: AbortSignal | undefined) {
    const path = `${taskPath(executorTaskId)}/uploads`
    const { uploadId, partBytes } = (await this.#persist('POST', path, { signal })) as BegunUpload
    const hash = createHash('sha256')
    let [parts, sizeBytes] = [0, 0]
    let sending: Promise<unknown> = Promise.resolve()
    try {
      for await (const part of partsOf(data, partBytes)) {
        hash.update(part)
        sizeBytes += part.length
        await sending
        sending = this.#persist('PUT', `${path}/${uploadId}/${parts++}`, {
          bytes: part,
          headers: { 'x-slipway-sha256': createHash('sha256').update(part).digest('hex') },
          signal,
          timeoutMs: uploadMsMax,
        })
        sending.catch(() => undefined) // Heard of above, or below.
      }
    } finally {
      await sending
    }
    return { uploadId, parts, sizeBytes, sha256: hash.digest('hex') }
  }

  /** The bytes of an archive, verified; a connection that breaks is taken up again where it broke. */
  async *#download(
    path: string,
    { object, sizeBytes, sha256 }: StoredArchive,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<Uint8Array, void, undefined> {
    const hash = createHash('sha256')
    let from = 0
    for (let attempt = 0; from < sizeBytes || attempt === 0; attempt++) {
      const response = await this.#again(() => this.#open('GET', path, { query: { object, from }, signal }), signal)
      try {
        for await (const chunk of response as AsyncIterable<Uint8Array>) {
          hash.update(chunk)
          from += chunk.length
          attempt = 0
          yield chunk
        }
        if (from < sizeBytes) throw corrupt(object)
      } catch (error) {
        signal?.throwIfAborted()
        if (isSlipwayError(error)) throw error
        this.#components.logger.warn('download cut', { path, from, error })
        await this.#pause(attempt, signal)
      } finally {
        response.destroy()
      }
    }
    if (from !== sizeBytes || hash.digest('hex') !== sha256) throw corrupt(object)
  }

  async #persist(method: string, path: string, options: CallOptions): Promise<unknown> {
    return await this.#again(() => this.#call(method, path, options), options.signal)
  }

  /** Until it is answered by more than "not now". */
  async #again<T>(act: () => Promise<T>, signal: AbortSignal | undefined): Promise<T> {
    for (let attempt = 0; ; attempt++) {
      try {
        return await act()
      } catch (error) {
        signal?.throwIfAborted()
        if (!isSlipwayError(error) || error.kind !== 'unavailable') throw error
        this.#components.logger.warn('server not available', { error })
        await this.#pause(attempt, signal)
      }
    }
  }

  async #pause(attempt: number, signal: AbortSignal | undefined): Promise<void> {
    const { clock, random = Math.random } = this.#components
    await clock.sleep(Math.min(retryMsMin * 2 ** attempt, retryMsMax) * (0.5 + random() / 2), signal)
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

/** Chunks of any size as parts of one. */
async function* partsOf(data: AsyncIterable<Uint8Array>, partBytes: number): AsyncGenerator<Buffer> {
  let part: Uint8Array[] = []
  let size = 0
  for await (let chunk of data) {
    while (size + chunk.length >= partBytes) {
      const taken = partBytes - size
      yield Buffer.concat([...part, chunk.subarray(0, taken)])
      chunk = chunk.subarray(taken)
      part = []
      size = 0
    }
    if (chunk.length === 0) continue
    part.push(Buffer.from(chunk)) // A reader may use its buffer again.
    size += chunk.length
  }
  if (size > 0) yield Buffer.concat(part)
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

function corrupt(object: string): SlipwayError {
  return new SlipwayError('object_corrupt', `${object} is not what was stored`)
}
