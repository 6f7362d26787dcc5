// Bytes of open log frames, sent ahead for followers: one request of a log at a time, what comes meanwhile is sent together,
// and what is too much or cannot be sent is left out, because all of it is stored a moment later anyway.

import type { Clock } from '../../lib/clock.ts'
import { limits } from '../../lib/limits.ts'
import type { LogName } from '../../runservice/executor-api.ts'

export type LiveTarget = { readonly executorTaskId: string; readonly log: LogName }
export type SendLive = (target: LiveTarget, firstByte: number, bytes: Uint8Array) => Promise<void>

type Waiting = { firstByte: number; sizeBytes: number; chunks: Uint8Array[] }

/** After a failure nothing is sent for so long. */
const pauseMs = 1000

export class LiveSender implements Disposable {
  readonly #send: SendLive
  readonly #clock: Clock
  readonly #closing = new AbortController()
  /** Logs that are being sent, with what waits. */
  readonly #logs = new Map<string, { waiting: Waiting | undefined }>()

  constructor(send: SendLive, clock: Clock) {
    this.#send = send
    this.#clock = clock
  }

  offer(target: LiveTarget, firstByte: number, bytes: Uint8Array): void {
    if (this.#closing.signal.aborted) return
    const key = `${target.executorTaskId}/${target.log}`
    const log = this.#logs.get(key) ?? { waiting: undefined }
    log.waiting = joined(log.waiting, firstByte, bytes)
    if (this.#logs.has(key)) return
    this.#logs.set(key, log)
    void this.#sendAll(key, target, log)
  }

  [Symbol.dispose](): void {
    this.#closing.abort()
  }

  async #sendAll(key: string, target: LiveTarget, log: { waiting: Waiting | undefined }): Promise<void> {
    while (log.waiting !== undefined && !this.#closing.signal.aborted) {
      const { firstByte, chunks } = log.waiting
      log.waiting = undefined
      try {
        await this.#send(target, firstByte, Buffer.concat(chunks))
      } catch {
        // Followers read it when it is stored.
        await this.#clock.sleep(pauseMs, this.#closing.signal).catch(() => undefined)
      }
    }
    this.#logs.delete(key)
  }
}

/** What waits with what was offered after it; anything but its continuation, or too much, begins anew. The bytes are copied. */
function joined(waiting: Waiting | undefined, firstByte: number, bytes: Uint8Array): Waiting | undefined {
  if (bytes.length > limits.liveBytes.value) return undefined
  const isNext = waiting !== undefined && waiting.firstByte + waiting.sizeBytes === firstByte
  const copy = Buffer.from(bytes)
  if (!isNext || waiting.sizeBytes + bytes.length > limits.liveBytes.value)
    return { firstByte, sizeBytes: bytes.length, chunks: [copy] }
  waiting.chunks.push(copy)
  waiting.sizeBytes += bytes.length
  return waiting
}
