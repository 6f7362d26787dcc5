// `slipway run --last`: the last runs as they ended. Nothing is executed.

import { SlipwayError } from '../../lib/errors.ts'
import { silentLogger } from '../../lib/log.ts'
import type { RunserviceHost } from '../../runservice/api.ts'
import { isFinishedRun } from '../../runservice/types.ts'
import { openLocalServer } from '../../server/local/local-server.ts'
import { exitStatus } from '../exit-status.ts'
import { followRun } from './follow-runs.ts'
import type { FollowedRun, RunSource } from './followed-run.ts'
import { lockLast, newestRuns } from './last-invocation.ts'
import type { RunContext } from './run-context.ts'
import type { RunEvent, RunEventSink } from './run-event.ts'
import { statusOf } from './run-status.ts'

/** With `--task` only those tasks are told. */
export async function showLast({ options, state, output, stopping, clock }: RunContext): Promise<number> {
  const invocation = lockLast(state)
  using _lock = invocation.lock
  await using server = await openLocalServer({ state, invocation }, { clock, logger: silentLogger, notice: () => {} })
  const { runservice } = server
  const runs = newestRuns(runservice)
  const names = runs.flatMap((run) => runservice.findRun(run.id)!.tasks.map(({ config }) => config.name))
  const unknown = options.task.find((name) => !names.includes(name))
  if (unknown !== undefined) throw new SlipwayError('usage', `the last run has no task "${unknown}"`)
  const sink = options.task.length === 0 ? output : onlyTasks(output, options.task)
  output.begin?.(runs.length)
  const views: FollowedRun[] = []
  for (const run of runs) {
    const view = await followRun(run.id, {
      runservice: asItIs(runservice),
      sink,
      clock,
      signal: stopping,
      onView: () => {},
    })
    views.push(view)
    if (isFinishedRun(view.run.phase)) continue
    const message = `Run ${run.name} was left before it had ended; \`slipway run --from-failed\` repeats what had not succeeded`
    await output.write({ type: 'notice', message })
  }
  const status = statusOf(views)
  const wasLeft = views.some(({ run }) => !isFinishedRun(run.phase))
  return status === exitStatus.success && wasLeft ? exitStatus.stopped : status
}

/** Nobody goes on with a run whose command was killed: what there is of it is all. */
function asItIs(runservice: RunserviceHost): Pick<RunSource, 'watchRun' | 'followLog'> {
  return {
    async *watchRun(runId, signal) {
      const view = await runservice.loadRun(runId, signal)
      if (view !== undefined) yield view
    },
    followLog: (runTaskId, log, fromByte) => runservice.readLog(runTaskId, log, fromByte),
  }
}

function onlyTasks(output: RunEventSink, names: readonly string[]): RunEventSink {
  const only = (event: RunEvent): RunEvent | undefined => {
    if (event.type === 'notice') return event
    if (event.type !== 'run') return names.includes(event.task) ? event : undefined
    const { tasks, ...run } = event
    return tasks === undefined ? run : { ...run, tasks: tasks.filter(({ name }) => names.includes(name)) }
  }
  return {
    write: (event) => {
      const told = only(event)
      return told === undefined ? undefined : output.write(told)
    },
    finish: () => output.finish(),
  }
}
