// The logs of one task: what steps print and what we say about them, masked, in frames, stored by the runservice. Raw output
// is the pod's until it is stored; then the pod may forget it.

import type { Clock } from '../lib/clock.ts'
import { isSlipwayError } from '../lib/errors.ts'
import { limits } from '../lib/limits.ts'
import type { Logger } from '../lib/log.ts'
import type { ExecutorApi, LogName, LogPosition, Order } from '../runservice/executor-api.ts'
import { createLogWriter, type LogWriter } from '../runservice/logs/log-writer.ts'
import type { PrintedSecret } from '../runservice/types.ts'
import type { Masking } from './masking/masker.ts'
import type { StepLog } from './steps/step-context.ts'

const retryMsMin = 100
const retryMsMax = 10_000

export type TaskLogsComponents = {
  readonly api: Pick<ExecutorApi, 'logPosition' | 'storeFrame' | 'offerLive' | 'finishLog'>
  readonly masking: Masking
  readonly clock: Clock
  readonly logger: Logger
  /** Aborted when this executor has nothing to do with the task any more. */
  readonly signal: AbortSignal
}

export interface OpenStepLog extends StepLog, AsyncDisposable {
  /** True when a predecessor stored a part of it, but not its end. */
  readonly isContinued: boolean
  /** Whole lines that a predecessor stored. */
  readonly storedLines: number
  /** Stores what is left and completes the log. */
  finish(): Promise<void>
}

export class TaskLogs {
  readonly #order: Order
  readonly #components: TaskLogsComponents
  readonly #printed: PrintedSecret[] = []

  constructor(order: Order, components: TaskLogsComponents) {
    this.#order = order
    this.#components = components
  }

  /** Opens a log; one that an executor before us began is continued where it is stored. */
  async open(name: LogName, options: { readonly isResumed: boolean }): Promise<OpenStepLog> {
    const { executorTaskId } = this.#order
    const { api, masking, signal } = this.#components
    const position = options.isResumed
      ? await this.#retry(() => api.logPosition(executorTaskId, name, signal))
      : emptyLog
    const stored: { listener: (rawOffset: number) => void } = { listener: () => {} }
    const writer = createLogWriter({
      masker: masking.createMasker(),
      clock: this.#components.clock,
      position,
      store: (frame) => this.#retry(() => api.storeFrame(executorTaskId, name, frame, signal)),
      onLive: (firstByte, bytes) => api.offerLive(executorTaskId, name, firstByte, bytes),
      onReleased: (rawBytes) => stored.listener(rawBytes),
      onSecretPrinted: ({ secret, line }) => this.#notePrinted(secret, name, line),
    })
    return new WriterLog({
      position,
      writer,
      stored,
      maskText: masking.maskText,
      complete: () => this.#retry(() => api.finishLog(executorTaskId, name, signal)),
    })
  }

  /** Secrets that stood in what was printed, as far as it is stored or on its way. */
  get printedSecrets(): readonly PrintedSecret[] {
    return this.#printed
  }

  #notePrinted(index: number, log: LogName, line: number): void {
    const secret = this.#order.secrets[index]
    if (secret !== undefined && this.#printed.length < limits.printedSecretsPerTask.value)
      this.#printed.push({ secret: secret.name, log, line })
  }

  /** Storage that is away comes back: a step is slowed meanwhile, and nothing is lost. */
  async #retry<T>(action: () => Promise<T>): Promise<T> {
    const { clock, logger, signal } = this.#components
    for (let waitMs = retryMsMin; ; waitMs = Math.min(waitMs * 2, retryMsMax)) {
      try {
        return await action()
      } catch (error) {
        if (isSlipwayError(error) && error.kind !== 'unavailable') throw error
        logger.warn('log not stored', { executorTaskId: this.#order.executorTaskId, error })
        await clock.sleep(waitMs, signal)
      }
    }
  }
}

const emptyLog: LogPosition = { bytes: 0, lines: 0, rawBytes: 0, complete: false }

type WriterLogParts = {
  readonly position: LogPosition
  readonly writer: LogWriter
  readonly stored: { listener: (rawOffset: number) => void }
  readonly maskText: (text: string) => string
  readonly complete: () => Promise<void>
}

class WriterLog implements OpenStepLog {
  readonly rawOffset: number
  readonly isContinued: boolean
  readonly storedLines: number
  readonly #parts: WriterLogParts
  readonly #isComplete: boolean
  /** Writes are one after another, whoever they come from. */
  #last: Promise<void> = Promise.resolve()

  constructor(parts: WriterLogParts) {
    const { rawBytes, bytes, complete } = parts.position
    this.rawOffset = rawBytes
    this.isContinued = bytes > 0 && !complete
    this.storedLines = parts.position.lines
    this.#isComplete = complete
    this.#parts = parts
  }

  line(text: string): void {
    const { writer, maskText } = this.#parts
    // A failure is heard of by the next write, or by finish.
    this.#write(() => writer.note(maskText(text))).catch(() => undefined)
  }

  write(chunk: Uint8Array): Promise<void> {
    return this.#write(() => this.#parts.writer.write(chunk))
  }

  onStored(listener: (rawOffset: number) => void): void {
    this.#parts.stored.listener = listener
  }

  async finish(): Promise<void> {
    await this.#last
    if (this.#isComplete) return
    const { complete } = await this.#parts.writer.end()
    if (!complete) await this.#parts.complete()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#parts.writer[Symbol.asyncDispose]()
  }

  #write(act: () => Promise<void>): Promise<void> {
    if (this.#isComplete) return Promise.resolve()
    this.#last = this.#last.then(act)
    return this.#last
  }
}
