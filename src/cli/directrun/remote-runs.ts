// Runs of a server, as following needs them. What breaks on the way is made again where it broke off.

import { setTimeout as sleep } from 'node:timers/promises'
import { type ApiClient, ApiError } from '../../contract/client.ts'
import type { EventOf } from '../../contract/route.ts'
import type { ApiRoutes } from '../../contract/routes.ts'
import { isSlipwayError, SlipwayError } from '../../lib/errors.ts'
import type { LogName } from '../../runservice/executor-api.ts'
import type { Reason } from '../../runservice/reasons.ts'
import type { TaskStep } from '../../runservice/types.ts'
import type { FollowedRun, RunSource } from '../run/followed-run.ts'

type ApiRun = Extract<EventOf<ApiRoutes['watchRun']>, { readonly event: 'run' }>['data']
type ApiTask = ApiRun['tasks'][number]
type ApiStep = NonNullable<ApiTask['setupStep']>

const retryMsMin = 250
const retryMsMax = 10_000
/** Some minutes: a server that is started anew is there again by then. */
const attemptsMax = 30

export class RemoteRuns implements RunSource {
  readonly #client: ApiClient
  /** Of tasks that were seen. */
  readonly #runOfTask = new Map<string, string>()

  constructor(client: ApiClient) {
    this.#client = client
  }

  async loadRun(runId: string): Promise<FollowedRun | undefined> {
    try {
      return this.#followed(await this.#client.call('getRun', { params: { runId } }))
    } catch (error) {
      if (error instanceof ApiError && error.code === 'run_not_found') return undefined
      throw error
    }
  }

  async *watchRun(runId: string, signal: AbortSignal): AsyncGenerator<FollowedRun> {
    for await (const event of this.#events('watchRun', { params: { runId }, query: { steps: true }, signal })) {
      if (event.event === 'end') return
      yield this.#followed(event.data)
      if (['finished', 'cancelled', 'setuperror'].includes(event.data.phase)) return
    }
  }

  async *followLog(runTaskId: string, log: LogName, fromByte: number, signal: AbortSignal): AsyncGenerator<Uint8Array> {
    const runId = this.#runOfTask.get(runTaskId)
    if (runId === undefined) throw new SlipwayError('run_not_found', `the run of task ${runTaskId} was not looked at`)
    const params = { runId, taskId: runTaskId, log: String(log) }
    const encoder = new TextEncoder()
    try {
      for await (const event of this.#events('followLog', { params, query: { fromByte }, signal })) {
        if (event.event === 'end') return
        yield encoder.encode(event.data.text)
      }
    } catch (error) {
      // It was removed, or its step never began: then there is nothing to tell.
      if (!(error instanceof ApiError && error.code === 'log_not_found')) throw error
    }
  }

  async stopRun(runId: string): Promise<void> {
    await asConflict(() => this.#client.call('stopRun', { params: { runId } }))
  }

  async cancelRun(runId: string): Promise<void> {
    await asConflict(() => this.#client.call('cancelRun', { params: { runId } }))
  }

  async approveTask(runId: string, taskId: string): Promise<void> {
    await asConflict(() => this.#client.call('approveTask', { params: { runId, taskId } }))
  }

  /** Others may come at any time: a task that none of them fits waits. */
  async listExecutors(): Promise<readonly unknown[]> {
    return []
  }

  /** Goes on after the last event that had an id. */
  async *#events<Id extends 'watchRun' | 'followLog'>(
    id: Id,
    input: Parameters<ApiClient['events']>[1] & { readonly signal: AbortSignal },
  ): AsyncGenerator<EventOf<ApiRoutes[Id]>> {
    let lastEventId: string | undefined
    for (let attempt = 0; ; attempt++) {
      try {
        const given = { ...input, ...(lastEventId === undefined ? {} : { lastEventId }) }
        // Which of the two it is, the caller's types say.
        const events: AsyncIterable<{ readonly id?: string }> = this.#client.events(id, given as never)
        for await (const event of events) {
          attempt = 0
          lastEventId = event.id ?? lastEventId
          yield event as EventOf<ApiRoutes[Id]>
        }
      } catch (error) {
        input.signal.throwIfAborted()
        if (!isBroken(error) || attempt >= attemptsMax) throw error
      }
      if (attempt >= attemptsMax) throw new SlipwayError('service_unavailable', 'the server breaks off again and again')
      await sleep(Math.min(retryMsMin * 2 ** attempt, retryMsMax), undefined, { signal: input.signal })
    }
  }

  #followed(run: ApiRun): FollowedRun {
    for (const { id } of run.tasks) this.#runOfTask.set(id, run.id)
    return {
      run: {
        id: run.id,
        name: run.name,
        counter: run.number,
        phase: run.phase,
        result: run.result,
        setupErrors: run.setupErrors,
        enqueuedAt: Date.parse(run.enqueuedAt),
        ...times(run),
        ...reasonOf(run),
        ...(run.restartOf === undefined ? {} : { restartOf: run.restartOf }),
      },
      tasks: run.tasks.map((task) => ({
        task: {
          id: task.id,
          status: task.status,
          waitingApproval: task.isWaitingApproval,
          setupStep: stepOf(task.setupStep),
          steps: (task.steps ?? []).map(stepOf),
          ...times(task),
          ...reasonOf(task),
        },
        config: {
          name: task.name,
          level: task.level,
          steps: (task.steps ?? []).map(({ type, name }) => ({ type, name })),
        },
      })),
    }
  }
}

/** What the server says ends it, unless it says that it cannot answer now. */
function isBroken(error: unknown): boolean {
  if (error instanceof ApiError) return error.status >= 502 || error.status === 429
  // fetch: a connection that is cut is a TypeError.
  return isSlipwayError(error, 'service_unavailable') || error instanceof TypeError
}

function stepOf(step: ApiStep | undefined): TaskStep {
  if (step === undefined) return { phase: 'notstarted' }
  const { phase, exitStatus } = step
  return { phase, ...(exitStatus === undefined ? {} : { exitStatus }), ...times(step), ...reasonOf(step) }
}

function times({ startedAt, endedAt }: { readonly startedAt?: string; readonly endedAt?: string }) {
  return {
    ...(startedAt === undefined ? {} : { startedAt: Date.parse(startedAt) }),
    ...(endedAt === undefined ? {} : { endedAt: Date.parse(endedAt) }),
  }
}

function reasonOf({ reason }: Pick<ApiTask, 'reason'>): { readonly reason?: Reason } {
  if (reason === undefined) return {}
  // The server's facts of a kind are its members here.
  return { reason: { kind: reason.kind, ...reason.facts } as unknown as Reason }
}

/** It ended, or somebody was faster. */
async function asConflict(call: () => Promise<unknown>): Promise<void> {
  try {
    await call()
  } catch (error) {
    if (!(error instanceof ApiError) || error.status !== 409) throw error
    throw new SlipwayError('run_not_running', error.message, { cause: error })
  }
}
