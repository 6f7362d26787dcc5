// The tree of runs, tasks and steps as lines of text. Pure: what is known, the time and the size of the screen give the lines.
// What does not fit is told more and more briefly: finished steps, then finished tasks, then waiting ones.

import { unreachable } from '../../../lib/errors.ts'
import { isFinishedRun, isFinishedTask } from '../../../runservice/types.ts'
import { cellWidth, truncateCells } from '../cell-width.ts'
import { formatDuration } from '../format-duration.ts'
import type { Paint } from '../paint.ts'
import { printableLine } from '../printable-line.ts'
import type { RunState, RunsState, StepState, TaskState } from '../run-state.ts'
import type { Symbols } from '../symbols.ts'

export type TreeOptions = {
  readonly now: number
  readonly columns: number
  readonly rows: number
  readonly paint: Paint
  readonly symbols: Symbols
}

/** How much is told; each level tells less than the one before it. */
type Detail = {
  readonly tailLines: number
  readonly finishedSteps: 'all' | 'of running tasks' | 'none'
  readonly collapses: readonly Group[]
  readonly runningStep: boolean
}

/** Tasks that can be told as one line with their number. */
type Group = 'succeeded' | 'skipped' | 'waiting' | 'stopped'

const ended: readonly Group[] = ['succeeded', 'skipped', 'stopped']
const details: readonly Detail[] = [
  { tailLines: 4, finishedSteps: 'all', collapses: [], runningStep: true },
  { tailLines: 3, finishedSteps: 'of running tasks', collapses: [], runningStep: true },
  { tailLines: 1, finishedSteps: 'none', collapses: [], runningStep: true },
  { tailLines: 1, finishedSteps: 'none', collapses: ended, runningStep: true },
  { tailLines: 1, finishedSteps: 'none', collapses: [...ended, 'waiting'], runningStep: true },
  { tailLines: 0, finishedSteps: 'none', collapses: [...ended, 'waiting'], runningStep: true },
  { tailLines: 0, finishedSteps: 'none', collapses: [...ended, 'waiting'], runningStep: false },
]

/** So much of a name is shown on the narrowest screen. */
const nameCellsMin = 12

/** A finished tree may be longer than the screen: it scrolls. */
const finalLinesMax = 300

/** The live tree: at most `rows` lines of at most `columns` cells. */
export function treeLines(state: RunsState, options: TreeOptions): readonly string[] {
  const lines = linesThatFit(state, options, details, options.rows)
  if (lines.length <= options.rows) return lines
  const shown = lines.slice(0, Math.max(0, options.rows - 1))
  return [...shown, cut(options.paint.dim(`… ${lines.length - shown.length} more lines`), options)]
}

/** The tree after the end: one line a task at least, whatever the height of the screen. */
export function finalTreeLines(state: RunsState, options: TreeOptions): readonly string[] {
  const detailed = linesThatFit(state, options, details.slice(0, 1), options.rows)
  if (detailed.length <= options.rows) return detailed
  return linesThatFit(state, options, details.slice(2, 4), finalLinesMax)
}

function linesThatFit(
  state: RunsState,
  options: TreeOptions,
  levels: readonly Detail[],
  rows: number,
): readonly string[] {
  const tasks = state.runs.values().reduce((count, run) => count + run.tasks.size, 0)
  let lines: readonly string[] = []
  for (const [index, detail] of levels.entries()) {
    // A line for each of thousands of tasks fits no screen: not even tried, as this happens many times a second.
    if (tasks > rows && detail.collapses.length === 0 && index < levels.length - 1) continue
    lines = [...state.runs.values()].flatMap((run) => runLines(run, detail, options))
    if (lines.length <= rows) break
  }
  return lines.map((line) => cut(line, options))
}

function runLines(run: RunState, detail: Detail, options: TreeOptions): readonly string[] {
  const { paint, symbols, now } = options
  const took = run.startedAt === undefined ? '' : paint.dim(`  ${formatDuration((run.endedAt ?? now) - run.startedAt)}`)
  const head = `${runSign(run, options)} ${paint.bold(run.name)} ${paint.dim(`#${run.number}`)}${took}${runNote(run, paint)}`
  const collapsed = new Map<Group, number>()
  const blocks: (readonly string[])[] = []
  for (const task of run.tasks.values()) {
    const group = groupOf(task)
    if (group !== undefined && detail.collapses.includes(group)) collapsed.set(group, (collapsed.get(group) ?? 0) + 1)
    else blocks.push(taskLines(task, detail, options))
  }
  for (const [group, count] of collapsed) blocks.push([collapsedLine(group, count, options)])
  return [
    head,
    ...run.setupErrors.map((message) => `  ${paint.red(oneLine(message))}`),
    ...blocks.flatMap(([first = '', ...rest], index) => {
      const isLast = index === blocks.length - 1
      return [
        `${paint.dim(isLast ? symbols.lastBranch : symbols.branch)} ${first}`,
        ...rest.map((line) => `${isLast ? ' ' : paint.dim(symbols.trunk)} ${line}`),
      ]
    }),
  ]
}

function runSign({ phase, result }: RunState, { paint, symbols }: TreeOptions): string {
  if (phase === 'queued') return paint.dim(symbols.waiting)
  if (phase === 'setuperror' || result === 'failed') return paint.red(symbols.failed)
  if (phase === 'cancelled' || result === 'stopped') return paint.yellow(symbols.stopped)
  return result === 'success' ? paint.green(symbols.success) : paint.cyan(symbols.running)
}

function runNote({ phase, result, reason }: RunState, paint: Paint): string {
  if (phase === 'queued') return paint.dim(`  ${reason?.text ?? 'queued'}`)
  if (!isFinishedRun(phase)) return ''
  const word = phase === 'finished' ? result : phase === 'setuperror' ? 'setup error' : phase
  return `  ${paint.result(phase === 'finished' ? result : phase === 'setuperror' ? 'failed' : phase, word)}`
}

function taskLines(task: TaskState, detail: Detail, options: TreeOptions): readonly string[] {
  const { paint, now } = options
  const took =
    task.startedAt === undefined || task.isKept
      ? ''
      : paint.dim(`  ${formatDuration((task.endedAt ?? now) - task.startedAt)}`)
  return [
    named(taskSign(task, options), task.name, `${took}${taskNote(task, paint)}`, 2, options),
    ...[task.setup, ...task.steps].flatMap((step, index) =>
      isShown(step, index === 0, task, detail) ? stepLines(step, detail, options) : [],
    ),
  ]
}

function taskSign({ status, waitingApproval }: TaskState, { paint, symbols }: TreeOptions): string {
  switch (status) {
    case 'notstarted':
      return waitingApproval ? paint.yellow(symbols.approval) : paint.dim(symbols.waiting)
    case 'running':
      return paint.cyan(symbols.running)
    case 'success':
      return paint.green(symbols.success)
    case 'failed':
      return paint.red(symbols.failed)
    case 'stopped':
      return paint.yellow(symbols.stopped)
    case 'skipped':
    case 'cancelled':
      return paint.dim(symbols.skipped)
    default:
      return unreachable(status)
  }
}

function taskNote({ status, isKept, waitingApproval, reason }: TaskState, paint: Paint): string {
  const why = reason === undefined ? '' : oneLine(reason.text)
  if (isKept) return paint.dim('  kept')
  if (waitingApproval) return paint.yellow('  waits for approval')
  if (status === 'notstarted') return paint.dim(`  ${why || 'waits'}`)
  if (status === 'failed') return why === '' ? '' : paint.red(`  ${why}`)
  if (status === 'success' || status === 'running') return ''
  return paint.result(status, `  ${status}${why === '' || why === status ? '' : `: ${why}`}`)
}

/** Setup is told while it works and when it failed; it is of no interest afterwards. */
function isShown(step: StepState, isSetup: boolean, task: TaskState, detail: Detail): boolean {
  switch (step.phase) {
    case 'running':
      return detail.runningStep
    case 'failed':
      return true
    case 'success':
    case 'stopped':
      if (isSetup || detail.finishedSteps === 'none') return false
      return detail.finishedSteps === 'all' || !isFinishedTask(task.status)
    case 'notstarted':
    case 'cancelled':
      return false
    default:
      return unreachable(step.phase)
  }
}

function stepLines(step: StepState, { tailLines }: Detail, options: TreeOptions): readonly string[] {
  const { paint, now } = options
  const took =
    step.startedAt === undefined ? '' : paint.dim(`  ${formatDuration((step.endedAt ?? now) - step.startedAt)}`)
  const head = `  ${named(stepSign(step, options), oneLine(step.name), took, 4, options)}`
  if (step.phase !== 'running' || tailLines === 0) return [head]
  const tail = [...step.tail.slice(-tailLines), ...(step.partial === '' ? [] : [step.partial])].slice(-tailLines)
  return [head, ...tail.map((line) => `    ${paint.dim(oneLine(line))}`)]
}

function stepSign({ phase }: StepState, { paint, symbols }: TreeOptions): string {
  switch (phase) {
    case 'success':
      return paint.green(symbols.success)
    case 'failed':
      return paint.red(symbols.failed)
    case 'stopped':
      return paint.yellow(symbols.stopped)
    default:
      return paint.cyan(symbols.running)
  }
}

function groupOf(task: TaskState): Group | undefined {
  switch (task.status) {
    case 'success':
      return 'succeeded'
    case 'skipped':
    case 'cancelled':
      return 'skipped'
    case 'stopped':
      return 'stopped'
    case 'notstarted':
      return task.waitingApproval ? undefined : 'waiting'
    default:
      return undefined
  }
}

function collapsedLine(group: Group, count: number, { paint, symbols }: TreeOptions): string {
  const tasks = count === 1 ? '1 task' : `${count} tasks`
  switch (group) {
    case 'succeeded':
      return `${paint.green(symbols.success)} ${paint.dim(`${tasks} succeeded`)}`
    case 'skipped':
      return `${paint.dim(symbols.skipped)} ${paint.dim(`${tasks} skipped`)}`
    case 'stopped':
      return `${paint.yellow(symbols.stopped)} ${paint.dim(`${tasks} stopped`)}`
    case 'waiting':
      return `${paint.dim(symbols.waiting)} ${paint.dim(`${tasks} ${count === 1 ? 'waits' : 'wait'}`)}`
    default:
      return unreachable(group)
  }
}

/** What follows a name matters more than the end of the name, so the name gives way. */
function named(sign: string, name: string, note: string, indent: number, { columns }: TreeOptions): string {
  const room = columns - indent - cellWidth(sign) - 1 - cellWidth(note)
  return `${sign} ${truncateCells(name, Math.max(nameCellsMin, room))}${note}`
}

/** Names of steps may be whole scripts, and tabs have no width of their own. */
function oneLine(text: string): string {
  return printableLine(text.trimEnd().split('\n', 1)[0] ?? '', { colours: false }).replaceAll('\t', '    ')
}

const cut = (line: string, { columns }: TreeOptions) => truncateCells(line, columns)
