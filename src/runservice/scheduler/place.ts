// Gives ready tasks to free slots. Pure: looks at the heads of the requirement classes an executor with a free slot can
// serve, never at the whole queue.
//
// Which task is next, among the heads: the highest priority; once more than half of the slots its class can use are taken,
// the project served longest ago (so projects alternate); the one that waits longest. Which executor gets it: the one
// that can serve the fewest of the waiting classes (the others keep their choice), then the one with the smallest share of
// its slots taken. A class without a free executor never holds up another.

import type { Reason } from '../reasons.ts'
import type { Executor } from '../types.ts'
import { type Capabilities, canServe, type Requirement } from './requirement.ts'

/** A task without order that may be handed out. */
export type ReadyTask = {
  readonly runId: string
  readonly taskId: string
  /** Second element of the run's group: a project or a user. */
  readonly project: string
  /** Higher goes first; 0 is the usual one. */
  readonly priority: number
  /** When it became ready. */
  readonly readySince: number
}

/** The ready tasks, as an index gives them: only what is asked for is read. */
export interface ReadyTasks {
  /** Classes with at least one ready task. */
  classes(): Iterable<Requirement>
  /** Projects with at least one ready task in the class. */
  projects(classKey: string): Iterable<string>
  /** Ready tasks of a project in a class, in the order of `compareReady`. */
  tasks(classKey: string, project: string): Iterable<ReadyTask>
}

export type PlacementInput = {
  readonly ready: ReadyTasks
  /** All that exist; only connected ones get tasks. */
  readonly executors: readonly (Capabilities & Pick<Executor, 'id' | 'state' | 'taskLimit'>)[]
  /** Unfinished executor tasks by executor id; asked only about executors that could serve a ready task. */
  readonly taken: Lookup
  /** Who was served when, by project: the larger the later. A project without is served first. */
  readonly served: Lookup
  /** Larger than any number in `served`. */
  readonly nextTurn: number
}

type Lookup = Pick<ReadonlyMap<string, number>, 'get'>

export type Assignment = { readonly task: ReadyTask; readonly executorId: string }

export type Placement = {
  /** In the order decided. */
  readonly assignments: readonly Assignment[]
  /** Why the rest of a class waits, by class key: `waiting_executor` or `waiting_slot`. */
  readonly waiting: ReadonlyMap<string, Reason>
  /** What changes in `served` for the next placement: projects by their new numbers, from `nextTurn` on. */
  readonly served: ReadonlyMap<string, number>
}

/** Executors named in a `waiting_slot` reason, at most. */
const namedExecutorsMax = 10

type Slots = { readonly id: string; readonly limit: number; readonly choices: number; taken: number }

type Head = { task: ReadyTask; readonly rest: Iterator<ReadyTask> }

type ClassState = {
  readonly requirement: Requirement
  /** Connected executors that could ever serve it. */
  readonly executors: readonly Slots[]
  /** The first ready task of each project; opened when the class has a free slot. */
  heads: Head[] | undefined
}

/** Places as many ready tasks as slots allow. */
export function place({ ready, executors, taken, served, nextTurn }: PlacementInput): Placement {
  const connected = executors.filter((executor) => executor.state === 'connected')
  const requirements = [...ready.classes()]
  const slots = connected.map((executor) => {
    const choices = requirements.filter((requirement) => canServe(executor, requirement)).length
    return {
      executor,
      slots: {
        id: executor.id,
        limit: executor.taskLimit === 0 ? Number.POSITIVE_INFINITY : executor.taskLimit,
        choices,
        taken: choices === 0 ? 0 : (taken.get(executor.id) ?? 0),
      },
    }
  })
  const classes = requirements.map(
    (requirement): ClassState => ({
      requirement,
      executors: slots.filter(({ executor }) => canServe(executor, requirement)).map((entry) => entry.slots),
      heads: undefined,
    }),
  )

  const changed = new Map<string, number>()
  const turnOf = turnsOf(served, changed)
  let turn = nextTurn
  const assignments: Assignment[] = []
  for (;;) {
    const choice = chooseTask(classes, ready, turnOf)
    if (choice === undefined) break
    const executor = chooseExecutor(choice.class.executors)!
    assignments.push({ task: choice.head.task, executorId: executor.id })
    executor.taken++
    // Who was the last one served stays it: nothing changes while one project is alone.
    if (turn === 0 || turnOf(choice.head.task.project) !== turn - 1) changed.set(choice.head.task.project, turn++)
    const next = choice.head.rest.next()
    if (next.done) choice.class.heads = choice.class.heads!.filter((head) => head !== choice.head)
    else choice.head.task = next.value
  }
  for (const { heads } of classes) for (const head of heads ?? []) head.rest.return?.()
  return { assignments, waiting: waitingReasons(classes), served: changed }
}

/** The turn of a project, -1 when it was never served; what was served before is looked up once. */
function turnsOf(served: Lookup, changed: Lookup): (project: string) => number {
  const before = new Map<string, number>()
  return (project) => {
    const turn = changed.get(project) ?? before.get(project) ?? served.get(project) ?? -1
    before.set(project, turn)
    return turn
  }
}

function chooseTask(
  classes: readonly ClassState[],
  ready: ReadyTasks,
  turnOf: (project: string) => number,
): { readonly class: ClassState; readonly head: Head } | undefined {
  let best: { readonly class: ClassState; readonly head: Head; readonly turn: number } | undefined
  for (const state of classes) {
    if (!state.executors.some(hasRoom)) continue
    state.heads ??= openHeads(ready, state.requirement.key)
    const alternates = isMoreThanHalfTaken(state.executors)
    for (const head of state.heads) {
      const turn = alternates ? turnOf(head.task.project) : -1
      if (best !== undefined && compareHeads({ head, turn }, best) >= 0) continue
      best = { class: state, head, turn }
    }
  }
  return best
}

type Candidate = { readonly head: Head; readonly turn: number }

const compareHeads = (a: Candidate, b: Candidate) =>
  b.head.task.priority - a.head.task.priority || a.turn - b.turn || compareReady(a.head.task, b.head.task)

/** The order of ready tasks: priority, then who waits longest; ids make it total. */
export function compareReady(a: ReadyTask, b: ReadyTask): number {
  return (
    b.priority - a.priority ||
    a.readySince - b.readySince ||
    compareText(a.runId, b.runId) ||
    compareText(a.taskId, b.taskId)
  )
}

const compareText = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0)

function openHeads(ready: ReadyTasks, classKey: string): Head[] {
  const heads: Head[] = []
  for (const project of ready.projects(classKey)) {
    const rest = ready.tasks(classKey, project)[Symbol.iterator]()
    const first = rest.next()
    if (!first.done) heads.push({ task: first.value, rest })
  }
  return heads
}

const hasRoom = (executor: Slots) => executor.taken < executor.limit

function isMoreThanHalfTaken(executors: readonly Slots[]): boolean {
  let limit = 0
  let taken = 0
  for (const executor of executors) {
    limit += executor.limit
    taken += executor.taken
  }
  return taken > limit / 2
}

function chooseExecutor(executors: readonly Slots[]): Slots | undefined {
  let best: Slots | undefined
  for (const executor of executors)
    if (hasRoom(executor) && (best === undefined || compareSlots(executor, best) < 0)) best = executor
  return best
}

const compareSlots = (a: Slots, b: Slots) =>
  a.choices - b.choices || a.taken / a.limit - b.taken / b.limit || a.taken - b.taken || compareText(a.id, b.id)

function waitingReasons(classes: readonly ClassState[]): ReadonlyMap<string, Reason> {
  const waiting = new Map<string, Reason>()
  for (const { requirement, executors, heads } of classes) {
    if (heads?.length === 0) continue
    waiting.set(requirement.key, executors.length === 0 ? noExecutor(requirement) : noSlot(executors))
  }
  return waiting
}

const noExecutor = ({ arch, labels, privileged, driver, isolated }: Requirement): Reason => ({
  kind: 'waiting_executor',
  ...(arch === undefined ? {} : { arch }),
  labels,
  privileged,
  ...(driver === undefined ? {} : { driver }),
  ...(isolated ? { isolated } : {}),
  matching: 0,
})

const noSlot = (executors: readonly Slots[]): Reason => ({
  kind: 'waiting_slot',
  executors: executors
    .map((executor) => executor.id)
    .sort(compareText)
    .slice(0, namedExecutorsMax),
  limit: executors.reduce((sum, executor) => sum + executor.limit, 0),
})
