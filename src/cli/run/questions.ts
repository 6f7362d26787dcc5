// Asks the person at the terminal, one question at a time.

import type { Io } from '../io.ts'
import { AnswerReader } from './answer-reader.ts'
import type { RunEventSink } from './run-event.ts'

export class Questions implements Disposable {
  readonly #io: Pick<Io, 'stderr'>
  readonly #output: RunEventSink
  readonly #answers: AnswerReader
  #before: Promise<unknown> = Promise.resolve()

  constructor(io: Pick<Io, 'stdin' | 'stderr'>, output: RunEventSink) {
    this.#io = io
    this.#output = output
    this.#answers = new AnswerReader(io.stdin)
  }

  /** The answer; undefined at the end of input, or when `signal` is aborted. */
  ask(question: string, signal: AbortSignal): Promise<string | undefined> {
    const asked = this.#before.then(async () => {
      if (signal.aborted) return undefined
      const read = () => this.#answers.read(signal)
      if (this.#output.ask !== undefined) return await this.#output.ask(question, read)
      this.#io.stderr.write(question)
      return await read()
    })
    this.#before = asked.catch(() => {})
    return asked
  }

  [Symbol.dispose](): void {
    this.#answers[Symbol.dispose]()
  }
}

export function isYes(answer: string | undefined): boolean {
  return answer !== undefined && /^y(es)?$/i.test(answer.trim())
}
