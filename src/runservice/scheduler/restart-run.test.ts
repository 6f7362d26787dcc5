import { describe, expect, test } from 'vitest'
import type { Run } from '../types.ts'
import { createRun } from './create-run.ts'
import { restartRefusal, restartRun } from './restart-run.ts'
import { aConfigTask, aRunRow, aRunTask, type TaskSpec } from './run-fixture.ts'

const aFinishedRun = (specs: Readonly<Record<string, TaskSpec>>, fields: Partial<Run> = {}) => {
  const configTasks = Object.entries(specs).map(([name, spec]) => aConfigTask(name, spec))
  const request = {
    name: 'build',
    group: '/project/p1/branch/main',
    tasks: configTasks,
    annotations: { branch: 'main' },
    staticEnvironment: { CI: 'true' },
    environment: { OLD: '1' },
    cacheGroup: 'mine',
    trust: 'fork' as const,
  }
  const created = createRun(request, { runId: 'run-1', runConfigId: 'config-1', sequence: 1, counter: 1 }, { now: 1 })
  return {
    run: {
      ...created.run,
      phase: 'finished',
      result: 'failed',
      stop: true,
      startedAt: 2,
      endedAt: 3,
      ...fields,
    } as Run,
    config: created.config,
    configTasks: created.configTasks,
    tasks: Object.entries(specs).map(([name, spec]) => aRunTask(name, spec)),
  }
}

const options = {
  fromStart: false,
  ids: { runId: 'run-2', runConfigId: 'config-2', sequence: 2, counter: 2 },
  newTaskId: (task: { readonly name: string }) => `${task.name}2-id`,
  now: 50,
}

const tasksOf = (run: ReturnType<typeof restartRun>) =>
  Object.fromEntries(run.tasks.map((task) => [task.id, task.status]))

describe('from what failed', () => {
  test('a success after a failure is executed again, unrelated successes are kept', () => {
    const old = aFinishedRun({
      one: { is: 'failed' },
      two: { after: { one: 'F' }, is: 'success' },
      three: { is: 'success' },
      four: { is: 'success' },
      five: { is: 'success' },
    })
    const again = restartRun(old, options)
    expect(tasksOf(again)).toEqual({
      'one2-id': 'notstarted',
      'two2-id': 'notstarted',
      'three-id': 'success',
      'four-id': 'success',
      'five-id': 'success',
    })
    expect(again.configTasks[1]!.depends).toEqual([{ taskId: 'one2-id', conditions: ['on_failure'] }])
    expect(again.tasks[2]).toEqual({ ...old.tasks[2]!, runId: 'run-2' })
  })

  test('what never started is executed again', () => {
    const old = aFinishedRun({ A: {}, B: { after: { A: 'S' } } }, { phase: 'cancelled', result: 'unknown' })
    expect(Object.keys(tasksOf(restartRun(old, options)))).toEqual(['A2-id', 'B2-id'])
  })

  test('what was skipped by its when is skipped again', () => {
    const again = restartRun(aFinishedRun({ A: { skip: true }, B: { is: 'failed' } }), options)
    expect(tasksOf(again)).toEqual({ 'A2-id': 'skipped', 'B2-id': 'notstarted' })
    expect(again.tasks[0]!.reason).toMatchObject({ kind: 'skipped_when' })
  })

  test('a success whose archives are gone is executed again, and what comes after it', () => {
    const old = aFinishedRun({
      A: { is: 'success', savesWorkspace: true },
      B: { after: { A: 'S' }, is: 'success' },
      C: { is: 'success' },
      D: { after: { B: 'S' }, is: 'failed' },
    })
    const again = restartRun(old, { ...options, lostArchives: new Set(['A-id']) })
    expect(Object.keys(tasksOf(again))).toEqual(['A2-id', 'B2-id', 'C-id', 'D2-id'])
  })
})

describe('from the start', () => {
  test('all is executed again', () => {
    const old = aFinishedRun({ A: { is: 'success' }, B: { after: { A: 'S' }, is: 'failed' } })
    const again = restartRun(old, { ...options, fromStart: true })
    expect(tasksOf(again)).toEqual({ 'A2-id': 'notstarted', 'B2-id': 'notstarted' })
    expect(again.configTasks.map((task) => task.id)).toEqual(['A2-id', 'B2-id'])
  })
})

test('the new run is queued anew and knows which one it repeats; its definition is kept', () => {
  const old = aFinishedRun({ A: { is: 'failed' } })
  const { run, config, events } = restartRun(old, options)
  expect(run).toEqual({
    id: 'run-2',
    sequence: 2,
    name: 'build',
    runConfigId: 'config-2',
    counter: 2,
    group: '/project/p1/branch/main',
    annotations: { branch: 'main' },
    phase: 'queued',
    result: 'unknown',
    stop: false,
    setupErrors: [],
    enqueuedAt: 50,
    restartOf: 'run-1',
  })
  expect(config).toEqual({ ...old.config, id: 'config-2' })
  expect(events).toMatchObject([{ phase: 'queued', result: 'unknown' }])
})

test('a new environment replaces the old one, not the static one', () => {
  const again = restartRun(aFinishedRun({ A: { is: 'failed' } }), {
    ...options,
    environment: { NEW: { secret: 'other' } },
  })
  expect(again.config).toMatchObject({
    staticEnvironment: { CI: 'true' },
    environment: { NEW: { secret: 'other' } },
  })
  expect(again.config.environment).not.toHaveProperty('OLD')
})

test.each([
  [{ phase: 'setuperror' }, true, 'its definition has errors'],
  [{ phase: 'queued' }, true, 'it is queued'],
  [{ phase: 'running', result: 'failed' }, false, 'it is running'],
  [{ phase: 'finished', result: 'success' }, false, 'nothing of it failed'],
  [{ phase: 'finished', result: 'success' }, true, undefined],
  [{ phase: 'finished', result: 'failed' }, false, undefined],
  [{ phase: 'finished', result: 'stopped' }, false, undefined],
  [{ phase: 'cancelled' }, false, undefined],
  [{ phase: 'cancelled' }, true, undefined],
] as const)('a run that is %o, from the start %s', (fields, fromStart, refusal) => {
  expect(restartRefusal(aRunRow(fields), { fromStart })).toBe(refusal)
  const restart = () => restartRun(aFinishedRun({ A: { is: 'failed' } }, fields), { ...options, fromStart })
  if (refusal === undefined) expect(restart().run.phase).toBe('queued')
  else expect(restart).toThrow(expect.objectContaining({ code: 'run_not_restartable' }))
})

test('an id is never used twice', () => {
  const old = aFinishedRun({ A: { is: 'failed' }, B: { is: 'failed' } })
  expect(() => restartRun(old, { ...options, newTaskId: () => 'same' })).toThrow(/used before/)
  expect(() => restartRun(old, { ...options, newTaskId: () => 'A-id' })).toThrow(/used before/)
})
