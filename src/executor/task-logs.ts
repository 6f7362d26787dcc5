// The logs of one task: what steps print and what we say about them, masked, in frames, stored by the runservice. Raw output
// is the pod's until it is stored; then the pod may forget it.

import type { Clock } from '../lib/clock.ts'
import { isSlipwayError } from '../lib/errors.ts'
import type { ExecutorApi, LogName, LogPosition, Order } from '../runservice/executor-api.ts'
import { createLogWriter, type LogWriter } from '../runservice/logs/log-writer.ts'
import { createMasker } from './masking/masker.ts'
import type { StepLog } from './steps/step-context.ts'

const retryMsMin = 100
const retryMsMax = 10_000

export type TaskLogsComponents = {
  readonly api: Pick<ExecutorApi, 'logPosition' | 'storeFrame' | 'offerLive' | 'finishLog'>
  readonly clock: Clock
  /** Aborted when this executor has nothing to do with the task any more. */
  readonly signal: AbortSignal
}

export interface OpenStepLog extends StepLog, AsyncDisposable {
  /** Stores what is left and completes the log. */
  finish(): Promise<void>
}

export class TaskLogs {
  readonly #order: Order
  readonly #components: TaskLogsComponents

  constructor(order: Order, components: TaskLogsComponents) {
    this.#order = order
    this.#components = components
  }

  /** Opens a log; one that an executor before us began is continued where it is stored. */
  async open(name: LogName, options: { readonly isResumed: boolean }): Promise<OpenStepLog> {
    const { executorTaskId, secrets } = this.#order
    const { api, signal } = this.#components
    const position = options.isResumed
      ? await this.#retry(() => api.logPosition(executorTaskId, name, signal))
      : emptyLog
    const stored: { listener: (rawOffset: number) => void } = { listener: () => {} }
    const writer = createLogWriter({
      masker: createMasker(secrets),
      clock: this.#components.clock,
      position,
      store: (frame) => this.#retry(() => api.storeFrame(executorTaskId, name, frame, signal)),
      onLive: (firstByte, bytes) => api.offerLive(executorTaskId, name, firstByte, bytes),
      onReleased: (rawBytes) => stored.listener(rawBytes),
    })
    return new WriterLog(position, writer, stored, () => this.#retry(() => api.finishLog(executorTaskId, name, signal)))
  }

  /** Storage that is away comes back: a step is slowed meanwhile, and nothing is lost. */
  async #retry<T>(action: () => Promise<T>): Promise<T> {
    const { clock, signal } = this.#components
    for (let waitMs = retryMsMin; ; waitMs = Math.min(waitMs * 2, retryMsMax)) {
      try {
        return await action()
      } catch (error) {
        if (isSlipwayError(error) && error.kind !== 'unavailable') throw error
        await clock.sleep(waitMs, signal)
      }
    }
  }
}

const emptyLog: LogPosition = { bytes: 0, lines: 0, rawBytes: 0, complete: false }

class WriterLog implements OpenStepLog {
  readonly rawOffset: number
  readonly #writer: LogWriter
  readonly #stored: { listener: (rawOffset: number) => void }
  readonly #complete: () => Promise<void>
  readonly #isComplete: boolean
  /** Writes are one after another, whoever they come from. */
  #last: Promise<void> = Promise.resolve()

  constructor(
    position: LogPosition,
    writer: LogWriter,
    stored: { listener: (rawOffset: number) => void },
    complete: () => Promise<void>,
  ) {
    this.rawOffset = position.rawBytes
    this.#isComplete = position.complete
    this.#writer = writer
    this.#stored = stored
    this.#complete = complete
  }

  line(text: string): void {
    // A failure is heard of by the next write, or by finish.
    this.write(Buffer.from(`${text}\n`)).catch(() => undefined)
  }

  write(chunk: Uint8Array): Promise<void> {
    if (this.#isComplete) return Promise.resolve()
    this.#last = this.#last.then(() => this.#writer.write(chunk))
    return this.#last
  }

  onStored(listener: (rawOffset: number) => void): void {
    this.#stored.listener = listener
  }

  async finish(): Promise<void> {
    await this.#last
    if (this.#isComplete) return
    await this.#writer.end()
    await this.#complete()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#writer[Symbol.asyncDispose]()
  }
}
