// Answers to what is asked again and again while nothing changes, such as whose a token is. A read is a function of the state of
// its database, and the position names that state: an answer holds as long as the position is the same, and no longer.

import type { Database, Schema, ViewTransaction } from './database.ts'

export class ReadsAtPosition<S extends Schema> {
  readonly #database: Pick<Database<S>, 'position' | 'view'>
  readonly #answersMax: number
  readonly #answers = new Map<string, unknown>()
  #position: number | undefined

  /** Beyond `answersMax` all are forgotten: who asks so many different questions while nothing changes gains nothing here. */
  constructor(database: Pick<Database<S>, 'position' | 'view'>, options: { readonly answersMax: number }) {
    this.#database = database
    this.#answersMax = options.answersMax
  }

  /**
   * As `view`. `question` names everything but the rows that the answer depends on; many share the answer, so it is plain data,
   * and frozen. What `read` throws is not remembered.
   */
  ask<T>(question: string, read: (tx: ViewTransaction<S>) => T): T {
    // Within a view also when the answer is known: a database that is closed or behind must not answer.
    return this.#database.view((tx) => {
      const { position } = this.#database
      if (position !== this.#position || this.#answers.size >= this.#answersMax) {
        this.#answers.clear()
        this.#position = position
      }
      if (this.#answers.has(question)) return this.#answers.get(question) as T // what `read` gave for this question
      const answer = frozen(read(tx))
      this.#answers.set(question, answer)
      return answer
    })
  }
}

function frozen<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value
  for (const member of Object.values(value)) frozen(member)
  return Object.freeze(value)
}
