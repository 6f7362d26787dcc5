// What happens to tasks that wait for approval in a local run: approved, asked for, or not approved, which ends the run.

import { isSlipwayError } from '../../lib/errors.ts'
import type { ApprovalPolicy } from './approve-mode.ts'
import type { FollowedRun, RunSource } from './followed-run.ts'
import { isYes } from './questions.ts'
import type { RunEventSink } from './run-event.ts'

export type ApprovalsComponents = {
  readonly runservice: Pick<RunSource, 'approveTask' | 'stopRun'>
  readonly output: RunEventSink
  /** Asks a person; undefined when there is no answer. */
  readonly ask: (question: string) => Promise<string | undefined>
  /** Told of what goes wrong while nobody waits. */
  readonly onFailure: (error: unknown) => void
  /** Aborted when the run is stopped: nothing is asked any more. */
  readonly signal: AbortSignal
}

export class Approvals {
  readonly #mode: ApprovalPolicy
  readonly #runservice: ApprovalsComponents['runservice']
  readonly #output: RunEventSink
  readonly #askPerson: ApprovalsComponents['ask']
  readonly #onFailure: ApprovalsComponents['onFailure']
  readonly #signal: AbortSignal
  readonly #seen = new Set<string>()
  /** One question at a time. */
  #asking: Promise<void> = Promise.resolve()

  constructor(mode: ApprovalPolicy, { runservice, output, ask, onFailure, signal }: ApprovalsComponents) {
    this.#mode = mode
    this.#runservice = runservice
    this.#output = output
    this.#askPerson = ask
    this.#onFailure = onFailure
    this.#signal = signal
  }

  /** Looks at a state of a run, and does what it asks for. */
  look(view: FollowedRun): void {
    for (const { task, config } of view.tasks) {
      if (!task.waitingApproval || this.#seen.has(task.id)) continue
      this.#seen.add(task.id)
      if (this.#mode === 'all') this.#approve(view.run.id, task.id).catch(this.#onFailure)
      if (this.#mode === 'ask')
        this.#asking = this.#asking.then(() => this.#ask(view.run.id, task.id, config.name)).catch(this.#onFailure)
    }
    if (this.#mode === 'none' && isWaitingForApprovalsOnly(view) && !this.#seen.has(view.run.id)) {
      this.#seen.add(view.run.id)
      const names = view.tasks.filter(({ task }) => task.waitingApproval).map(({ config }) => config.name)
      void this.#output.write({
        type: 'notice',
        message: `${names.join(', ')} waits for approval: stopping; approve with --approve all or ask`,
      })
      this.#stop(view.run.id).catch(this.#onFailure)
    }
  }

  async #ask(runId: string, taskId: string, name: string): Promise<void> {
    if (this.#signal.aborted) return
    const answer = await this.#askPerson(`Task ${name} waits for approval. Approve? [y/N] `)
    if (this.#signal.aborted) return
    if (isYes(answer)) await this.#approve(runId, taskId)
    else await this.#stop(runId)
  }

  async #approve(runId: string, taskId: string): Promise<void> {
    await this.#runservice.approveTask(runId, taskId, 'local').catch(ignoreConflict)
  }

  async #stop(runId: string): Promise<void> {
    await this.#runservice.stopRun(runId).catch(ignoreConflict)
  }
}

function isWaitingForApprovalsOnly({ run, tasks }: FollowedRun): boolean {
  const isOpen = (status: string) => status === 'running'
  return (
    run.phase === 'running' &&
    tasks.some(({ task }) => task.waitingApproval) &&
    !tasks.some(
      ({ task, waiting }) =>
        isOpen(task.status) ||
        (task.executorId !== undefined && task.endedAt === undefined) ||
        waiting?.kind === 'waiting_slot',
    )
  )
}

/** The run ended in the meantime: there is nothing left to approve or stop. */
function ignoreConflict(error: unknown): void {
  if (!isSlipwayError(error) || error.kind !== 'conflict') throw error
}
