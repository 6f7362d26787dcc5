// Whole runs with every part of the core, executed by pretended executors in any order with any outcome.

import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { ExecutorTask, RunTask, StepPhase } from '../types.ts'
import { isFinishedTask } from '../types.ts'
import { approveTask, startRun, stopRun } from './actions.ts'
import { advance, type RunState, type RunTransition } from './advance.ts'
import { applyReport } from './apply-report.ts'
import { createRun } from './create-run.ts'
import { buildGraph } from './graph.ts'
import { failLostTask, handOut } from './hand-out.ts'
import { restartRun } from './restart-run.ts'
import { arbitraryGraph, withoutImplied } from './run-arbitrary-fixture.ts'
import { aConfigTask, saved } from './run-fixture.ts'

type Execution = {
  readonly state: RunState
  readonly events: readonly RunTransition[]
  readonly lost: ReadonlySet<string>
}

/** Executes a run to its end; `choices` decide what happens next. Throws when it gets stuck. */
function execute(start: RunState, events: readonly RunTransition[], choose: (count: number) => number): Execution {
  const told = [...events]
  const lost = new Set<string>()
  let state = start
  for (let now = 100; ; now++) {
    const outcome = advance(state, now)
    told.push(...outcome.events)
    state = saved(state, outcome)
    if (state.run.phase === 'finished') return { state, events: told, lost }

    const ready = new Set(outcome.ready.map((task) => task.taskId))
    const actions: (() => RunState)[] = [
      ...state.tasks
        .filter((task) => ready.has(task.id))
        .map((task) => () => {
          const next = handOut(state.run, task, { executorId: `x${choose(3)}`, attempt: 1, now })
          return withRows(state, next.task, { order: next.executorTask })
        }),
      ...state.executorTasks.flatMap((order) => {
        const task = state.tasks.find((one) => one.id === order.runTaskId)!
        return [() => reported(state, task, order, { choose, now })]
      }),
      ...state.tasks
        .filter((task) => task.waitingApproval)
        .map((task) => () => withRows(state, approveTask(state.run, task, 'ada'), {})),
    ]
    if (actions.length === 0) throw new Error(`stuck: ${JSON.stringify(state.tasks)}`)
    const rare = choose(40)
    const order = state.executorTasks[0]
    if (rare === 0) {
      const stopped = stopRun(state.run, state.tasks)
      state = { ...stopped.tasks.reduce((next, task) => withRows(next, task, {}), state), run: stopped.run }
    } else if (rare === 1 && order !== undefined) {
      lost.add(order.runTaskId)
      const task = state.tasks.find((one) => one.id === order.runTaskId)!
      state = withRows(state, failLostTask(task, { executorId: order.executorId, now }), { without: order })
    } else state = actions[choose(actions.length)]!()
  }
}

function reported(
  state: RunState,
  task: RunTask,
  order: ExecutorTask,
  { choose, now }: { readonly choose: (count: number) => number; readonly now: number },
): RunState {
  const ends: readonly StepPhase[] = order.stop
    ? [task.status === 'notstarted' ? 'cancelled' : 'stopped']
    : ['success', 'success', 'success', 'failed']
  const phase: StepPhase = task.status === 'notstarted' && choose(2) === 0 ? 'running' : ends[choose(ends.length)]!
  const outcome = applyReport({
    executorId: order.executorId,
    executorTask: order,
    task,
    report: {
      executorTaskId: order.id,
      number: order.lastStatus + 1,
      phase,
      timedOut: false,
      setupStep: { phase: phase === 'cancelled' ? 'notstarted' : 'success' },
      steps: [{ phase: phase === 'cancelled' ? 'notstarted' : phase }],
      startedAt: now,
      ...(phase === 'running' ? {} : { endedAt: now }),
    },
    now,
  })
  expect(outcome.kind).toBe('applied')
  if (outcome.kind !== 'applied') return state
  return withRows(
    state,
    outcome.task,
    outcome.executorTask === undefined ? { without: order } : { order: outcome.executorTask },
  )
}

function withRows(
  state: RunState,
  task: RunTask,
  { order, without }: { readonly order?: ExecutorTask; readonly without?: ExecutorTask },
): RunState {
  const gone = order?.id ?? without?.id
  return {
    ...state,
    tasks: state.tasks.map((one) => (one.id === task.id ? task : one)),
    executorTasks: [...state.executorTasks.filter((one) => one.id !== gone), ...(order === undefined ? [] : [order])],
  }
}

test('every run ends, and everything of it has ended and says why', () => {
  const input = fc.record({ specs: arbitraryGraph(), choices: fc.array(fc.nat(), { minLength: 1, maxLength: 60 }) })
  fc.assert(
    fc.property(input, ({ specs, choices }) => {
      let taken = 0
      const choose = (count: number) => choices[taken++ % choices.length]! % count
      const configTasks = Object.entries(withoutImplied(specs)).map(([name, spec]) => aConfigTask(name, spec))
      const ids = { runId: 'run-1', runConfigId: 'config-1', sequence: 1, counter: 1 }
      const created = createRun({ name: 'build', group: '/project/p1/branch/main', tasks: configTasks }, ids, {
        now: 1,
      })
      expect(created.run).toMatchObject({ phase: 'queued', setupErrors: [] })
      const started = startRun(created.run, 2)
      const start = {
        run: started.run,
        tasks: created.tasks,
        graph: buildGraph(created.configTasks),
        executorTasks: [],
      }
      const { state, events, lost } = execute(start, [...created.events, ...started.events], choose)

      const { result } = state.run
      expect(events.map((event) => `${event.phase}/${event.result}`)).toEqual([
        'queued/unknown',
        'running/unknown',
        `running/${result}`,
        `finished/${result}`,
      ])
      for (const task of state.tasks) {
        expect(isFinishedTask(task.status)).toBe(true)
        expect(task.waitingApproval).toBe(false)
        expect([task.setupStep, ...task.steps].some((step) => step.phase === 'running')).toBe(false)
        if (task.status !== 'success') expect(task.reason).toBeDefined()
        if (task.executorId !== undefined) expect(task.endedAt).toBeDefined()
        if (lost.has(task.id)) expect(task).toMatchObject({ status: 'failed', reason: { kind: 'executor_lost' } })
      }
      const failed = configTasks.filter(
        (task) => !task.ignoreFailure && state.tasks.find((one) => one.id === task.id)!.status === 'failed',
      )
      if (result === 'success') expect(failed).toEqual([])

      checkRestart(state, created.config, configTasks)
    }),
    { numRuns: 300 },
  )
})

function checkRestart(
  state: RunState,
  config: Parameters<typeof restartRun>[0]['config'],
  configTasks: Parameters<typeof restartRun>[0]['configTasks'],
): void {
  if (state.run.result === 'success') return
  const again = restartRun(
    { run: state.run, config, configTasks, tasks: state.tasks },
    {
      fromStart: false,
      ids: { runId: 'run-2', runConfigId: 'config-2', sequence: 2, counter: 2 },
      newTaskId: (task) => `${task.name}-again`,
      now: 500,
    },
  )
  const before = new Map(state.tasks.map((task) => [task.id, task]))
  const known = new Set(again.configTasks.map((task) => task.id))
  for (const [index, configTask] of again.configTasks.entries()) {
    const old = configTasks[index]!
    const ancestorsKept = configTask.depends.every((depend) => before.has(depend.taskId))
    const isKept = configTask.id === old.id
    expect(isKept).toBe(before.get(old.id)!.status === 'success' && ancestorsKept)
    if (isKept) expect(again.tasks[index]).toEqual({ ...before.get(old.id)!, runId: 'run-2' })
    else expect(['notstarted', 'skipped']).toContain(again.tasks[index]!.status)
    for (const depend of configTask.depends) expect(known.has(depend.taskId)).toBe(true)
  }
}
