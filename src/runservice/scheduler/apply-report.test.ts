import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { TaskReport } from '../executor-api.ts'
import { isFinishedTask, type StepPhase, stepPhases, type TaskStatus, taskStatuses } from '../types.ts'
import { applyReport, mayBecome, type ReportInput } from './apply-report.ts'
import { executorTaskId, failLostTask, handOut } from './hand-out.ts'
import { anOrder, aRunRow, aRunTask } from './run-fixture.ts'

const aReport = (fields: Partial<TaskReport> = {}): TaskReport => ({
  executorTaskId: 'A-id.1',
  number: 1,
  phase: 'running',
  timedOut: false,
  setupStep: { phase: 'running' },
  steps: [],
  ...fields,
})

const apply = (report: Partial<TaskReport>, input: Partial<ReportInput> = {}) =>
  applyReport({
    executorId: 'x1',
    executorTask: anOrder('A'),
    task: aRunTask('A'),
    report: aReport(report),
    now: 100,
    ...input,
  })

const taskOf = (outcome: ReturnType<typeof apply>) => {
  if (outcome.kind !== 'applied') throw new Error(`not applied: ${JSON.stringify(outcome)}`)
  return outcome.task
}

describe('transitions', () => {
  const allowed: Readonly<Record<StepPhase, readonly TaskStatus[]>> = {
    notstarted: ['notstarted'],
    cancelled: ['notstarted', 'cancelled'],
    running: ['notstarted', 'running'],
    stopped: ['notstarted', 'running', 'stopped'],
    success: ['notstarted', 'running', 'success'],
    failed: ['notstarted', 'running', 'failed'],
  }
  const cases = stepPhases.flatMap((to) =>
    taskStatuses.map((from) => [from, to, allowed[to].includes(from) ? 'applied' : 'refused'] as const),
  )
  test.each(cases)('a task that is %s and is reported %s: %s', (from, to, kind) => {
    const task = { ...aRunTask('A'), status: from }
    const outcome = apply({ phase: to, setupStep: { phase: 'notstarted' } }, { task })
    expect(outcome.kind).toBe(kind)
    if (outcome.kind === 'refused') expect(outcome.code).toBe('status_impossible')
    if (outcome.kind === 'applied') expect(outcome.task.status).toBe(to)
  })
})

describe('who and when', () => {
  test('numbers that are not higher than the last are known', () => {
    const executorTask = { ...anOrder('A'), lastStatus: 5 }
    expect(apply({ number: 5 }, { executorTask })).toEqual({ kind: 'known' })
    expect(apply({ number: 1, phase: 'failed' }, { executorTask })).toEqual({ kind: 'known' })
    expect(apply({ number: 9 }, { executorTask })).toMatchObject({ kind: 'applied', executorTask: { lastStatus: 9 } })
  })

  test.each([0, -1, 1.5, Number.NaN])('the number %s is none', (number) => {
    expect(apply({ number }).kind).toBe('refused')
  })

  test('a report about an order that is not there, or not the sender’s, is answered with gone', () => {
    expect(apply({}, { executorTask: undefined })).toEqual({ kind: 'gone' })
    expect(apply({}, { task: undefined })).toEqual({ kind: 'gone' })
    expect(apply({}, { executorId: 'x2' })).toEqual({ kind: 'gone' })
    expect(apply({ executorTaskId: 'B-id.1' })).toEqual({ kind: 'gone' })
    expect(apply({}, { task: aRunTask('B') })).toEqual({ kind: 'gone' })
  })
})

describe('what is applied', () => {
  test('a start: phase, times and steps; the order stays', () => {
    const outcome = apply({ startedAt: 50, setupStep: { phase: 'running', startedAt: 50 } })
    expect(outcome).toMatchObject({
      kind: 'applied',
      task: { status: 'running', startedAt: 50, setupStep: { phase: 'running', startedAt: 50 }, executorId: 'x1' },
      executorTask: { phase: 'running', lastStatus: 1 },
    })
    expect(taskOf(outcome)).not.toHaveProperty('endedAt')
  })

  test('a start without time counts from now', () => {
    expect(taskOf(apply({})).startedAt).toBe(100)
  })

  test('an end: the order is to go; times that are set stay', () => {
    const running = taskOf(apply({ startedAt: 50, setupStep: { phase: 'running', startedAt: 50 } }))
    const outcome = apply(
      {
        number: 2,
        phase: 'success',
        startedAt: 1,
        endedAt: 90,
        setupStep: { phase: 'success', startedAt: 1, endedAt: 60 },
        steps: [{ phase: 'success', exitStatus: 0, startedAt: 60, endedAt: 90 }],
      },
      { task: running },
    )
    expect(outcome).toMatchObject({
      task: {
        status: 'success',
        startedAt: 50,
        endedAt: 90,
        setupStep: { startedAt: 50, endedAt: 60 },
        steps: [{ exitStatus: 0, startedAt: 60, endedAt: 90 }],
      },
    })
    expect(outcome).toHaveProperty('executorTask', undefined)
    expect(taskOf(outcome)).not.toHaveProperty('reason')
  })

  test('fewer steps than the task has say nothing about the others; more are refused', () => {
    const task = aRunTask('A', { savesWorkspace: true })
    expect(taskOf(apply({ steps: [{ phase: 'running' }] }, { task })).steps.map((step) => step.phase)).toEqual([
      'running',
      'notstarted',
    ])
    const three = Array.from({ length: 3 }, () => ({ phase: 'notstarted' as const }))
    expect(apply({ steps: three }, { task })).toMatchObject({ kind: 'refused', code: 'status_impossible' })
  })

  test('a step does not go back', () => {
    const task = { ...aRunTask('A', { is: 'running' }), steps: [{ phase: 'failed' as const }] }
    const setupStep = { phase: 'success' as const }
    expect(apply({ setupStep, steps: [{ phase: 'running' }] }, { task }).kind).toBe('refused')
    expect(apply({ setupStep: { phase: 'running' }, steps: [] }, { task }).kind).toBe('refused')
    expect(apply({ setupStep, steps: [{ phase: 'failed' }] }, { task }).kind).toBe('applied')
  })

  test('a timeout, and what a step said before, are kept', () => {
    const reason = { kind: 'out_of_memory' } as const
    const task = { ...aRunTask('A', { is: 'running' }), steps: [{ phase: 'failed' as const, reason }] }
    const report = {
      phase: 'failed',
      timedOut: true,
      setupStep: { phase: 'success' },
      steps: [{ phase: 'failed' }],
    } as const
    expect(taskOf(apply(report, { task }))).toMatchObject({
      timedOut: true,
      steps: [{ phase: 'failed', reason }],
      reason,
    })
  })

  test('nothing runs on in a task that ended', () => {
    const task = taskOf(
      apply({ phase: 'failed', setupStep: { phase: 'success' }, steps: [{ phase: 'running' }], endedAt: 70 }),
    )
    expect(task.steps).toEqual([{ phase: 'failed', endedAt: 70 }])
  })
})

describe('reasons', () => {
  test.each([
    ['the report’s own first', { phase: 'failed', reason: { kind: 'pod_lost' } }, { kind: 'pod_lost' }],
    ['a stop', { phase: 'stopped' }, { kind: 'stopped' }],
    ['a cancelled order', { phase: 'cancelled', setupStep: { phase: 'notstarted' } }, { kind: 'cancelled_stop' }],
    [
      'the exit status of the step that failed',
      { phase: 'failed', setupStep: { phase: 'success' }, steps: [{ phase: 'failed', exitStatus: 3 }] },
      { kind: 'failed_exit', step: 0, code: 3 },
    ],
    [
      'the reason of the step that failed',
      {
        phase: 'failed',
        setupStep: { phase: 'success' },
        steps: [{ phase: 'failed', reason: { kind: 'out_of_memory' } }],
      },
      { kind: 'out_of_memory' },
    ],
    [
      'a step that failed without saying why',
      { phase: 'failed', setupStep: { phase: 'success' }, steps: [{ phase: 'failed' }] },
      { kind: 'failed_step', step: 0, message: 'step 0 failed' },
    ],
    [
      'a failed setup',
      { phase: 'failed', setupStep: { phase: 'failed' } },
      { kind: 'failed_setup', message: 'the setup failed' },
    ],
    [
      'the reason of the setup',
      { phase: 'failed', setupStep: { phase: 'failed', reason: { kind: 'image_pull', image: 'i', answer: '404' } } },
      { kind: 'image_pull', image: 'i', answer: '404' },
    ],
  ] as const)('%s', (_, report, reason) => {
    expect(taskOf(apply(report)).reason).toEqual(reason)
  })

  test('a task that goes on has none', () => {
    const task = { ...aRunTask('A'), reason: { kind: 'waiting_slot', executors: [], limit: 1 } as const }
    expect(taskOf(apply({}, { task }))).not.toHaveProperty('reason')
  })
})

test('whatever is reported, a task that ended stays as it ended', () => {
  const phase = fc.constantFrom(...stepPhases)
  const step = fc.record({ phase, startedAt: fc.nat(), endedAt: fc.nat() })
  const report = fc.record({
    number: fc.integer({ min: 1, max: 5 }),
    phase,
    setupStep: step,
    steps: fc.array(step, { maxLength: 2 }),
  })
  fc.assert(
    fc.property(fc.array(report, { maxLength: 12 }), (reports) => {
      let task = aRunTask('A')
      let executorTask: ReportInput['executorTask'] = anOrder('A')
      for (const fields of reports) {
        const outcome = apply(fields, { task, executorTask })
        if (outcome.kind !== 'applied') continue
        expect(isFinishedTask(task.status)).toBe(false)
        expect(mayBecome(task.status, outcome.task.status as StepPhase)).toBe(true)
        expect(outcome.executorTask === undefined).toBe(isFinishedTask(outcome.task.status))
        for (const time of ['startedAt', 'endedAt'] as const)
          if (task[time] !== undefined) expect(outcome.task[time]).toBe(task[time])
        ;({ task, executorTask } = outcome)
      }
      if (!isFinishedTask(task.status)) return
      expect(task.endedAt).toBeDefined()
      expect([task.setupStep, ...task.steps].map((one) => one.phase)).not.toContain('running')
    }),
    { numRuns: 500 },
  )
})

describe('orders', () => {
  test('a task is handed out with an order named after it', () => {
    const waiting = { ...aRunTask('A'), reason: { kind: 'waiting_slot', executors: ['x1'], limit: 1 } as const }
    const { task, executorTask } = handOut(aRunRow(), waiting, { executorId: 'x9', attempt: 2, now: 77 })
    expect(task).toEqual({ ...aRunTask('A'), executorId: 'x9' })
    expect(executorTask).toEqual({
      id: executorTaskId('A-id', 2),
      runId: 'run-1',
      runTaskId: 'A-id',
      runConfigId: 'config-1',
      executorId: 'x9',
      stop: false,
      phase: 'notstarted',
      lastStatus: 0,
      createdAt: 77,
    })
    expect(executorTask.id).toBe('A-id.2')
  })

  test('a task that started or belongs to another run is not handed out', () => {
    const to = { executorId: 'x1', attempt: 1, now: 1 }
    expect(() => handOut(aRunRow(), aRunTask('A', { is: 'running' }), to)).toThrow(/cannot be handed out/)
    expect(() => handOut(aRunRow({ id: 'other' }), aRunTask('A'), to)).toThrow(/cannot be handed out/)
  })

  test('losing the executor ends all that was running, the setup included, and nothing else', () => {
    const task = {
      ...aRunTask('A', { is: 'running' }),
      setupStep: { phase: 'running' as const, startedAt: 5 },
      steps: [
        { phase: 'success' as const, endedAt: 6 },
        { phase: 'running' as const },
        { phase: 'notstarted' as const },
      ],
    }
    expect(failLostTask(task, { executorId: 'x1', now: 90 })).toMatchObject({
      status: 'failed',
      endedAt: 90,
      setupStep: { phase: 'failed', startedAt: 5, endedAt: 90 },
      steps: [{ phase: 'success', endedAt: 6 }, { phase: 'failed', endedAt: 90 }, { phase: 'notstarted' }],
      reason: { kind: 'executor_lost', executorId: 'x1' },
    })
    const done = aRunTask('A', { is: 'success' })
    expect(failLostTask(done, { executorId: 'x1', now: 90 })).toBe(done)
  })
})
