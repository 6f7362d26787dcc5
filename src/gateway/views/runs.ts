// What the API shows of runs and tasks.

import type { LogLinesPage, RunEntry, RunRow, RunView } from '../../runservice/api.ts'
import type { Reason } from '../../runservice/reasons.ts'
import { classOfReason, describeReason } from '../../runservice/reasons.ts'
import type { Run, RunTask, TaskStep } from '../../runservice/types.ts'
import { runOwnerOf } from '../runs/run-owner.ts'
import { optionalTime, timeText } from './time.ts'

export function reasonView(reason: Reason) {
  const { kind, ...facts } = reason
  return { kind, class: classOfReason(reason), message: describeReason(reason), facts }
}

function optionalReason(reason: Reason | undefined) {
  return reason === undefined ? {} : { reason: reasonView(reason) }
}

/** Of any run, however old: what its list entry has. */
export function runEntryView(entry: RunEntry | Run) {
  const { id, counter, name, group, phase, result, enqueuedAt, startedAt, endedAt } = entry
  return {
    id,
    number: counter,
    name,
    owner: runOwnerOf(group) ?? { type: 'project' as const, id: '' },
    group,
    phase,
    result,
    enqueuedAt: timeText(enqueuedAt),
    ...optionalTime('startedAt', startedAt),
    ...optionalTime('endedAt', endedAt),
  }
}

/** Of a run whose row is at hand. */
export function runRowView(
  run: Run,
  more: { readonly waiting?: Reason; readonly tasksWaitingApproval?: readonly string[] } = {},
) {
  return {
    ...runEntryView(run),
    annotations: { ...run.annotations },
    isStopping: run.stop && run.phase === 'running',
    ...(run.restartOf === undefined ? {} : { restartOf: run.restartOf }),
    ...(more.tasksWaitingApproval === undefined ? {} : { tasksWaitingApproval: [...more.tasksWaitingApproval] }),
    ...optionalReason(more.waiting ?? run.reason),
  }
}

/** Entries in their order, with what the rows tell that are at hand. */
export function runListView(entries: readonly RunEntry[], rows: readonly RunRow[]): RunListItem[] {
  return new RunListViews().of(entries, rows)
}

type RunListItem = ReturnType<typeof runEntryView> | ReturnType<typeof runRowView>

/** Shows lists, what is the same object as before only once: the runservice gives the same until something has changed. */
export class RunListViews {
  readonly #items = new WeakMap<RunEntry | RunRow, RunListItem>()

  /** As runListView. */
  of(entries: readonly RunEntry[], rows: readonly RunRow[]): RunListItem[] {
    const byId = new Map(rows.map((row) => [row.run.id, row]))
    return entries.map((entry) => {
      const row = byId.get(entry.id)
      const known = this.#items.get(row ?? entry)
      if (known !== undefined) return known
      const item = row === undefined ? runEntryView(entry) : runRowView(row.run, row)
      this.#items.set(row ?? entry, item)
      return item
    })
  }
}

export function runSummaryView({ run, waiting, tasks }: RunView) {
  const tasksWaitingApproval = tasks.filter(({ task }) => task.waitingApproval).map(({ task }) => task.id)
  return runRowView(run, { tasksWaitingApproval, ...(waiting === undefined ? {} : { waiting }) })
}

/** `may`: what who asks may do with it. */
export function runView(view: RunView, may: { readonly act: boolean; readonly approve: boolean }) {
  const { run, tasks } = view
  const hasEnded = run.phase === 'finished' || run.phase === 'cancelled'
  return {
    ...runSummaryView(view),
    setupErrors: [...run.setupErrors],
    logsDeleted: run.logsDeleted === true,
    canRestartFromStart: hasEnded,
    canRestartFromFailed: hasEnded && run.result !== 'success',
    may,
    tasks: tasks.map(taskSummaryView),
  }
}

/** `view` as `runView` shows it, with the steps of each task. */
export function withSteps<V extends object>(view: V, { tasks }: RunView) {
  return { ...view, tasks: tasks.map((found) => ({ ...taskSummaryView(found), ...stepsView(found) })) }
}

type TaskWithConfig = RunView['tasks'][number]

export function taskSummaryView({ task, config, waiting }: TaskWithConfig) {
  return {
    ...taskStateView(task),
    name: config.name,
    level: config.level,
    depends: config.depends.map(({ taskId, conditions }) => ({ taskId, conditions: [...conditions] })),
    timeoutMs: config.timeoutMs,
    ...optionalReason(waiting ?? task.reason),
  }
}

/** What changes while it runs. */
export function taskStateView(task: RunTask) {
  return {
    id: task.id,
    status: task.status,
    isWaitingApproval: task.waitingApproval,
    isApproved: task.approved,
    approvers: [...task.approvers],
    timedOut: task.timedOut,
    ...optionalTime('startedAt', task.startedAt),
    ...optionalTime('endedAt', task.endedAt),
  }
}

/** `isOwner`: may hear which secrets it and its output had, and how its kept pod is entered. */
export function taskView(found: TaskWithConfig, { isOwner }: { readonly isOwner: boolean }) {
  const { task, config } = found
  return {
    ...taskSummaryView(found),
    runId: task.runId,
    containers: config.runtime.containers.map(({ image }) => ({ image })),
    ...stepsView(found),
    ...(task.executorId === undefined ? {} : { executorId: task.executorId }),
    ...(isOwner ? ownerTaskView(task) : {}),
  }
}

function stepsView({ task, config }: TaskWithConfig) {
  return {
    setupStep: { type: 'setup' as const, name: 'setup', ...stepStateView(task.setupStep) },
    steps: config.steps.map((step, index) => ({
      type: step.type,
      name: step.name,
      ...(step.type === 'run' ? { command: step.command, shell: step.shell === '' ? config.shell : step.shell } : {}),
      ...stepStateView(task.steps[index] ?? { phase: 'notstarted' }),
    })),
  }
}

function ownerTaskView({ printedSecrets, usedSecrets, keptPod }: RunTask) {
  return {
    ...(usedSecrets === undefined ? {} : { usedSecrets: usedSecrets.map(({ name, version }) => ({ name, version })) }),
    ...(printedSecrets === undefined
      ? {}
      : { printedSecrets: printedSecrets.map(({ secret, log, line }) => ({ secret, log: String(log), line })) }),
    ...(keptPod === undefined ? {} : { keptPod }),
  }
}

function stepStateView({ phase, exitStatus, startedAt, endedAt, reason }: TaskStep) {
  return {
    phase,
    ...(exitStatus === undefined ? {} : { exitStatus }),
    ...optionalTime('startedAt', startedAt),
    ...optionalTime('endedAt', endedAt),
    ...optionalReason(reason),
  }
}

export function logLinesView({ lines, times, cutLines, ...page }: LogLinesPage) {
  return {
    ...page,
    lines: [...lines],
    times: times.map((run) => ({ lines: run.lines, at: timeText(run.at) })),
    cutLines: [...cutLines],
  }
}
