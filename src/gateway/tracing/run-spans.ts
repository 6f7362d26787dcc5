// A run that has ended as a trace: one span for the run, one for each task that was executed, one for each of its steps. Ids are made
// from those of the run, so that whoever tells of it twice tells the same, and a trace is found by the id of its run.

import { createHash } from 'node:crypto'
import type { RunView } from '../../runservice/api.ts'
import { describeReason, type Reason } from '../../runservice/reasons.ts'
import type { TaskStep } from '../../runservice/types.ts'
import { runOwnerOf } from '../runs/run-owner.ts'

export type Span = {
  /** 32 hex digits: the run's id without its dashes. */
  readonly traceId: string
  /** 16 hex digits. */
  readonly spanId: string
  readonly parentSpanId?: string
  readonly name: string
  /** Milliseconds since 1970. */
  readonly startedAt: number
  readonly endedAt: number
  readonly attributes: Readonly<Record<string, string | number>>
  readonly outcome: 'ok' | 'error' | 'unset'
  /** With an error. */
  readonly message?: string
}

/** None for a run that has not ended. What a restart kept from an earlier run is in that one's trace. */
export function runSpans(view: RunView): readonly Span[] {
  const { run, tasks } = view
  if (run.endedAt === undefined) return []
  const traceId = run.id.replaceAll('-', '')
  const runSpanId = spanIdOf(run.id)
  const own = tasks.filter(({ task }) => (task.startedAt ?? 0) >= run.enqueuedAt)
  return [
    {
      traceId,
      spanId: runSpanId,
      name: `run ${run.name}`,
      startedAt: run.enqueuedAt,
      endedAt: run.endedAt,
      attributes: runAttributes(view),
      ...outcomeOf(run.phase === 'cancelled' ? 'stopped' : run.result, run.reason),
    },
    ...own.flatMap((task) => taskSpans(task, { traceId, runSpanId, runId: run.id })),
  ]
}

type RunIds = { readonly traceId: string; readonly runSpanId: string; readonly runId: string }

function taskSpans({ task, config }: RunView['tasks'][number], { traceId, runSpanId, runId }: RunIds): readonly Span[] {
  const { startedAt, endedAt } = task
  if (startedAt === undefined || endedAt === undefined) return []
  const taskSpanId = spanIdOf(`${runId}/${task.id}`)
  const step = (name: string, key: string | number, state: TaskStep | undefined): readonly Span[] =>
    state?.startedAt === undefined || state.endedAt === undefined
      ? []
      : [
          {
            traceId,
            spanId: spanIdOf(`${runId}/${task.id}/${key}`),
            parentSpanId: taskSpanId,
            name: `step ${name}`,
            startedAt: state.startedAt,
            endedAt: state.endedAt,
            attributes: {
              'slipway.step': String(key),
              ...(state.exitStatus === undefined ? {} : { 'slipway.step.exit_status': state.exitStatus }),
            },
            ...outcomeOf(state.phase, state.reason),
          },
        ]
  return [
    {
      traceId,
      spanId: taskSpanId,
      parentSpanId: runSpanId,
      name: `task ${config.name}`,
      startedAt,
      endedAt,
      attributes: {
        'slipway.task.id': task.id,
        'slipway.task.name': config.name,
        ...(task.executorId === undefined ? {} : { 'slipway.executor.id': task.executorId }),
      },
      ...outcomeOf(task.status, task.reason),
    },
    ...step('setup', 'setup', task.setupStep),
    ...config.steps.flatMap(({ name }, index) => step(name, index, task.steps[index])),
  ]
}

function runAttributes({ run }: RunView): Span['attributes'] {
  const owner = runOwnerOf(run.group)
  const { ref, commit_sha: commit } = run.annotations
  return {
    'slipway.run.id': run.id,
    'slipway.run.number': run.counter,
    'slipway.run.result': run.result,
    ...(owner === undefined ? {} : { [`slipway.${owner.type}.id`]: owner.id }),
    ...(ref === undefined ? {} : { 'vcs.ref.head.name': ref }),
    ...(commit === undefined ? {} : { 'vcs.ref.head.revision': commit }),
  }
}

function outcomeOf(result: string, reason: Reason | undefined): Pick<Span, 'outcome' | 'message'> {
  if (result === 'success') return { outcome: 'ok' }
  if (result !== 'failed') return { outcome: 'unset' }
  return { outcome: 'error', ...(reason === undefined ? {} : { message: describeReason(reason) }) }
}

function spanIdOf(key: string): string {
  return createHash('sha256').update(key).digest('hex').slice(0, 16)
}
