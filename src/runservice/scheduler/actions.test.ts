import { expect, test } from 'vitest'
import { approveTask, cancelRun, startRun, stopRun } from './actions.ts'
import { aRun, aRunRow, aRunTask } from './run-fixture.ts'

const code = (name: string) => expect.objectContaining({ code: name })

test('a queued run starts, once', () => {
  const queued = aRunRow({ phase: 'queued', reason: { kind: 'waiting_run', counter: 1 } })
  const { run, events } = startRun(queued, 30)
  expect(run).toMatchObject({ phase: 'running', startedAt: 30, result: 'unknown' })
  expect(run).not.toHaveProperty('reason')
  expect(events).toEqual([{ phase: 'running', result: 'unknown', run }])
  expect(() => startRun(run, 31)).toThrow(code('run_not_queued'))
})

test.each(['running', 'finished', 'cancelled', 'setuperror'] as const)(
  'a run that is %s cannot be cancelled',
  (phase) => {
    expect(() => cancelRun(aRunRow({ phase }), { now: 1 })).toThrow(code('run_not_queued'))
  },
)

test.each(['queued', 'finished', 'cancelled', 'setuperror'] as const)('a run that is %s cannot be stopped', (phase) => {
  expect(() => stopRun(aRunRow({ phase }), [])).toThrow(code('run_not_running'))
})

test('a stop takes approvals back that nobody gave, and is asked for once', () => {
  const state = aRun({ A: { approval: 'waiting' }, B: { approval: 'given' }, C: {} })
  const { run, tasks } = stopRun(state.run, state.tasks, { by: 'ada' })
  expect(run).toMatchObject({ stop: true, reason: { kind: 'stopped', by: 'ada' }, result: 'unknown' })
  expect(tasks).toMatchObject([{ id: 'A-id', waitingApproval: false }])
  expect(stopRun(run, state.tasks, { by: 'bob' })).toEqual({ run, tasks: [] })
})

test('a failed run that is stopped stays failed for its own reason', () => {
  const run = aRunRow({ result: 'failed', reason: { kind: 'task_failed', task: 'A' } })
  expect(stopRun(run, []).run).toMatchObject({ stop: true, result: 'failed', reason: { kind: 'task_failed' } })
})

test('approval is for tasks that wait for it, in running runs', () => {
  const waiting = aRunTask('A', { approval: 'waiting' })
  const approved = approveTask(aRunRow(), { ...waiting, reason: { kind: 'waiting_approval' } }, 'ada')
  expect(approved).toEqual({ ...waiting, waitingApproval: false, approved: true, approvers: ['ada'] })
  expect(() => approveTask(aRunRow(), approved, 'bob')).toThrow(code('task_already_approved'))
  expect(() => approveTask(aRunRow(), aRunTask('A'), 'ada')).toThrow(code('task_not_waiting_approval'))
  expect(() => approveTask(aRunRow({ phase: 'finished' }), waiting, 'ada')).toThrow(code('run_not_running'))
})
