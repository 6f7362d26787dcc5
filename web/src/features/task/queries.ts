import { queryOptions } from '@tanstack/react-query'
import { call } from '../../api/client.ts'
import type { Step, Task } from '../../api/types.ts'

export function taskQuery(runId: string, taskId: string) {
  return queryOptions({
    queryKey: ['task', runId, taskId],
    queryFn: ({ signal }) => call('getTask', { params: { runId, taskId }, signal }),
  })
}

/** `setup`, or the number of a step from 0: what logs are called. */
export type LogName = string

/** The steps of a task in their order with the names of their logs, the setup first. */
export function stepsOf(task: Task): readonly { readonly log: LogName; readonly step: Step }[] {
  return [{ log: 'setup', step: task.setupStep }, ...task.steps.map((step, index) => ({ log: String(index), step }))]
}

/** What one most likely wants to read: what failed, else what runs, else the last that was executed. */
export function interestingStep(task: Task): LogName {
  const steps = stepsOf(task)
  const found =
    steps.find(({ step }) => step.phase === 'failed' || step.phase === 'stopped') ??
    steps.find(({ step }) => step.phase === 'running') ??
    steps.filter(({ step }) => step.type === 'run' && step.phase === 'success').at(-1)
  return found?.log ?? 'setup'
}
