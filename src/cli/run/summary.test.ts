import { expect, test } from 'vitest'
import { paintFor } from './paint.ts'
import { repeatCommands } from './repeat-commands.ts'
import type { RunOptions } from './run-context.ts'
import type { RunEvent, ShownReason } from './run-event.ts'
import { applyEvent, emptyRunsState, type RunsState } from './run-state.ts'
import { summaryLines } from './summary.ts'
import { symbolsFor } from './symbols.ts'

const run = { id: 'r1', name: 'ci', number: 1 }
const reason: ShownReason = { kind: 'failed_exit', step: 1, code: 3, text: 'exit status 3' }
const options: RunOptions = { task: [], driver: 'auto', jobs: 2, pull: 'if_missing', var: [], varFile: [] }

function failedRun(lines: number, keptPod?: string): RunsState {
  const state = emptyRunsState()
  const events: RunEvent[] = [
    {
      type: 'run',
      at: 0,
      run,
      phase: 'queued',
      result: 'unknown',
      tasks: [{ name: 'test', level: 0, steps: ['clone', 'npm test'] }],
    },
    { type: 'step', at: 0, run, task: 'test', step: 1, name: 'npm test', phase: 'running' },
    ...Array.from(
      { length: lines },
      (_, index): RunEvent => ({ type: 'log', run, task: 'test', step: 1, line: `line ${index + 1}` }),
    ),
    { type: 'step', at: 0, run, task: 'test', step: 1, name: 'npm test', phase: 'failed', reason },
    {
      type: 'task',
      at: 0,
      run,
      task: 'test',
      status: 'failed',
      waitingApproval: false,
      reason,
      ...(keptPod === undefined ? {} : { keptPod }),
    },
  ]
  for (const event of events) applyEvent(state, event)
  return state
}

const summary = (state: RunsState, showsLogs = true, given: Partial<RunOptions> = {}) =>
  summaryLines(state, {
    paint: paintFor(false, {}),
    symbols: symbolsFor({}),
    repeat: repeatCommands({ ...options, ...given }, { ...options, ...given }),
    showsLogs,
  })

test('nothing is said when nothing failed', () => {
  expect(summary(emptyRunsState())).toEqual([])
})

test('of a failure: the step, the reason, its log, and how to repeat it', () => {
  expect(summary(failedRun(2))).toEqual([
    '',
    '✗ test / npm test: exit status 3',
    '  line 1',
    '  line 2',
    '',
    'To repeat',
    '  slipway run --from-failed   what failed, keeping what succeeded',
    '  slipway run --task test   that task and what it depends on',
  ])
})

test('of a long log the last 100 lines, and how to see all of it', () => {
  const lines = summary(failedRun(1234))
  expect(lines[2]).toBe('  … 1134 lines before; all of it: slipway run --last --task test --output plain')
  expect(lines[3]).toBe('  line 1135')
  expect(lines[102]).toBe('  line 1234')
})

test('where the log was just told it is not told again', () => {
  expect(summary(failedRun(2), false)).not.toContain('  line 1')
})

test('a pod that was kept is named with the command that enters it', () => {
  expect(summary(failedRun(0, 'docker exec -it x sh'))[2]).toBe(
    '  The pod was kept; enter it with: docker exec -it x sh',
  )
})

test('the commands repeat the event, variables and driver that were given', () => {
  const lines = summary(failedRun(0), true, { tag: "it's", driver: 'host', var: ['TOKEN', 'A=b c'], file: 'x.yml' })
  expect(lines).toContain(`  slipway run --from-failed --driver host   what failed, keeping what succeeded`)
  expect(lines).toContain(
    String.raw`  slipway run --task test --tag 'it'\''s' --var TOKEN --var 'A=b c' --file x.yml --driver host   that task and what it depends on`,
  )
})
