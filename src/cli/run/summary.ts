// What is said once everything has ended: of each failure the last lines of its log, the reason in words, and how to repeat
// just that.

import type { Paint } from './paint.ts'
import { type RunState, type RunsState, type StepState, type TaskState, tailLinesMax } from './run-state.ts'
import type { Symbols } from './symbols.ts'

export type RepeatCommands = {
  /** Repeats what failed, with everything else as it was. */
  readonly fromFailed: string
  /** Repeats one task and what it depends on. */
  readonly task: (name: string) => string
  /** Shows the whole log of a task again. */
  readonly log: (name: string) => string
}

export type SummaryOptions = {
  readonly paint: Paint
  readonly symbols: Symbols
  readonly repeat: RepeatCommands
  /** False where the logs have just been told. */
  readonly showsLogs: boolean
}

/** More failures than this are counted only: nobody reads them all at once. */
const failuresMax = 20

/** Nothing when nothing failed. */
export function summaryLines({ runs }: RunsState, options: SummaryOptions): readonly string[] {
  const failures = [...runs.values()].flatMap((run) => failuresOf(run))
  if (failures.length === 0) return []
  const { paint, repeat } = options
  const hidden = failures.length - failuresMax
  const names = [...new Set(failures.map(({ task }) => task.name))]
  return [
    ...failures.slice(0, failuresMax).flatMap((failure) => ['', ...failureLines(failure, runs.size > 1, options)]),
    ...(hidden > 0 ? ['', paint.red(`and ${hidden} more failed tasks`)] : []),
    '',
    paint.bold('To repeat'),
    `  ${repeat.fromFailed}${paint.dim('   what failed, keeping what succeeded')}`,
    ...names.slice(0, 3).map((name) => `  ${repeat.task(name)}${paint.dim('   that task and what it depends on')}`),
  ]
}

type Failure = { readonly run: RunState; readonly task: TaskState }

function failuresOf(run: RunState): readonly Failure[] {
  return [...run.tasks.values()].filter((task) => task.status === 'failed').map((task) => ({ run, task }))
}

function failureLines({ run, task }: Failure, showsRun: boolean, options: SummaryOptions): readonly string[] {
  const { paint, symbols, showsLogs, repeat } = options
  const step = [task.setup, ...task.steps].find(({ phase }) => phase === 'failed')
  const name = showsRun ? `${run.name} / ${task.name}` : task.name
  const where = step === undefined || step === task.setup ? name : `${name} / ${firstLine(step.name)}`
  const reason = (step?.reason ?? task.reason)?.text ?? 'failed'
  return [
    paint.red(`${symbols.failed} ${where}: ${reason}`),
    ...(showsLogs && step !== undefined ? logLines(step, repeat.log(task.name), paint) : []),
    ...(task.keptPod === undefined ? [] : [`  The pod was kept; enter it with: ${task.keptPod}`]),
  ]
}

function logLines({ tail, lines }: StepState, allCommand: string, paint: Paint): readonly string[] {
  if (lines === 0) return []
  const shown = tail.slice(-tailLinesMax)
  const missing = lines - shown.length
  return [
    ...(missing === 0 ? [] : [paint.dim(`  … ${missing} lines before; all of it: ${allCommand}`)]),
    ...shown.map((line) => `  ${line}`),
  ]
}

const firstLine = (text: string) => text.trimEnd().split('\n', 1)[0] ?? ''
