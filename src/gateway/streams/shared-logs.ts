// Logs that are followed: all followers of one log in this process share one reader of it. What it read last is kept, up to
// `limits.followedLogBytes`; who is behind that reads for himself until he has caught up. Nobody waits for a slower one.

import { limits } from '../../lib/limits.ts'
import type { LogName } from '../../runservice/executor-api.ts'

/** What is read from; a part of the runservice. */
export type LogSource = {
  /** From that byte on, then what is added until the log is complete. */
  followLog(runTaskId: string, log: LogName, fromByte: number, signal: AbortSignal): AsyncIterable<Uint8Array>
}

/** The next one begins where it ends. */
export type LogPart = { readonly firstByte: number; readonly bytes: Uint8Array }

export class SharedLogs {
  readonly #source: LogSource
  readonly #logs = new Map<string, SharedLog>()

  constructor(source: LogSource) {
    this.#source = source
  }

  /** Every byte from `fromByte` on, once and in order; ends when the log is complete, throws when `signal` is aborted. */
  async *follow(
    log: { readonly runTaskId: string; readonly log: LogName },
    fromByte: number,
    signal: AbortSignal,
  ): AsyncGenerator<LogPart, void, undefined> {
    const key = `${log.runTaskId}/${log.log}`
    const open = (at: number, until: AbortSignal) => this.#source.followLog(log.runTaskId, log.log, at, until)
    let shared = this.#logs.get(key)
    if (shared === undefined) {
      shared = new SharedLog(fromByte, open)
      this.#logs.set(key, shared)
    }
    shared.join()
    try {
      for (let at = fromByte; ; ) {
        const part = at < shared.firstByte ? undefined : await shared.next(at, signal)
        if (part === 'end') return
        if (part !== undefined) {
          yield part
          at = part.firstByte + part.bytes.length
          continue
        }
        for await (const missed of this.#readAlone(open, at, { shared, signal })) {
          yield missed
          at = missed.firstByte + missed.bytes.length
        }
        if (at < shared.firstByte) return
      }
    } finally {
      if (shared.leave() && this.#logs.get(key) === shared) this.#logs.delete(key)
    }
  }

  /** Until the shared part begins, or the log ends before it. */
  async *#readAlone(
    open: (at: number, until: AbortSignal) => AsyncIterable<Uint8Array>,
    from: number,
    { shared, signal }: { readonly shared: SharedLog; readonly signal: AbortSignal },
  ): AsyncGenerator<LogPart, void, undefined> {
    const enough = new AbortController()
    let at = from
    try {
      for await (const bytes of open(at, AbortSignal.any([signal, enough.signal]))) {
        yield { firstByte: at, bytes }
        at += bytes.length
        if (at >= shared.firstByte) return
      }
    } finally {
      enough.abort()
    }
  }
}

class SharedLog {
  /** Of what is kept. */
  firstByte: number
  readonly #parts: LogPart[] = []
  #keptBytes = 0
  #end: number
  #state: 'reading' | 'ended' | { readonly error: unknown } = 'reading'
  #followers = 0
  #changed = Promise.withResolvers<void>()
  #pulling = false
  readonly #stop = new AbortController()
  readonly #iterator: AsyncIterator<Uint8Array>

  constructor(fromByte: number, open: (at: number, until: AbortSignal) => AsyncIterable<Uint8Array>) {
    this.firstByte = fromByte
    this.#end = fromByte
    this.#iterator = open(fromByte, this.#stop.signal)[Symbol.asyncIterator]()
  }

  join(): void {
    this.#followers += 1
  }

  /** True when nobody is left: it has stopped reading then. */
  leave(): boolean {
    this.#followers -= 1
    if (this.#followers > 0) return false
    this.#stop.abort()
    return true
  }

  /** What is kept from that byte on, waiting for it; undefined when it is not kept any more. */
  async next(at: number, signal: AbortSignal): Promise<LogPart | 'end' | undefined> {
    for (;;) {
      signal.throwIfAborted()
      if (at < this.firstByte) return undefined
      if (at < this.#end) return this.#partAt(at)
      if (this.#state === 'ended') return 'end'
      if (this.#state !== 'reading') throw this.#state.error
      // Read as fast as the fastest follower wants, not faster.
      void this.#pull()
      await untilAborted(this.#changed.promise, signal)
    }
  }

  #partAt(at: number): LogPart {
    const part = this.#parts.findLast(({ firstByte }) => firstByte <= at)!
    return at === part.firstByte ? part : { firstByte: at, bytes: part.bytes.subarray(at - part.firstByte) }
  }

  async #pull(): Promise<void> {
    if (this.#pulling) return
    this.#pulling = true
    try {
      const { done, value } = await this.#iterator.next()
      if (done) this.#state = 'ended'
      else this.#keep(value)
    } catch (error) {
      this.#state = { error }
    }
    this.#pulling = false
    this.#changed.resolve()
    this.#changed = Promise.withResolvers()
  }

  #keep(bytes: Uint8Array): void {
    if (bytes.length === 0) return
    this.#parts.push({ firstByte: this.#end, bytes })
    this.#end += bytes.length
    this.#keptBytes += bytes.length
    while (this.#parts.length > 1 && this.#keptBytes > limits.followedLogBytes.value) {
      this.#keptBytes -= this.#parts.shift()!.bytes.length
      this.firstByte = this.#parts[0]!.firstByte
    }
  }
}

/** Rejects with the signal's reason as soon as it is aborted. */
async function untilAborted(promise: Promise<void>, signal: AbortSignal): Promise<void> {
  let onAbort: (() => void) | undefined
  const aborted = new Promise<never>((_, reject) => {
    onAbort = () => reject(signal.reason)
    signal.addEventListener('abort', onAbort, { once: true })
  })
  try {
    await Promise.race([promise, aborted])
  } finally {
    if (onAbort !== undefined) signal.removeEventListener('abort', onAbort)
  }
}
