// Why a task is ended from outside: the reason with which its signal is aborted.

/** `shutdown` is a planned stop of the executor: pod, spool and journal stay for its successor. */
export type EndRequest = 'stop' | 'gone' | 'shutdown' | 'timeout'

export class TaskEnding extends Error {
  readonly request: EndRequest

  constructor(request: EndRequest) {
    super(`task ended: ${request}`)
    this.name = 'TaskEnding'
    this.request = request
  }
}

/** What was asked, or undefined while the task may go on. */
export function endRequestOf(signal: AbortSignal): EndRequest | undefined {
  return signal.aborted && signal.reason instanceof TaskEnding ? signal.reason.request : undefined
}
