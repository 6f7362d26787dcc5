// Gives ready tasks to free slots. Pure: looks at the heads of the requirement classes an executor with a free slot can
// serve, never at the whole queue.
//
// Which task is next, among the heads: the highest priority; once more than half of the slots its class can use are taken,
// the project served longest ago (so projects alternate); the one that waits longest. Which executor gets it: the one
// that can serve the fewest of the waiting classes (the others keep their choice), then the one with the smallest share of
// its slots taken. A class without a free executor never holds up another.

import type { Reason } from '../reasons.ts'
import type { ExecutorKind, ExecutorPool, KindMember } from './executor-pool.ts'
import type { Requirement } from './requirement.ts'

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
  readonly executors: ExecutorPool
  /** Executors that have unfinished executor tasks, and how many; read when an executor could serve a ready task. */
  readonly taken: Iterable<readonly [executorId: string, count: number]>
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

type Slots = KindMember & { readonly taken: number }

/** The executors of a kind while tasks are placed: an idle one is looked at when it is its turn, and not before. */
type KindState = {
  readonly kind: ExecutorKind
  /** Waiting classes it could serve. */
  choices: number
  /** Slots of all of them. */
  taken: number
  /** Those that are not idle. */
  readonly used: Set<string>
  /** Of these, the ones with a free slot. */
  readonly roomy: Map<string, Slots>
  /** Nobody before it is idle. */
  nextIdle: number
}

type Candidate = { readonly state: KindState; readonly slots: Slots }

type Head = { task: ReadyTask; readonly rest: Iterator<ReadyTask> }

type ClassState = {
  readonly requirement: Requirement
  /** Executors that could ever serve it. */
  readonly kinds: readonly KindState[]
  /** The first ready task of each project; opened when the class has a free slot. */
  heads: Head[] | undefined
}

/** Places as many ready tasks as slots allow. */
export function place({ ready, executors, taken, served, nextTurn }: PlacementInput): Placement {
  const states = new Map<ExecutorKind, KindState>()
  const classes = [...ready.classes()].map((requirement): ClassState => {
    const kinds = executors.serving(requirement).map((kind) => {
      const state = states.get(kind) ?? idleState(kind)
      states.set(kind, state)
      state.choices++
      return state
    })
    return { requirement, kinds, heads: undefined }
  })
  if (states.size > 0)
    for (const [executorId, count] of taken) {
      const found = executors.find(executorId)
      if (found === undefined || count === 0) continue
      const state = states.get(found.kind)
      if (state !== undefined) use(state, { id: executorId, limit: found.limit, taken: count }, count)
    }

  const changed = new Map<string, number>()
  const turnOf = turnsOf(served, changed)
  let turn = nextTurn
  const assignments: Assignment[] = []
  for (;;) {
    const choice = chooseTask(classes, ready, turnOf)
    if (choice === undefined) break
    const { state, slots } = chooseExecutor(choice.class.kinds)!
    assignments.push({ task: choice.head.task, executorId: slots.id })
    use(state, { ...slots, taken: slots.taken + 1 }, 1)
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
    if (!state.kinds.some(hasRoom)) continue
    state.heads ??= openHeads(ready, state.requirement.key)
    const alternates = isMoreThanHalfTaken(state.kinds)
    for (const head of state.heads) {
      const turn = alternates ? turnOf(head.task.project) : -1
      if (best !== undefined && compareHeads({ head, turn }, best) >= 0) continue
      best = { class: state, head, turn }
    }
  }
  return best
}

type TurnOf = { readonly head: Head; readonly turn: number }

const compareHeads = (a: TurnOf, b: TurnOf) =>
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

const idleState = (kind: ExecutorKind): KindState => ({
  kind,
  choices: 0,
  taken: 0,
  used: new Set(),
  roomy: new Map(),
  nextIdle: 0,
})

/** An executor has `slots.taken` of its slots taken now, `more` than before. */
function use(state: KindState, slots: Slots, more: number): void {
  state.taken += more
  state.used.add(slots.id)
  if (slots.taken < slots.limit) state.roomy.set(slots.id, slots)
  else state.roomy.delete(slots.id)
}

function findIdle(state: KindState): KindMember | undefined {
  const { executors } = state.kind
  while (state.nextIdle < executors.length && state.used.has(executors[state.nextIdle]!.id)) state.nextIdle++
  return executors[state.nextIdle]
}

const hasRoom = (state: KindState) => state.roomy.size > 0 || findIdle(state) !== undefined

function isMoreThanHalfTaken(kinds: readonly KindState[]): boolean {
  let limit = 0
  let taken = 0
  for (const state of kinds) {
    limit += state.kind.limit
    taken += state.taken
  }
  return taken > limit / 2
}

function chooseExecutor(kinds: readonly KindState[]): Candidate | undefined {
  let best: Candidate | undefined
  for (const state of kinds) {
    const idle = findIdle(state)
    // Nobody of a kind is chosen before one that is idle.
    for (const slots of idle === undefined ? state.roomy.values() : [{ ...idle, taken: 0 }])
      if (best === undefined || compareSlots(state, slots, best) < 0) best = { state, slots }
  }
  return best
}

const compareSlots = (state: KindState, slots: Slots, best: Candidate) =>
  state.choices - best.state.choices ||
  slots.taken / slots.limit - best.slots.taken / best.slots.limit ||
  slots.taken - best.slots.taken ||
  compareText(slots.id, best.slots.id)

function waitingReasons(classes: readonly ClassState[]): ReadonlyMap<string, Reason> {
  const waiting = new Map<string, Reason>()
  for (const { requirement, kinds, heads } of classes) {
    if (heads?.length === 0) continue
    waiting.set(requirement.key, kinds.length === 0 ? noExecutor(requirement) : noSlot(kinds))
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

const noSlot = (kinds: readonly KindState[]): Reason => ({
  kind: 'waiting_slot',
  executors: kinds
    .flatMap(({ kind }) => kind.executors.slice(0, namedExecutorsMax).map(({ id }) => id))
    .sort(compareText)
    .slice(0, namedExecutorsMax),
  limit: kinds.reduce((sum, { kind }) => sum + kind.limit, 0),
})
