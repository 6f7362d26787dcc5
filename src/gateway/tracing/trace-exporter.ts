// Sends the traces of runs that end to a collector. A collector that does not answer is tried again a few times; what cannot be sent is
// dropped and said so: traces are for looking at, and nothing waits for them. Several instances send the same spans with the same
// ids.

import type { Clock } from '../../lib/clock.ts'
import { errorMessage } from '../../lib/errors.ts'
import { limits } from '../../lib/limits.ts'
import type { Logger } from '../../lib/log.ts'
import type { Runservice } from '../../runservice/api.ts'
import { isFinishedRun } from '../../runservice/types.ts'
import { encodeSpans } from './otlp.ts'
import { runSpans, type Span } from './run-spans.ts'

export type TraceExporterSettings = {
  /** `http://collector:4318`: spans go to `/v1/traces` below it. */
  readonly endpoint: string
  readonly version: string
}

export type TraceExporterComponents = {
  readonly runservice: Pick<Runservice, 'watchChanges' | 'loadRun'>
  readonly clock: Clock
  readonly logger: Logger
  /** For tests. */
  readonly fetch?: typeof fetch
}

/** Between two attempts, and after a failure of the runservice. */
const retryMs = 1000

export class TraceExporter {
  readonly #settings: TraceExporterSettings
  readonly #components: TraceExporterComponents
  /** Ids of ended runs, in order. */
  readonly #waiting = new Set<string>()
  #added = Promise.withResolvers<void>()

  constructor(settings: TraceExporterSettings, components: TraceExporterComponents) {
    this.#settings = settings
    this.#components = components
  }

  /** Sends what ends from now on, until `signal` is aborted. */
  async run(signal: AbortSignal): Promise<void> {
    await Promise.all([this.#collect(signal), this.#sendAll(signal)])
  }

  async #collect(signal: AbortSignal): Promise<void> {
    const { runservice, clock, logger } = this.#components
    while (!signal.aborted) {
      try {
        for await (const { runs } of runservice.watchChanges(undefined, signal))
          for (const run of runs) if (isFinishedRun(run.phase) && run.endedAt !== undefined) this.#add(run.id)
      } catch (error) {
        if (signal.aborted) break
        logger.warn('traces cannot follow runs; trying again', { error })
        await clock.sleep(retryMs, signal).catch(() => undefined)
      }
    }
    this.#added.resolve()
  }

  #add(runId: string): void {
    if (this.#waiting.size >= limits.tracesWaiting.value) {
      this.#components.logger.warn('a trace is dropped: too many wait for the collector', { runId })
      return
    }
    this.#waiting.add(runId)
    this.#added.resolve()
  }

  async #sendAll(signal: AbortSignal): Promise<void> {
    const { runservice, logger } = this.#components
    while (!signal.aborted) {
      const [runId] = this.#waiting
      if (runId === undefined) {
        await this.#added.promise
        this.#added = Promise.withResolvers()
        continue
      }
      try {
        const view = await runservice.loadRun(runId)
        await this.#send(view === undefined ? [] : runSpans(view), signal)
      } catch (error) {
        if (!signal.aborted) logger.warn('a trace is dropped: the collector does not take it', { runId, error })
      }
      this.#waiting.delete(runId)
    }
  }

  async #send(spans: readonly Span[], signal: AbortSignal): Promise<void> {
    if (spans.length === 0) return
    const { clock, fetch: send = fetch } = this.#components
    const { endpoint, version } = this.#settings
    const body = JSON.stringify(encodeSpans(spans, { version }))
    for (let attempt = 1; ; attempt++) {
      let failure: string
      try {
        const response = await send(`${endpoint.replace(/\/$/, '')}/v1/traces`, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body,
          signal: AbortSignal.any([signal, clock.timeout(limits.traceSendMs.value)]),
        })
        await response.body?.cancel()
        if (response.ok) return
        failure = `it answered with status ${response.status}`
        // Sent again it would be refused again.
        if (response.status < 500 && response.status !== 429) throw new Error(failure)
      } catch (error) {
        if (signal.aborted || (error instanceof Error && error.message.startsWith('it answered'))) throw error
        failure = errorMessage(error)
      }
      if (attempt >= limits.traceAttempts.value) throw new Error(failure)
      await clock.sleep(retryMs * attempt, signal)
    }
  }
}
