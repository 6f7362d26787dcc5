// Wakes those who wait for something that may have happened.

export class Wakeups {
  readonly #waiting = new Set<() => void>()

  wake(): void {
    const waiting = [...this.#waiting]
    this.#waiting.clear()
    for (const resolve of waiting) resolve()
  }

  /** Resolves when `isTrue` holds, asked now and after each wake; rejects with the reason of `signal` when that is aborted. */
  async until(isTrue: () => boolean | Promise<boolean>, signal: AbortSignal): Promise<void> {
    for (;;) {
      signal.throwIfAborted()
      // Registered before asking, so that a wake in between is not missed.
      const { promise, resolve, reject } = Promise.withResolvers<void>()
      const onAbort = () => reject(signal.reason)
      this.#waiting.add(resolve)
      signal.addEventListener('abort', onAbort, { once: true })
      promise.catch(() => undefined) // awaited below, unless isTrue holds first
      try {
        if (await isTrue()) return
        await promise
      } finally {
        this.#waiting.delete(resolve)
        signal.removeEventListener('abort', onAbort)
      }
    }
  }
}
