// What happens to tasks that wait for approval in a local run: approved, asked for, or not approved, which ends the run.

import { createInterface } from 'node:readline/promises'
import { isSlipwayError } from '../../lib/errors.ts'
import type { Runservice, RunView } from '../../runservice/api.ts'
import type { Io } from '../io.ts'
import type { RunEventSink } from './run-event.ts'

export const approveModes = ['all', 'ask', 'none'] as const
export type ApproveMode = (typeof approveModes)[number]

export class Approvals {
  readonly #mode: ApproveMode
  readonly #runservice: Runservice
  readonly #output: RunEventSink
  readonly #io: Io
  readonly #seen = new Set<string>()
  /** One question at a time. */
  #asking: Promise<void> = Promise.resolve()

  constructor(mode: ApproveMode, runservice: Runservice, output: RunEventSink, io: Io) {
    this.#mode = mode
    this.#runservice = runservice
    this.#output = output
    this.#io = io
  }

  /** Looks at a state of a run, and does what it asks for. */
  look(view: RunView): void {
    for (const { task, config } of view.tasks) {
      if (!task.waitingApproval || this.#seen.has(task.id)) continue
      this.#seen.add(task.id)
      if (this.#mode === 'all') void this.#approve(view.run.id, task.id)
      if (this.#mode === 'ask') this.#asking = this.#asking.then(() => this.#ask(view.run.id, task.id, config.name))
    }
    if (this.#mode === 'none' && isWaitingForApprovalsOnly(view) && !this.#seen.has(view.run.id)) {
      this.#seen.add(view.run.id)
      const names = view.tasks.filter(({ task }) => task.waitingApproval).map(({ config }) => config.name)
      void this.#output.write({
        type: 'notice',
        message: `${names.join(', ')} waits for approval: stopping; approve with --approve all or ask`,
      })
      void this.#stop(view.run.id)
    }
  }

  async #ask(runId: string, taskId: string, name: string): Promise<void> {
    const questions = createInterface({ input: this.#io.stdin, output: this.#io.stderr })
    try {
      const answer = await questions.question(`Task ${name} waits for approval. Approve? [y/N] `)
      if (/^y(es)?$/i.test(answer.trim())) await this.#approve(runId, taskId)
      else await this.#stop(runId)
    } finally {
      questions.close()
    }
  }

  async #approve(runId: string, taskId: string): Promise<void> {
    await this.#runservice.approveTask(runId, taskId, 'local').catch(ignoreConflict)
  }

  async #stop(runId: string): Promise<void> {
    await this.#runservice.stopRun(runId).catch(ignoreConflict)
  }
}

function isWaitingForApprovalsOnly({ run, tasks }: RunView): boolean {
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
