// Why a task is ended from outside.

/** `shutdown` is a planned stop of the executor: pod, spool and journal stay for its successor. */
export type EndRequest = 'stop' | 'gone' | 'shutdown' | 'timeout'

/** The reason with which a task's signals are aborted. */
export class TaskEnding extends Error {
  readonly request: EndRequest

  constructor(request: EndRequest) {
    super(`task ended: ${request}`)
    this.name = 'TaskEnding'
    this.request = request
  }
}

/** What is asked of one task. A task that is being stopped can still be left: its reports need not be waited for. */
export class TaskRequests {
  readonly #ending = new AbortController()
  readonly #leaving = new AbortController()

  /** Aborted when the running step must end, for the first reason there was. */
  get ending(): AbortSignal {
    return this.#ending.signal
  }

  /** Aborted by `shutdown` and `gone`: this executor has nothing to do with the task any more. */
  get leaving(): AbortSignal {
    return this.#leaving.signal
  }

  request(request: EndRequest): void {
    const reason = new TaskEnding(request)
    if (request === 'shutdown' || request === 'gone') this.#leaving.abort(reason)
    this.#ending.abort(reason)
  }
}

/** What was asked first, or undefined while the task may go on. */
export function endRequestOf(signal: AbortSignal): EndRequest | undefined {
  return signal.aborted && signal.reason instanceof TaskEnding ? signal.reason.request : undefined
}
