// A question that many ask at once, such as where a log ends, is asked once for all of them.

/** Each answer is as of a moment after it was asked for. */
export class SharedQuestion<T> {
  readonly #ask: () => Promise<T>
  #asked: Promise<T> | undefined
  #next: Promise<T> | undefined

  constructor(ask: () => Promise<T>) {
    this.#ask = ask
  }

  /** Who comes while the question is being asked shares the next one: the answer under way may be older than what they did before. */
  async answer(): Promise<T> {
    if (this.#asked === undefined) return await this.#askNow()
    this.#next ??= this.#askAfter(this.#asked)
    return await this.#next
  }

  async #askAfter(asked: Promise<T>): Promise<T> {
    await asked.catch(() => undefined) // Told to those who asked.
    this.#next = undefined
    return await this.#askNow()
  }

  async #askNow(): Promise<T> {
    const asked = this.#ask()
    this.#asked = asked
    try {
      return await asked
    } finally {
      if (this.#asked === asked) this.#asked = undefined
    }
  }
}
