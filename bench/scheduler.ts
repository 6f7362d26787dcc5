// The scheduler's core: advancing large runs, and placing from long queues.

import { type Advanced, advance, advanceFrom, type RunState } from '../src/runservice/scheduler/advance.ts'
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
import { type Figure, figure } from './figure.ts'
import { type BareGraph, scanGraph } from './floors/scan-graph.ts'
import { type BareHeads, scanHeads } from './floors/scan-heads.ts'
import { type LeveledRun, leveledRun, waitingTasks } from './inputs/scheduler.ts'

const seed = 20_260
/** How far the run is, in shares of its tasks: one sample each. */
const progress = Array.from({ length: 31 }, (_, index) => index / 30)

export async function run(): Promise<Figure[]> {
  const sparse = measureAdvance(leveledRun(seed, { tasks: 1_000, levels: 20, parentsEach: 3 }))
  const dense = measureAdvance(leveledRun(seed, { tasks: 1_000, levels: 20, parentsEach: 50 }))
  const largeRun = leveledRun(seed, { tasks: 10_000, levels: 20, parentsEach: 3 })
  const large = measureAdvance(largeRun)
  const oneTask = measureAdvance(largeRun, advanceFromOne)
  const [many, few] = measurePlace([10_000, 100])
  const perTask = (samples: readonly number[], tasks: number) => samples.map((ms) => (ms * 1e6) / tasks)
  return [
    figure({ name: 'advance a run of 1,000 tasks in 20 levels', unit: 'ms', ...sparse }, { of: 'value', most: 5 }),
    figure(
      {
        name: 'advance a run of 1,000 tasks in 20 levels, each after all 50 of the level before',
        unit: 'ms',
        ...dense,
      },
      { of: 'value', most: 5 },
    ),
    // The floor is the smaller run: linear means that a task of the larger one costs the same, but for the caches.
    figure(
      {
        name: 'advance a run of 10,000 tasks, per task, against one of 1,000',
        unit: 'ns',
        samples: perTask(large.samples, 10_000),
        floor: perTask(sparse.samples, 1_000),
      },
      { of: 'ratio', most: 2 },
    ),
    figure(
      { name: 'advance a run of 10,000 tasks from the one that changed', unit: 'ms', ...oneTask },
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

type Measured = { readonly samples: readonly number[]; readonly floor: readonly number[] }

/** The first passes warm up and are not counted. Each sample is the mean of some repetitions: single ones are too short. */
function measureAdvance(input: LeveledRun, preparing: Preparing = advanceWhole): Measured {
  const repetitions = 5
  const { graph, run } = aRun(Object.fromEntries(specsOf(input, 0)))
  const actions = progress.map((share) => preparing({ run, graph, ...rowsAt(input, share) }, share))
  const bare = progress.map((share) => bareAt(input, share))
  const measured: Measured[] = [1, 2, 3].map(() => {
    const pairs = actions.map((action, index) => {
      const sample = meanMs(repetitions, action)
      return [sample, meanMs(repetitions, () => scanGraph(bare[index]!))] as const
    })
    return { samples: pairs.map(([sample]) => sample), floor: pairs.map(([, floor]) => floor) }
  })
  return measured.at(-1)!
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

/** The queues take turns, so that warming up favours none. */
function measurePlace(queueLengths: readonly number[]): readonly Measured[] {
  const repetitions = 50
  const inputs = queueLengths.map((length) => placementOf(length))
  const samples = inputs.map((): number[] => [])
  const floors = inputs.map((): number[] => [])
  const warmUp = 20
  for (let sample = 0; sample < warmUp + 31; sample++)
    for (const [index, input] of inputs.entries()) {
      const ms = meanMs(repetitions, () => place(input.placement))
      const floor = meanMs(repetitions, () => scanHeads(input.bare))
      if (sample < warmUp) continue
      samples[index]!.push(ms)
      floors[index]!.push(floor)
    }
  return inputs.map((_, index) => ({ samples: samples[index]!, floor: floors[index]! }))
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
    placement: { ready, executors, taken, served: new Map() },
    bare: {
      since: Float64Array.from(heads),
      limit: Int32Array.from(executors, (executor) => executor.taskLimit),
      taken: Int32Array.from(executors, (executor) => taken.get(executor.id)!),
    },
  }
}

function meanMs(repetitions: number, action: () => unknown): number {
  const start = performance.now()
  for (let repetition = 0; repetition < repetitions; repetition++) kept = action()
  return (performance.now() - start) / repetitions
}

/** Where results go, so that no measured call is optimized away. */
let kept: unknown
export const lastResult = (): unknown => kept
