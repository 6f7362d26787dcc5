// What Ctrl-C means while runs of a server are followed: somebody at a terminal is asked whether to stop them; a second one stops them
// without a question and leaves at once. Other signals, and Ctrl-C without a terminal, stop them, and a second one leaves.

import { setTimeout as sleep } from 'node:timers/promises'
import { SlipwayError } from '../../lib/errors.ts'
import { exitStatus } from '../exit-status.ts'
import type { Io } from '../io.ts'
import { isYes, type Questions } from '../run/questions.ts'
import type { RunEventSink } from '../run/run-event.ts'

/** Leaving at once waits so long for the server to take the stop. */
const leaveMsMax = 2_000

export type ServerInterruptsComponents = {
  readonly io: Io
  readonly output: Pick<RunEventSink, 'write'>
  readonly questions: Questions
}

export class ServerInterrupts implements Disposable {
  readonly #components: ServerInterruptsComponents
  readonly #stopping = new AbortController()
  readonly #listening: Disposable
  /** Undefined before there are runs. */
  #stopAll: (() => Promise<void>) | undefined
  #asking: AbortController | undefined
  #isLeaving = false

  constructor(components: ServerInterruptsComponents) {
    this.#components = components
    this.#listening = components.io.onInterrupt((name) => this.#interrupt(name))
  }

  /** Aborted when runs are to be stopped, or nothing more is to be begun. */
  get signal(): AbortSignal {
    return this.#stopping.signal
  }

  /** Somebody is being asked. */
  get isAsking(): boolean {
    return this.#asking !== undefined
  }

  /** From now on there are runs, which `stopAll` stops. */
  hasRuns(stopAll: () => Promise<void>): void {
    this.#stopAll = stopAll
  }

  [Symbol.dispose](): void {
    this.#listening[Symbol.dispose]()
  }

  #interrupt(name: string): void {
    const { io } = this.#components
    if (this.#isLeaving || (this.signal.aborted && this.#stopAll === undefined)) io.exit(exitStatus.stopped)
    const isSecond = this.signal.aborted || this.#asking !== undefined
    if (isSecond) this.#leave()
    else if (this.#stopAll === undefined) this.#stop('Stopping; interrupt again to leave at once')
    else if (name === 'SIGINT' && io.stdin.isTTY && io.stdout.isTTY) void this.#ask()
    else this.#stop('Stopping the runs on the server; interrupt again to leave at once')
  }

  async #ask(): Promise<void> {
    this.#asking = new AbortController()
    const { questions } = this.#components
    const question = 'Stop the runs on the server? They go on otherwise. (Ctrl-C: stop and leave) [y/N] '
    const answer = await questions.ask(question, this.#asking.signal).catch(() => undefined)
    this.#asking = undefined
    if (isYes(answer)) this.#stop('Stopping the runs on the server; interrupt again to leave at once')
  }

  #stop(message: string): void {
    void this.#components.output.write({ type: 'notice', message })
    this.#stopping.abort(new SlipwayError('cancelled', 'stopped before anything was started'))
  }

  #leave(): void {
    this.#isLeaving = true
    this.#asking?.abort()
    const stopped = this.#stopAll?.().catch(() => {})
    void Promise.race([stopped, sleep(leaveMsMax)]).then(() => this.#components.io.exit(exitStatus.stopped))
  }
}
