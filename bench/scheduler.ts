// The scheduler's core: advancing large runs, and placing from long queues.

import { type Advanced, advance, advanceFrom, type RunState } from '../src/runservice/scheduler/advance.ts'
import { ExecutorPool } from '../src/runservice/scheduler/executor-pool.ts'
import { type PlacementInput, place } from '../src/runservice/scheduler/place.ts'
import { ReadyQueue } from '../src/runservice/scheduler/ready-queue.ts'
import { requirementOf } from '../src/runservice/scheduler/requirement.ts'
import {
  aConfigTask,
  accessTo,
  anOrder,
  aRun,
  aRunTask,
  aTaskId,
  type TaskSpec,
} from '../src/runservice/scheduler/run-fixture.ts'
import { type Figure, figure, type Measured } from './figure.ts'
import { type BareGraph, scanGraph } from './floors/scan-graph.ts'
import { type BareHeads, scanHeads } from './floors/scan-heads.ts'
import { type LeveledRun, leveledRun, waitingTasks } from './inputs/scheduler.ts'

const seed = 20_260
/** How far the run is, in shares of its tasks: one sample each. */
const progress = Array.from({ length: 31 }, (_, index) => index / 30)

export async function run(): Promise<Figure[]> {
  const inputs = {
    sparse: leveledRun(seed, { tasks: 1_000, levels: 20, parentsEach: 3 }),
    dense: leveledRun(seed, { tasks: 1_000, levels: 20, parentsEach: 50 }),
    half: leveledRun(seed, { tasks: 5_000, levels: 20, parentsEach: 3 }),
    large: leveledRun(seed, { tasks: 10_000, levels: 20, parentsEach: 3 }),
  }
  const [large, half] = interleaved([advancing(inputs.large), advancing(inputs.half)])
  const [many, few] = measurePlace([10_000, 100])
  return [
    figure(
      { name: 'advance a run of 1,000 tasks in 20 levels', unit: 'ms', ...measureAdvance(inputs.sparse) },
      { of: 'value', most: 5 },
    ),
    figure(
      {
        name: 'advance a run of 1,000 tasks in 20 levels, each after all 50 of the level before',
        unit: 'ms',
        ...measureAdvance(inputs.dense),
      },
      { of: 'value', most: 5 },
    ),
    figure(
      { name: 'advance a run of 10,000 tasks in 20 levels', unit: 'ms', ...measureAdvance(inputs.large) },
      { of: 'value', most: 50 },
    ),
    // The floor is the smaller run. Linear is 2, quadratic 4; caches of the processor are the rest.
    figure(
      { name: 'advance a run of 10,000 tasks against one of 5,000', unit: 'ms', samples: large!, floor: half! },
      { of: 'ratio', most: 2.6 },
    ),
    figure(
      {
        name: 'advance a run of 10,000 tasks from the one that changed',
        unit: 'ms',
        ...measureAdvance(inputs.large, advanceFromOne),
      },
      { of: 'value', most: 1 },
    ),
    figure(
      { name: 'place after one freed slot: 10,000 ready tasks, 3 classes, 50 executors', unit: 'ms', ...many! },
      { of: 'value', most: 1 },
    ),
    figure(
      {
        name: 'place after one freed slot: 10,000 ready tasks against 100',
        unit: 'ms',
        samples: many!.samples,
        floor: few!.samples,
      },
      { of: 'ratio', most: 1.1 },
    ),
  ]
}

function measureAdvance(input: LeveledRun, preparing: Preparing = advanceWhole): Measured {
  const scans = progress.map((share) => {
    const bare = bareAt(input, share)
    return () => scanGraph(bare)
  })
  const [samples, floor] = interleaved([advancing(input, preparing), scans])
  return { samples: samples!, floor: floor! }
}

/** One action for each state of progress. */
function advancing(input: LeveledRun, preparing: Preparing = advanceWhole): readonly (() => unknown)[] {
  const { graph, run } = aRun(Object.fromEntries(specsOf(input, 0)))
  return progress.map((share) => preparing({ run, graph, ...rowsAt(input, share) }, share))
}

/**
 * Milliseconds of each action of some lists of the same length, taking turns one by one: a busy machine slows all of them.
 * The first passes warm up and are not counted.
 */
function interleaved(lists: readonly (readonly (() => unknown)[])[]): readonly (readonly number[])[] {
  const warmUps = 3
  const passes = 5
  const samples = lists.map((): number[] => [])
  for (let pass = 0; pass < warmUps + passes; pass++)
    for (const index of lists[0]!.keys())
      for (const [list, actions] of lists.entries()) {
        const ms = timeMs(actions[index]!)
        if (pass >= warmUps) samples[list]!.push(ms)
      }
  return samples
}

/** Gives what is measured on a state, when a share of its tasks is done. */
type Preparing = (state: RunState, share: number) => () => Advanced

const advanceWhole: Preparing = (state) => () => advance(state, 10)

const advanceFromOne: Preparing = (state, share) => {
  const access = accessTo(state)
  const changed = aTaskId(`task-${Math.max(0, Math.floor(state.tasks.length * share) - 1)}`)
  return () => advanceFrom(access, [changed], 10)
}

/** The rows when a share of the tasks has succeeded and the next 50 execute. */
function rowsAt(input: LeveledRun, share: number): Pick<RunState, 'tasks' | 'executorTasks'> {
  const specs = specsOf(input, share)
  return {
    tasks: specs.map(([name, spec]) => aRunTask(name, spec)),
    executorTasks: specs.filter(([, spec]) => spec.is === 'running').map(([name, spec]) => anOrder(name, spec)),
  }
}

function specsOf({ parents }: LeveledRun, share: number): readonly (readonly [string, TaskSpec])[] {
  const done = Math.floor(parents.length * share)
  return parents.map((of, index) => [
    `task-${index}`,
    {
      after: Object.fromEntries(of.map((parent) => [`task-${parent}`, 'S' as const])),
      is: index < done ? 'success' : index < done + 50 ? 'running' : 'notstarted',
    },
  ])
}

function bareAt({ parents }: LeveledRun, share: number): BareGraph {
  const done = Math.floor(parents.length * share)
  const start = new Int32Array(parents.length + 1)
  for (const [index, of] of parents.entries()) start[index + 1] = start[index]! + of.length
  return {
    status: Uint8Array.from(parents, (_, index) => (index < done ? 2 : index < done + 50 ? 1 : 0)),
    start,
    parents: Int32Array.from(parents.flat()),
  }
}

/** Placing from queues of these lengths, each with its floor. */
function measurePlace(queueLengths: readonly number[]): readonly Measured[] {
  const inputs = queueLengths.map((length) => placementOf(length))
  const samplesEach = 20
  const repeated = (action: () => unknown) => progress.flatMap(() => Array.from({ length: samplesEach }, () => action))
  const columns = interleaved([
    ...inputs.map(({ placement }) => repeated(() => place(placement))),
    ...inputs.map(({ bare }) => repeated(() => scanHeads(bare))),
  ])
  return inputs.map((_, index) => ({ samples: columns[index]!, floor: columns[inputs.length + index]! }))
}

function placementOf(length: number): { readonly placement: PlacementInput; readonly bare: BareHeads } {
  const archs = ['386', 'amd64', 'arm64'] as const
  const requirements = archs.map((arch) => requirementOf(aConfigTask('any', { arch })))
  const ready = new ReadyQueue()
  for (const { name, class: index, project, since } of waitingTasks(seed, { tasks: length, classes: archs.length }))
    ready.add(requirements[index]!, { runId: name, taskId: name, project, priority: 0, readySince: since })
  const executors = Array.from({ length: 50 }, (_, index) => ({
    id: `executor-${index}`,
    state: 'connected' as const,
    archs: [archs[index % archs.length]!],
    labels: {},
    allowPrivileged: false,
    drivers: ['docker'],
    taskLimit: 4,
  }))
  const taken = new Map(executors.map((executor, index) => [executor.id, index === 25 ? 3 : 4]))
  const heads = requirements.flatMap(({ key }) =>
    [...ready.projects(key)].map((project) => [...ready.tasks(key, project)][0]!.readySince),
  )
  return {
    placement: { ready, executors: new ExecutorPool(executors), taken, served: new Map(), nextTurn: 0 },
    bare: {
      since: Float64Array.from(heads),
      limit: Int32Array.from(executors, (executor) => executor.taskLimit),
      taken: Int32Array.from(executors, (executor) => taken.get(executor.id)!),
    },
  }
}

function timeMs(action: () => unknown): number {
  const start = performance.now()
  kept = action()
  return performance.now() - start
}

/** Where results go, so that no measured call is optimized away. */
let kept: unknown
export const lastResult = (): unknown => kept
