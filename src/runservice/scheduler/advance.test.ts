import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { isFinishedTask, type Run, type RunTask } from '../types.ts'
import { advance, advanceFrom, type RunState, round, waitingReasons } from './advance.ts'
import { satisfies } from './graph.ts'
import { arbitraryRun, deepFreeze } from './run-arbitrary-fixture.ts'
import {
  accessTo,
  advanced,
  anOrder,
  aRun,
  aRunTask,
  aTaskId,
  rounds,
  saved,
  summary,
  type TaskSpec,
  withTask,
} from './run-fixture.ts'

const runs = { numRuns: 500 }

describe('always', () => {
  test('advancing is as many rounds as change something', () => {
    fc.assert(
      fc.property(arbitraryRun(), (state) => {
        const outcome = advance(state, 10)
        const { rounds: outcomes, end } = rounds(state, 10)
        expect(saved(state, outcome)).toEqual(end)
        expect(outcome.ready).toEqual(outcomes.at(-1)!.ready)
        expect(outcome.events).toEqual(outcomes.flatMap((one) => one.events))
        expect(outcome.stops).toEqual(outcomes.flatMap((one) => one.stops))
      }),
      runs,
    )
  })

  test('advancing again without news changes nothing', () => {
    fc.assert(
      fc.property(arbitraryRun(), (state) => {
        const first = advance(state, 10)
        const again = advance(saved(state, first), 20)
        expect(again).toEqual({ run: first.run, tasks: [], ready: first.ready, stops: [], events: [] })
        expect(again.run).toBe(first.run)
      }),
      runs,
    )
  })

  test('the order of rows means nothing', () => {
    const shuffled = arbitraryRun().chain((state) =>
      fc.record({
        state: fc.constant(state),
        tasks: fc.shuffledSubarray([...state.tasks], { minLength: state.tasks.length }),
        executorTasks: fc.shuffledSubarray([...state.executorTasks], { minLength: state.executorTasks.length }),
      }),
    )
    fc.assert(
      fc.property(shuffled, ({ state, ...rows }) => {
        expect(advance({ ...state, ...rows }, 10)).toEqual(advance(state, 10))
        expect(round({ ...state, ...rows }, 10)).toEqual(round(state, 10))
      }),
      runs,
    )
  })

  test('nothing given is changed', () => {
    fc.assert(
      fc.property(arbitraryRun(), ({ graph, ...rows }) => {
        const state = { ...deepFreeze(rows), graph }
        const before = structuredClone(graph.nodes)
        advance(state, 10)
        round(state, 10)
        waitingReasons(state)
        expect(graph.nodes).toEqual(before)
      }),
      runs,
    )
  })

  test('a run that finishes has no unfinished task and no order, and ends then', () => {
    fc.assert(
      fc.property(arbitraryRun(), (state) => {
        const outcome = advance(state, 10)
        const { tasks } = saved(state, outcome)
        const isDone = tasks.every((task) => isFinishedTask(task.status)) && state.executorTasks.length === 0
        expect(outcome.run.phase).toBe(isDone ? 'finished' : 'running')
        if (isDone) expect(outcome.run.endedAt).toBe(10)
        else expect(outcome.run).not.toHaveProperty('endedAt')
      }),
      runs,
    )
  })

  test('a result is set once, and events tell exactly the changes of phase and result', () => {
    fc.assert(
      fc.property(arbitraryRun(), (state) => {
        const { run, events } = advance(state, 10)
        if (state.run.result !== 'unknown') expect(run.result).toBe(state.run.result)
        const told = [state.run, ...events].map(({ phase, result }) => `${phase}/${result}`)
        expect(new Set(told).size).toBe(told.length)
        expect(told.at(-1)).toBe(`${run.phase}/${run.result}`)
        for (const event of events) expect(event.run).toMatchObject({ phase: event.phase, result: event.result })
      }),
      runs,
    )
  })

  test('a ready task has no order, its dependencies are satisfied, and it is approved when it must be', () => {
    fc.assert(
      fc.property(arbitraryRun(), (state) => {
        const outcome = advance(state, 10)
        const tasks = new Map(saved(state, outcome).tasks.map((task) => [task.id, task]))
        for (const { taskId } of outcome.ready) {
          const { task: configTask } = state.graph.nodes[state.graph.indexOf.get(taskId)!]!
          expect(tasks.get(taskId)!.status).toBe('notstarted')
          expect(state.executorTasks.some((order) => order.runTaskId === taskId)).toBe(false)
          expect(state.run.stop).toBe(false)
          if (configTask.needsApproval) expect(tasks.get(taskId)!.approved).toBe(true)
          for (const depend of configTask.depends)
            expect(satisfies(tasks.get(depend.taskId)!.status, depend.conditions)).toBe(true)
        }
      }),
      runs,
    )
  })

  test('only tasks without an order are decided about, each with a reason; none stays without a way on', () => {
    fc.assert(
      fc.property(arbitraryRun(), (state) => {
        const outcome = advance(state, 10)
        const after = saved(state, outcome)
        for (const task of outcome.tasks) {
          expect(task.reason).toBeDefined()
          expect(state.executorTasks.some((order) => order.runTaskId === task.id)).toBe(false)
        }
        if (outcome.run.phase !== 'running') return
        const ready = new Set(outcome.ready.map((task) => task.taskId))
        const ordered = new Set(state.executorTasks.map((order) => order.runTaskId))
        const waiting = waitingReasons(after)
        for (const task of after.tasks)
          if (task.status === 'notstarted' && !ordered.has(task.id))
            expect([task.id, ready.has(task.id)]).toEqual([task.id, !waiting.has(task.id)])
      }),
      runs,
    )
  })

  test('a task that ended does not wait for approval', () => {
    fc.assert(
      fc.property(arbitraryRun(), (state) => {
        for (const task of saved(state, advance(state, 10)).tasks)
          if (isFinishedTask(task.status)) expect(task.waitingApproval).toBe(false)
      }),
      runs,
    )
  })
})

describe('advancing from what changed', () => {
  /** A run that was advanced, then changed in some tasks: their ids with it. */
  const arbitraryNews = fc
    .record({
      state: arbitraryRun(),
      news: fc.array(fc.record({ of: fc.nat(), kind: fc.nat(9) }), { minLength: 1, maxLength: 3 }),
      stop: fc.nat(9).map((n) => n === 0),
    })
    .map(({ state, news, stop }) => {
      const first = advance(state, 10)
      const before = saved(state, first)
      const ready = new Set(first.ready.map((task) => task.taskId))
      const changed = new Set<string>()
      let next = before
      for (const { of, kind } of news) {
        const task = next.tasks[of % Math.max(1, next.tasks.length)]
        if (task === undefined || changed.has(task.id)) continue
        const after = changedBy(next, task, { kind, isReady: ready.has(task.id) })
        if (after === next) continue
        next = after
        changed.add(task.id)
      }
      return { ready, changed, state: { ...next, run: stop ? { ...next.run, stop } : next.run } }
    })

  function changedBy(
    state: RunState,
    task: RunTask,
    { kind, isReady }: { readonly kind: number; readonly isReady: boolean },
  ): RunState {
    const order = state.executorTasks.find((one) => one.runTaskId === task.id)
    const withOrders = (executorTasks: RunState['executorTasks'], fields: Partial<RunTask>) => ({
      ...state,
      executorTasks,
      tasks: state.tasks.map((one) => (one === task ? { ...task, ...fields } : one)),
    })
    if (order !== undefined) {
      const others = state.executorTasks.filter((one) => one !== order)
      if (isFinishedTask(task.status)) return withOrders(others, {})
      const ends = ['success', 'success', 'success', 'failed', 'stopped'] as const
      const status = ends[kind]
      return status === undefined
        ? withOrders(state.executorTasks, { status: 'running' })
        : withOrders(others, { status, endedAt: 11 })
    }
    if (task.waitingApproval) return withOrders(state.executorTasks, { waitingApproval: false, approved: true })
    if (isReady && kind > 4)
      return withOrders([...state.executorTasks, { ...anOrder('x'), id: `${task.id}.1`, runTaskId: task.id }], {})
    return state
  }

  test('comes to the same as advancing the whole', () => {
    let compared = 0
    fc.assert(
      fc.property(arbitraryNews, ({ state, changed, ready }) => {
        const whole = advance(state, 20)
        const { ready: becameReady, ...rest } = advanceFrom(accessTo(state), [...changed], 20)
        const { ready: allReady, ...expected } = whole
        expect(rest).toEqual(expected)
        const found = new Set(becameReady.map((task) => task.taskId))
        for (const { taskId } of allReady) expect(found.has(taskId) || ready.has(taskId)).toBe(true)
        for (const one of becameReady) expect(allReady).toContainEqual(one)
        if (changed.size > 0 && state.run.phase === 'running') compared++
      }),
      { numRuns: 2_000 },
    )
    expect(compared).toBeGreaterThan(500)
  })

  test('reads what depends on it and the parents of that, not the run', () => {
    const specs = Array.from({ length: 1_000 }, (_, index): [string, TaskSpec] => [
      `t${index}`,
      index < 500 ? { is: 'running' } : { after: { [`t${index - 500}`]: 'S' } },
    ])
    const state = withTask(aRun(Object.fromEntries(specs)), 't7', { status: 'success' })
    const access = accessTo(state)
    expect(summary(advanceFrom(access, [aTaskId('t7')], 20))).toMatchObject({ ready: ['t507'], tasks: {}, events: [] })
    expect(access.read()).toBeLessThan(10)
  })

  test('skips a chain to its end and ends the run', () => {
    const state = aRun({ A: { is: 'failed', ignoreFailure: true }, B: { after: { A: 'S' } }, C: { after: { B: 'S' } } })
    expect(summary(advanceFrom(accessTo(state), ['A-id'], 20))).toMatchObject({
      phase: 'finished',
      result: 'success',
      tasks: { B: 'skipped', C: 'skipped' },
      events: ['running/success', 'finished/success'],
    })
  })

  test('does not know tasks of other runs', () => {
    expect(() => advanceFrom(accessTo(aRun({ A: {} })), ['Z-id'], 20)).toThrow(/none of run/)
  })
})

test.each(['queued', 'cancelled', 'setuperror', 'finished'] as const)('a run that is %s is left alone', (phase) => {
  const state = aRun({ A: {}, B: { is: 'failed' } }, { phase })
  expect(advance(state, 10)).toEqual({ run: state.run, tasks: [], ready: [], stops: [], events: [] })
  expect(round(state, 10)).toEqual({ run: state.run, tasks: [], ready: [], stops: [], events: [] })
})

test('a skipped task names the first dependency that was not satisfied', () => {
  const state = aRun({
    A: { is: 'success' },
    B: { is: 'skipped' },
    C: { is: 'stopped' },
    D: { after: { A: 'S', B: 'S', C: 'S' } },
  })
  expect(advance(state, 10).tasks[0]!.reason).toEqual({ kind: 'skipped_dependency', task: 'B', outcome: 'skipped' })
})

test('tasks of a queued run wait for their dependencies, those of an ended run for nothing', () => {
  const specs = { A: {}, B: { after: { A: 'S' } } } as const
  const waiting = (phase: Run['phase']) => [...waitingReasons(aRun(specs, { phase }))]
  expect(waiting('queued')).toEqual([['B-id', { kind: 'waiting_dependencies', tasks: ['A'] }]])
  expect(waiting('cancelled')).toEqual([])
})

test('a run names the task that failed first', () => {
  const state = aRun({ A: { is: 'failed' }, B: { is: 'failed' } })
  const tasks = state.tasks.map((task) => (task.id === aTaskId('A') ? { ...task, endedAt: 9 } : task))
  expect(advance({ ...state, tasks }, 10).run.reason).toEqual({ kind: 'task_failed', task: 'B' })
})

test('a task whose when did not match is skipped even when its row does not say so yet', () => {
  const state = aRun({ A: { skip: true, is: 'notstarted' } })
  expect(advanced(state)).toMatchObject({ result: 'success', tasks: { A: 'skipped' } })
  expect(advance(state, 10).tasks[0]!.reason).toEqual({
    kind: 'skipped_when',
    rule: 'branch main',
    ref: 'refs/heads/x',
  })
})

test('an order that is asked to stop, or has ended, is not asked again', () => {
  const state = aRun({ A: { is: 'running', order: true }, B: { is: 'success', order: true } }, { stop: true })
  const outcome = advance(state, 10)
  expect(outcome.stops.map((order) => [order.id, order.stop])).toEqual([['A-id.1', true]])
  expect(advance(saved(state, outcome), 10).stops).toEqual([])
})

test('the result is told before the end, also when both are known at once', () => {
  expect(advanced(aRun({ A: { is: 'failed' } })).events).toEqual(['running/failed', 'finished/failed'])
})

test('rows that do not fit the run config are a bug that is not hidden', () => {
  const state = aRun({ A: {} })
  expect(() => advance({ ...state, tasks: [] }, 10)).toThrow(/lacks tasks/)
  expect(() => advance({ ...state, tasks: [aRunTask('Z')] }, 10)).toThrow(/has no task Z-id/)
  expect(() => advance({ ...state, tasks: [...state.tasks, ...state.tasks] }, 10)).toThrow(/twice/)
})

test('a chain of 10,000 skips is decided at once', () => {
  const names = Array.from({ length: 10_000 }, (_, index) => `t${index}`)
  const state = aRun(
    Object.fromEntries(
      names.map((name, index) => [name, index === 0 ? { is: 'failed' } : { after: { [`t${index - 1}`]: 'S' } }]),
    ),
  )
  const outcome = advance(state, 10)
  expect(outcome.tasks).toHaveLength(9_999)
  expect(outcome.run).toMatchObject({ phase: 'finished', result: 'failed' })
})
