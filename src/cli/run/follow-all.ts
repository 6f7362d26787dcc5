// Follows the runs of one invocation to their end, with approvals, interrupts, and tasks that nothing here can execute.

import { SlipwayError } from '../../lib/errors.ts'
import { describeReason } from '../../runservice/reasons.ts'
import { exitStatus } from '../exit-status.ts'
import { Approvals } from './approvals.ts'
import type { ApprovalPolicy } from './approve-mode.ts'
import { followRun } from './follow-runs.ts'
import type { FollowedRun, RunSource } from './followed-run.ts'
import type { Questions } from './questions.ts'
import type { RunContext } from './run-context.ts'
import { statusOf } from './run-status.ts'

export type FollowContext = Pick<RunContext, 'output' | 'stopping' | 'clock'> & {
  readonly approve: ApprovalPolicy
  readonly questions: Questions
}

/** Returns the exit status. When `stopping` is aborted the runs are stopped, and followed to their end. */
export async function followAll(
  { approve, questions, output, stopping, clock }: FollowContext,
  runservice: RunSource,
  runs: readonly { readonly id: string }[],
): Promise<number> {
  output.begin?.(runs.length)
  // What goes wrong beside following ends it.
  const trouble = Promise.withResolvers<never>()
  const approvals = new Approvals(approve, {
    runservice,
    output,
    ask: (question) => questions.ask(question, stopping),
    onFailure: trouble.reject,
    signal: stopping,
  })
  const stop = (runId: string) => void stopOrCancel(runservice, runId).catch(trouble.reject)
  const stopAll = () => {
    for (const run of runs) stop(run.id)
  }
  stopping.addEventListener('abort', stopAll, { once: true })
  const stuck = new Set<string>()
  const stopStuck = async (runId: string, why: string) => {
    if ((await runservice.listExecutors()).length === 0 || stuck.has(runId)) return
    stuck.add(runId)
    void output.write({ type: 'notice', message: `${why}: stopping` })
    stop(runId)
  }
  try {
    if (stopping.aborted) stopAll()
    const following = Promise.all(
      runs.map((run) =>
        followRun(run.id, {
          runservice,
          sink: output,
          clock,
          signal: new AbortController().signal,
          onView: (view) => {
            approvals.look(view)
            const why = whyStuck(view)
            if (why !== undefined) stopStuck(run.id, why).catch(trouble.reject)
          },
        }),
      ),
    )
    const views = await Promise.race([following, trouble.promise])
    if (stopping.aborted && views.some(({ run }) => run.result !== 'success')) return exitStatus.stopped
    return stuck.size > 0 ? exitStatus.runFailed : statusOf(views)
  } finally {
    stopping.removeEventListener('abort', stopAll)
  }
}

/** A task waits for an executor that nobody here is or will be, and nothing else is left to do. */
function whyStuck({ run, tasks }: FollowedRun): string | undefined {
  if (run.phase !== 'running' || tasks.some(({ task }) => task.status === 'running')) return undefined
  const stuck = tasks.find(({ waiting }) => waiting?.kind === 'waiting_executor' && waiting.matching === 0)
  return stuck?.waiting === undefined
    ? undefined
    : `Task ${stuck.config.name} cannot be executed here, ${describeReason(stuck.waiting)}`
}

/** Asks for the end of a run, whatever it is doing. */
export async function stopOrCancel(
  runservice: Pick<RunSource, 'loadRun' | 'stopRun' | 'cancelRun'>,
  runId: string,
): Promise<void> {
  const phase = (await runservice.loadRun(runId))?.run.phase
  try {
    if (phase === 'running') await runservice.stopRun(runId)
    if (phase === 'queued') await runservice.cancelRun(runId)
  } catch (error) {
    // It ended or started in between; its end is told by its events.
    if (!(error instanceof SlipwayError && error.kind === 'conflict')) throw error
  }
}
