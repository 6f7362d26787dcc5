// The worked scheduling scenarios by their numbers: rows between are tested against `round`, ends against `advance`.

import { describe, expect, test } from 'vitest'
import type { Executor } from '../types.ts'
import { approveTask, cancelRun, startRun, stopRun } from './actions.ts'
import { advance, round, waitingReasons } from './advance.ts'
import { applyReport } from './apply-report.ts'
import { ExecutorPool } from './executor-pool.ts'
import { buildGraph } from './graph.ts'
import { groupOrder } from './group-order.ts'
import { failLostTask } from './hand-out.ts'
import { place } from './place.ts'
import { ReadyQueue } from './ready-queue.ts'
import { requirementOf } from './requirement.ts'
import { restartRun } from './restart-run.ts'
import {
  aConfigTask,
  advanced,
  anOrder,
  aRun,
  aRunRow,
  aRunTask,
  aTaskId,
  handedOut,
  rounds,
  type Summary,
  saved,
  summary,
  withTask,
} from './run-fixture.ts'

/** What the rounds decide one after the other, without the last one, which changes nothing. */
const roundsOf = (state: Parameters<typeof rounds>[0]): readonly Summary[] => rounds(state).rounds.map(summary)

const reasonOf = (state: Parameters<typeof advance>[0], name: string) => {
  const after = saved(state, advance(state, 10))
  return after.tasks.find((task) => task.id === aTaskId(name))?.reason
}

describe('dependencies', () => {
  test('1: the root is handed out, its child waits', () => {
    const state = aRun({ A: {}, B: { after: { A: 'S' } } })
    expect(advanced(state)).toMatchObject({ ready: ['A'], tasks: {}, result: 'unknown' })
    expect(waitingReasons(state).get('B-id')).toEqual({ kind: 'waiting_dependencies', tasks: ['A'] })
  })

  test('2: after success of its parent a task is handed out, whether or not the parent still has an order', () => {
    for (const order of [true, false])
      expect(advanced(aRun({ A: { is: 'success', order }, B: { after: { A: 'S' } } })).ready).toEqual(['B'])
  })

  test('3: archives are stored before a task ends, so its child need not wait for them', () => {
    // The reference waits here until a collector has fetched them; an end that is reported includes them.
    expect(advanced(aRun({ A: { is: 'success', savesWorkspace: true }, B: { after: { A: 'S' } } })).ready).toEqual([
      'B',
    ])
    expect(
      advanced(aRun({ A: { is: 'running', savesWorkspace: true, order: true }, B: { after: { A: 'S' } } })),
    ).toMatchObject({ ready: [], tasks: {} })
  })

  test('4: a failure sets the result and skips the child; the run ends when the order is gone', () => {
    const state = aRun({ A: { is: 'failed', order: true }, B: { after: { A: 'S' } } })
    const [first, second] = roundsOf(state)
    expect(first).toMatchObject({
      result: 'failed',
      phase: 'running',
      tasks: { B: 'skipped' },
      events: ['running/failed'],
    })
    expect(second).toMatchObject({ phase: 'running', tasks: {}, events: [] })
    expect(reasonOf(state, 'B')).toEqual({ kind: 'skipped_dependency', task: 'A', outcome: 'failed' })

    const collected = { ...saved(state, advance(state, 10)), executorTasks: [] }
    expect(advanced(collected)).toMatchObject({ phase: 'finished', events: ['finished/failed'] })
    expect(advance(collected, 77).run).toMatchObject({ endedAt: 77, reason: { kind: 'task_failed', task: 'A' } })
  })

  test('5: a failure that is ignored keeps the result open, but does not satisfy on_success', () => {
    const state = aRun({ A: { is: 'failed', ignoreFailure: true }, B: { after: { A: 'S' } } })
    const [first, second, third] = roundsOf(state)
    expect(first).toMatchObject({ result: 'unknown', tasks: { B: 'skipped' }, events: [] })
    expect(second).toMatchObject({ result: 'success', phase: 'running', events: ['running/success'] })
    expect(third).toMatchObject({ phase: 'finished', events: ['finished/success'] })
    expect(advanced(state)).toMatchObject({ phase: 'finished', events: ['running/success', 'finished/success'] })
  })

  test('6: on_success or on_failure is satisfied by a failure', () => {
    expect(advanced(aRun({ A: { is: 'failed', ignoreFailure: true }, B: { after: { A: 'SF' } } }))).toMatchObject({
      result: 'unknown',
      ready: ['B'],
    })
  })

  test('7: a cleanup runs in the failed run, whose result stays', () => {
    const state = aRun({ A: { is: 'failed' }, C: { after: { A: 'F' } } })
    expect(advanced(state)).toMatchObject({ result: 'failed', phase: 'running', ready: ['C'] })
    const cleaned = withTask(handedOut(state, advance(state, 10)), 'C', { status: 'success' })
    expect(advanced(cleaned)).toMatchObject({ result: 'failed', phase: 'finished', events: ['finished/failed'] })
  })

  test('8: a result cancels a root without order; what depends on it is skipped one round later', () => {
    const state = aRun({ A: { is: 'failed', order: true }, D: {}, E: { after: { D: 'S' } } })
    const [first, second] = roundsOf(state)
    expect(first).toMatchObject({ result: 'failed', tasks: { D: 'cancelled' } })
    expect(second).toMatchObject({ tasks: { E: 'skipped' } })
    expect(advanced(state).tasks).toEqual({ D: 'cancelled', E: 'skipped' })
    expect(reasonOf(state, 'D')).toEqual({ kind: 'run_has_result', result: 'failed' })
  })

  test('9: a root that was handed out is left alone', () => {
    const state = aRun({ A: { is: 'failed', order: true }, D: { order: true }, E: { after: { D: 'S' } } })
    expect(advanced(state)).toMatchObject({ result: 'failed', tasks: {}, ready: [], stops: [] })
  })

  test('10: a result cancels roots only: the child of a success is still executed', () => {
    const state = aRun({ A: { is: 'failed' }, D: { is: 'success' }, E: { after: { D: 'S' } } }, { result: 'failed' })
    expect(advanced(state)).toMatchObject({ tasks: {}, ready: ['E'] })
  })

  test('11: all parents must satisfy', () => {
    const state = aRun({ A: { is: 'success' }, B: { is: 'failed' }, F: { after: { A: 'S', B: 'S' } } })
    expect(advanced(state)).toMatchObject({ result: 'failed', tasks: { F: 'skipped' } })
    expect(reasonOf(state, 'F')).toEqual({ kind: 'skipped_dependency', task: 'B', outcome: 'failed' })
  })

  test('12: nothing is decided before all parents are finished', () => {
    for (const A of ['success', 'failed'] as const) {
      const state = aRun({
        A: { is: A, ignoreFailure: true },
        B: { is: 'running', order: true },
        F: { after: { A: 'S', B: 'S' } },
      })
      expect(advanced(state)).toMatchObject({ tasks: {}, ready: [] })
    }
  })

  test('13: a handler whose failure did not happen is skipped, and the run succeeds', () => {
    const state = aRun({ A: { is: 'success' }, B: { is: 'success' }, F: { after: { A: 'S', B: 'F' } } })
    expect(roundsOf(state)).toMatchObject([
      { result: 'unknown', tasks: { F: 'skipped' } },
      { result: 'success', phase: 'running' },
      { result: 'success', phase: 'finished' },
      { events: [] },
    ])
  })

  test('14: a chain of skips advances one task per round, and all the way at once', () => {
    const state = aRun({
      A: { skip: true },
      B: { after: { A: 'S' } },
      C: { after: { B: 'S' } },
      D: { after: { A: 'K' } },
    })
    const [first, second] = roundsOf(state)
    expect(first).toMatchObject({ tasks: { B: 'skipped' }, ready: ['D'] })
    expect(second).toMatchObject({ tasks: { C: 'skipped' }, ready: ['D'] })
    expect(advanced(state)).toMatchObject({ tasks: { B: 'skipped', C: 'skipped' }, ready: ['D'] })
  })

  test('15: nobody waits for archives of a skipped task, which cannot exist', () => {
    expect(advanced(aRun({ A: { skip: true, savesWorkspace: true }, D: { after: { A: 'K' } } })).ready).toEqual(['D'])
  })

  test('16: a task may be handed out in the very round that skipped its parent', () => {
    const state = aRun({ A: { is: 'failed' }, B: { after: { A: 'S' } }, C: { after: { B: 'K' } } })
    expect(summary(round(state, 10))).toMatchObject({ result: 'failed', tasks: { B: 'skipped' }, ready: ['C'] })
  })

  test('17: a handler that needs approval asks for it in the round after', () => {
    const state = aRun({ A: { is: 'failed' }, B: { after: { A: 'S' } }, C: { after: { B: 'K' }, approval: 'needed' } })
    const [first, second] = roundsOf(state)
    expect(first).toMatchObject({ result: 'failed', tasks: { B: 'skipped' }, ready: [] })
    expect(second).toMatchObject({ tasks: { C: 'waiting_approval' }, ready: [] })
  })

  test('18: nor for archives of a task that is skipped now', () => {
    const state = aRun({
      A: { is: 'failed' },
      B: { after: { A: 'S' }, savesWorkspace: true },
      C: { after: { B: 'K' } },
    })
    expect(advanced(state)).toMatchObject({ tasks: { B: 'skipped' }, ready: ['C'] })
  })
})

describe('approval', () => {
  test('19: a root waits for approval, then is handed out', () => {
    const state = aRun({ A: { approval: 'needed' } })
    expect(advanced(state)).toMatchObject({ tasks: { A: 'waiting_approval' }, ready: [] })
    expect(reasonOf(state, 'A')).toEqual({ kind: 'waiting_approval' })
    const waiting = saved(state, advance(state, 10))
    const approved = { ...waiting, tasks: [approveTask(waiting.run, waiting.tasks[0]!, 'ada')] }
    expect(advanced(approved)).toMatchObject({ tasks: {}, ready: ['A'] })
    expect(approved.tasks[0]).toMatchObject({ approvers: ['ada'], approved: true, waitingApproval: false })
    expect(approved.tasks[0]).not.toHaveProperty('reason')
  })

  test('20: approval is never asked for what is skipped', () => {
    const state = aRun({ A: { is: 'failed' }, B: { after: { A: 'S' }, approval: 'needed' } })
    expect(advanced(state).tasks).toEqual({ B: 'skipped' })
  })

  test('21: a root cancelled by the result waits for approval no more', () => {
    const state = aRun({ A: { is: 'failed' }, G: { approval: 'waiting' } })
    expect(advanced(state)).toMatchObject({ result: 'failed', phase: 'finished', tasks: { G: 'cancelled' } })
  })

  test.each(['needed', 'waiting'] as const)('22: a result skips a task whose approval is %s', (approval) => {
    const state = aRun({ A: { is: 'failed' }, D: { is: 'success' }, H: { after: { D: 'S' }, approval } })
    expect(advanced(state)).toMatchObject({ result: 'failed', phase: 'finished', tasks: { H: 'skipped' } })
    expect(reasonOf(state, 'H')).toEqual({ kind: 'run_has_result', result: 'failed' })
  })

  test.each(['SF', 'SK', 'SFK'] as const)('22: but not a handler (%s)', (conditions) => {
    const state = aRun({
      A: { is: 'failed' },
      D: { is: 'success' },
      H: { after: { D: conditions }, approval: 'needed' },
    })
    expect(advanced(state)).toMatchObject({ result: 'failed', phase: 'running', tasks: { H: 'waiting_approval' } })
  })

  test('22: nor one that was approved', () => {
    const state = aRun({ A: { is: 'failed' }, D: { is: 'success' }, H: { after: { D: 'S' }, approval: 'given' } })
    expect(advanced(state)).toMatchObject({ result: 'failed', ready: ['H'] })
  })
})

describe('stop', () => {
  test('23: what was not handed out is skipped, what was is asked to stop', () => {
    const running = aRun({ A: { is: 'running', order: true }, B: { after: { A: 'S' } }, D: {} })
    const state = { ...running, run: stopRun(running.run, running.tasks, { by: 'ada' }).run }
    expect(advanced(state)).toMatchObject({
      result: 'stopped',
      phase: 'running',
      tasks: { B: 'skipped', D: 'skipped' },
      stops: ['A'],
      ready: [],
      events: ['running/stopped'],
    })
    const stopped = withTask(saved(state, advance(state, 10)), 'A', { status: 'stopped' })
    expect(advanced(stopped)).toMatchObject({ result: 'stopped', phase: 'finished', events: ['finished/stopped'] })
    expect(advance(stopped, 10).run.reason).toEqual({ kind: 'stopped', by: 'ada' })
  })

  test('24: an order not yet executed is asked to stop, and answers cancelled', () => {
    const state = aRun({ D: { order: true } }, { stop: true })
    expect(advanced(state)).toMatchObject({ tasks: {}, stops: ['D'], result: 'stopped' })
    const outcome = applyReport({
      executorId: 'x1',
      executorTask: anOrder('D'),
      task: aRunTask('D'),
      report: {
        executorTaskId: 'D-id.1',
        number: 1,
        phase: 'cancelled',
        timedOut: false,
        setupStep: { phase: 'notstarted' },
        steps: [],
      },
      now: 20,
    })
    expect(outcome).toMatchObject({
      kind: 'applied',
      task: { status: 'cancelled', reason: { kind: 'cancelled_stop' } },
    })
  })

  test('25: a stop that comes when all is done changes nothing', () => {
    const state = aRun({ A: { is: 'success' } }, { stop: true, reason: { kind: 'stopped', by: 'ada' } })
    expect(advanced(state)).toMatchObject({ result: 'success', phase: 'finished' })
    expect(advance(state, 10).run).not.toHaveProperty('reason')
  })

  test('26: a failure seen together with a stop is the result; orders are asked to stop all the same', () => {
    const state = aRun({ A: { is: 'failed' }, D: { is: 'running', order: true } }, { stop: true })
    expect(advanced(state)).toMatchObject({ result: 'failed', stops: ['D'] })
  })
})

describe('ends', () => {
  test('27: a run without tasks succeeds', () => {
    expect(roundsOf(aRun({}))).toMatchObject([
      { result: 'success', phase: 'running' },
      { result: 'success', phase: 'finished' },
      { events: [] },
    ])
  })

  test.each(['cancelled', 'stopped'] as const)('28: no condition covers a parent that was %s', (is) => {
    const state = aRun({ D: { is }, X: { after: { D: 'SFK' } } })
    expect(advanced(state).tasks).toEqual({ X: 'skipped' })
    expect(reasonOf(state, 'X')).toEqual({ kind: 'skipped_dependency', task: 'D', outcome: is })
  })

  test('29: no conditions never match', () => {
    expect(advanced(aRun({ A: { is: 'success' }, B: { after: { A: '' } } })).tasks).toEqual({ B: 'skipped' })
  })

  test('30: a diamond with a handler on one side', () => {
    const state = aRun({
      A: { is: 'success' },
      B: { after: { A: 'S' } },
      C: { after: { A: 'F' } },
      Z: { after: { B: 'S', C: 'SK' } },
    })
    expect(advanced(state)).toMatchObject({ tasks: { C: 'skipped' }, ready: ['B'] })
    const built = withTask(handedOut(state, advance(state, 10)), 'B', { status: 'success' })
    expect(advanced(built)).toMatchObject({ tasks: {}, ready: ['Z'] })
  })
})

const anExecutor = (id: string, fields: Partial<Executor> = {}): Executor => ({
  id,
  state: 'connected',
  archs: ['amd64'],
  labels: {},
  allowPrivileged: false,
  drivers: ['docker'],
  taskLimit: 1,
  connectedAt: 0,
  ...fields,
})

const queueOf = (...names: readonly (readonly [string, Parameters<typeof aConfigTask>[1]])[]) => {
  const queue = new ReadyQueue()
  for (const [index, [name, spec]] of names.entries())
    queue.add(requirementOf(aConfigTask(name, spec)), {
      runId: 'run-1',
      taskId: aTaskId(name),
      project: 'p1',
      priority: 0,
      readySince: index,
    })
  return queue
}

describe('executors', () => {
  test('31: a task that no executor can serve holds up nobody', () => {
    const ready = queueOf(['P', { arch: 'arm64' }], ['Q', { arch: 'amd64' }])
    const placement = place({
      ready,
      executors: new ExecutorPool([anExecutor('x1')]),
      taken: new Map(),
      served: new Map(),
      nextTurn: 0,
    })
    expect(placement.assignments).toMatchObject([{ task: { taskId: 'Q-id' }, executorId: 'x1' }])
    expect([...placement.waiting.values()]).toEqual([
      { kind: 'waiting_executor', arch: 'arm64', labels: {}, privileged: false, matching: 0 },
    ])
  })

  test('32: an executor takes as many tasks as its limit says, and without a limit any number', () => {
    const ready = queueOf(['P', {}], ['Q', {}], ['R', {}])
    const placed = (taskLimit: number, taken: number) =>
      place({
        ready,
        executors: new ExecutorPool([anExecutor('x1', { taskLimit })]),
        taken: new Map([['x1', taken]]),
        served: new Map(),
        nextTurn: 0,
      })
    expect(placed(2, 2).assignments).toEqual([])
    expect([...placed(2, 2).waiting.values()]).toEqual([{ kind: 'waiting_slot', executors: ['x1'], limit: 2 }])
    expect(placed(2, 1).assignments).toHaveLength(1)
    expect(placed(0, 100).assignments).toHaveLength(3)
    expect(placed(0, 100).waiting.size).toBe(0)
  })

  test.each(['lost', 'draining'] as const)('33: an executor that is %s gets nothing', (state) => {
    const placement = place({
      ready: queueOf(['P', {}]),
      executors: new ExecutorPool([anExecutor('x1', { state })]),
      taken: new Map(),
      served: new Map(),
      nextTurn: 0,
    })
    expect(placement.assignments).toEqual([])
    expect([...placement.waiting.values()]).toMatchObject([{ kind: 'waiting_executor', matching: 0 }])
  })

  test.each([34, 35])('%i: the tasks of a lost executor fail, whatever its driver', () => {
    const state = aRun({ A: { is: 'running', order: true }, B: { after: { A: 'S' } } })
    const lost = failLostTask(state.tasks[0]!, { executorId: 'x1', lastSeenAt: 5, now: 95 })
    expect(lost).toMatchObject({
      status: 'failed',
      endedAt: 95,
      steps: [{ phase: 'failed', endedAt: 95 }],
      reason: { kind: 'executor_lost', executorId: 'x1', lastSeenAt: 5 },
    })
    expect(advanced(withTask(state, 'A', lost))).toMatchObject({
      result: 'failed',
      phase: 'finished',
      tasks: { B: 'skipped' },
    })
  })

  test('36: a timeout fails the task and the run', () => {
    const state = aRun({ A: { is: 'failed', timedOut: true }, B: { after: { A: 'S' } } })
    expect(advanced(state)).toMatchObject({ result: 'failed', all: { A: 'failed', B: 'skipped' } })
    expect(advance(state, 10).tasks[0]).toMatchObject({ id: 'B-id', timedOut: false })
  })

  const aReport = (fields: Partial<Parameters<typeof applyReport>[0]['report']>) => ({
    executorTaskId: 'A-id.1',
    number: 2,
    phase: 'running' as const,
    timedOut: false,
    setupStep: { phase: 'success' as const },
    steps: [],
    ...fields,
  })

  test('37: a late report changes neither status nor times', () => {
    const task = { ...aRunTask('A', { is: 'success' }), startedAt: 3, endedAt: 4 }
    const executorTask = { ...anOrder('A', { is: 'running' }), lastStatus: 2 }
    const late = applyReport({ executorId: 'x1', task, executorTask, report: aReport({ startedAt: 9 }), now: 20 })
    expect(late).toEqual({ kind: 'known' })
    const wrong = applyReport({
      executorId: 'x1',
      task,
      executorTask,
      report: aReport({ number: 3, startedAt: 9 }),
      now: 20,
    })
    expect(wrong).toMatchObject({ kind: 'refused', code: 'status_impossible' })
  })

  test('38: reports may be lost: a task may go straight to its end', () => {
    const outcome = applyReport({
      executorId: 'x1',
      task: aRunTask('A'),
      executorTask: anOrder('A'),
      report: aReport({ phase: 'success', startedAt: 7, endedAt: 9, steps: [{ phase: 'success', exitStatus: 0 }] }),
      now: 20,
    })
    expect(outcome).toMatchObject({ kind: 'applied', task: { status: 'success', startedAt: 7, endedAt: 9 } })
    expect(outcome).toHaveProperty('executorTask', undefined)
  })
})

describe('runs', () => {
  test('39: restarted from what failed, a run keeps the successes that do not come after it', () => {
    const specs = {
      A: { is: 'success' },
      B: { after: { A: 'S' }, is: 'failed' },
      C: { after: { B: 'S' }, is: 'skipped' },
      D: { is: 'success' },
    } as const
    const state = aRun(specs, { phase: 'finished', result: 'failed' })
    const again = restartRun(
      {
        run: state.run,
        tasks: state.tasks,
        configTasks: Object.entries(specs).map(([name, spec]) => aConfigTask(name, spec)),
        config: {
          id: 'config-1',
          name: 'build',
          group: '/project/p1/branch/main',
          setupErrors: [],
          annotations: {},
          staticEnvironment: {},
          environment: {},
          cacheGroup: '',
          trust: 'trusted',
        },
      },
      {
        fromStart: false,
        ids: { runId: 'run-2', runConfigId: 'config-2', sequence: 2, counter: 2 },
        newTaskId: (task) => `${task.name}2-id`,
        now: 50,
      },
    )
    expect(again.tasks.map(({ id, status }) => [id, status])).toEqual([
      ['A-id', 'success'],
      ['B2-id', 'notstarted'],
      ['C2-id', 'notstarted'],
      ['D-id', 'success'],
    ])
    const graph = buildGraph(again.configTasks)
    const started = { run: startRun(again.run, 60).run, tasks: again.tasks, graph, executorTasks: [] }
    expect(advanced(started).ready).toEqual(['B2'])
  })

  test('40: one run per group, in the order of creation', () => {
    const [m, x] = ['/project/1/branch/m', '/project/1/branch/x']
    const runs = [
      aRunRow({ id: 'r3', sequence: 3, counter: 3, group: m, phase: 'queued' }),
      aRunRow({ id: 'r4', sequence: 4, counter: 4, group: x, phase: 'queued' }),
      aRunRow({ id: 'r1', sequence: 1, counter: 1, group: m, phase: 'running' }),
      aRunRow({ id: 'r2', sequence: 2, counter: 2, group: m, phase: 'queued' }),
    ]
    const before = groupOrder(runs)
    expect(before.start).toEqual(['r4'])
    expect([...before.waiting]).toEqual([
      ['r2', { kind: 'waiting_run', counter: 1 }],
      ['r3', { kind: 'waiting_run', counter: 2 }],
    ])
    const after = groupOrder(runs.map((run) => (run.id === 'r1' ? { ...run, phase: 'finished' as const } : run)))
    expect(after.start).toEqual(['r2', 'r4'])
    expect([...after.waiting.keys()]).toEqual(['r3'])
  })

  test('41: a queued run that is cancelled has ended; its tasks never started', () => {
    const queued = aRun({ A: {} }, { phase: 'queued' })
    const { run, events } = cancelRun(queued.run, { by: 'ada', now: 9 })
    expect(run).toMatchObject({ phase: 'cancelled', result: 'unknown', endedAt: 9 })
    expect(events).toMatchObject([{ phase: 'cancelled', result: 'unknown' }])
    expect(advanced({ ...queued, run })).toMatchObject({ tasks: {}, ready: [], events: [], phase: 'cancelled' })
  })
})
