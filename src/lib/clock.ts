// Time as something injected, so that tests and simulations own it.

/** Milliseconds since 1970-01-01T00:00:00Z. */
export type Timestamp = number

export interface Clock {
  /** Wall clock time. */
  now(): Timestamp
  /** Resolves after `ms`, or rejects with the reason of `signal` as soon as that is aborted. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>
  /** A signal that is aborted with a TimeoutError after `ms`. */
  timeout(ms: number): AbortSignal
}

export const systemClock: Clock = {
  now: () => Date.now(),
  sleep: (ms, signal) =>
    new Promise((resolve, reject) => {
      if (signal?.aborted) return reject(signal.reason)
      const timer = setTimeout(() => {
        signal?.removeEventListener('abort', onAbort)
        resolve()
      }, ms)
      const onAbort = () => {
        clearTimeout(timer)
        reject(signal?.reason)
      }
      signal?.addEventListener('abort', onAbort, { once: true })
    }),
  timeout: (ms) => AbortSignal.timeout(ms),
}
