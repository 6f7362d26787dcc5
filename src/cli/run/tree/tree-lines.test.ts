import fc from 'fast-check'
import { expect, test } from 'vitest'
import { cellWidth } from '../cell-width.ts'
import { paintFor } from '../paint.ts'
import type { RunEvent, ShownReason } from '../run-event.ts'
import { applyEvent, applyPartialLine, emptyRunsState, type RunsState } from '../run-state.ts'
import { symbolsFor } from '../symbols.ts'
import { finalTreeLines, type TreeOptions, treeLines } from './tree-lines.ts'

const run = { id: 'r1', name: 'ci', number: 7 }

const options = (overrides: Partial<TreeOptions> = {}): TreeOptions => ({
  now: 10_000,
  columns: 60,
  rows: 24,
  paint: paintFor(false, {}),
  symbols: symbolsFor({}),
  ...overrides,
})

function stateOf(...events: readonly RunEvent[]): RunsState {
  const state = emptyRunsState()
  for (const event of events) applyEvent(state, event)
  return state
}

function started(tasks: Readonly<Record<string, readonly string[]>>): readonly RunEvent[] {
  const list = Object.entries(tasks).map(([name, steps]) => ({ name, level: 0, steps }))
  return [
    { type: 'run', at: 0, run, phase: 'queued', result: 'unknown', tasks: list },
    { type: 'run', at: 0, run, phase: 'running', result: 'unknown', startedAt: 0 },
  ]
}

type TaskEvent = Extract<RunEvent, { type: 'task' }>
type StepEvent = Extract<RunEvent, { type: 'step' }>

const task = (name: string, status: TaskEvent['status'], rest: Partial<TaskEvent> = {}): RunEvent => ({
  type: 'task',
  at: 0,
  run,
  task: name,
  status,
  waitingApproval: false,
  ...rest,
})

const step = (
  name: string,
  index: StepEvent['step'],
  phase: StepEvent['phase'],
  rest: Partial<StepEvent> = {},
): RunEvent => ({ type: 'step', at: 0, run, task: name, step: index, name: 'step', phase, ...rest })

const log = (name: string, index: StepEvent['step'], line: string): RunEvent => ({
  type: 'log',
  run,
  task: name,
  step: index,
  line,
})

const exit3: ShownReason = { kind: 'failed_exit', step: 0, code: 3, text: 'exit status 3' }
const waitsForBuild: ShownReason = { kind: 'waiting_dependencies', tasks: ['build'], text: 'waits for build' }

const pipeline = [
  ...started({ build: ['clone', 'make'], lint: ['lint'], test: ['test'], deploy: ['ship'] }),
  task('build', 'running', { startedAt: 1000 }),
  step('build', 'setup', 'success', { startedAt: 1000, endedAt: 1500 }),
  step('build', 0, 'success', { startedAt: 1500, endedAt: 2000 }),
  step('build', 1, 'running', { startedAt: 2000 }),
  ...['one', 'two', 'three', 'four', 'five'].map((line) => log('build', 1, line)),
  task('lint', 'success', { startedAt: 1000, endedAt: 3000 }),
  step('lint', 0, 'success', { startedAt: 1000, endedAt: 3000 }),
  task('test', 'notstarted', { reason: waitsForBuild }),
  task('deploy', 'notstarted', { waitingApproval: true }),
]

test('runs, tasks, steps, last lines, durations and why tasks wait', () => {
  expect(treeLines(stateOf(...pipeline), options())).toEqual([
    '● ci #7  10.0s',
    '├ ● build  9.0s',
    '│   ✓ clone  0.5s',
    '│   ● make  8.0s',
    '│     two',
    '│     three',
    '│     four',
    '│     five',
    '├ ✓ lint  2.0s',
    '│   ✓ lint  2.0s',
    '├ ○ test  waits for build',
    '└ ? deploy  waits for approval',
  ])
})

test.each([
  [
    10,
    [
      '● ci #7  10.0s',
      '├ ● build  9.0s',
      '│   ✓ clone  0.5s',
      '│   ● make  8.0s',
      '│     three',
      '│     four',
      '│     five',
      '├ ✓ lint  2.0s',
      '├ ○ test  waits for build',
      '└ ? deploy  waits for approval',
    ],
  ],
  [
    7,
    [
      '● ci #7  10.0s',
      '├ ● build  9.0s',
      '│   ● make  8.0s',
      '│     five',
      '├ ✓ lint  2.0s',
      '├ ○ test  waits for build',
      '└ ? deploy  waits for approval',
    ],
  ],
  [
    5,
    ['● ci #7  10.0s', '├ ● build  9.0s', '├ ? deploy  waits for approval', '├ ✓ 1 task succeeded', '└ ○ 1 task waits'],
  ],
  [3, ['● ci #7  10.0s', '├ ● build  9.0s', '… 3 more lines']],
])('on %i rows it is told more briefly', (rows, lines) => {
  expect(treeLines(stateOf(...pipeline), options({ rows }))).toEqual(lines)
})

test.each<[string, readonly RunEvent[], string]>([
  ['failed', [task('a', 'failed', { startedAt: 0, endedAt: 400, reason: exit3 })], '✗ a  0.4s  exit status 3'],
  ['stopped', [task('a', 'stopped', { startedAt: 0, endedAt: 400 })], '■ a  0.4s  stopped'],
  [
    'skipped',
    [
      task('a', 'skipped', {
        reason: { kind: 'skipped_dependency', task: 'b', outcome: 'failed', text: 'b failed' },
      }),
    ],
    '– a  skipped: b failed',
  ],
  ['cancelled', [task('a', 'cancelled')], '– a  cancelled'],
  ['kept', [task('a', 'success', { startedAt: 0, endedAt: 400, kept: true })], '✓ a  kept'],
  ['waiting without a reason', [], '○ a  waits'],
  [
    'waiting for a slot',
    [
      task('a', 'notstarted', {
        reason: { kind: 'waiting_slot', executors: ['local'], limit: 2, text: 'all slots are taken (2) on local' },
      }),
    ],
    '○ a  all slots are taken (2) on local',
  ],
  ['a reason of several lines', [task('a', 'failed', { reason: { ...exit3, text: 'first\nsecond' } })], '✗ a  first'],
])('a task that is %s', (_, events, line) => {
  expect(treeLines(stateOf(...started({ a: ['one'] }), ...events), options())[1]).toBe(`└ ${line}`)
})

test.each<[string, readonly RunEvent[], string]>([
  [
    'ended well',
    [{ type: 'run', at: 0, run, phase: 'finished', result: 'success', startedAt: 0, endedAt: 900 }],
    '✓ ci #7  0.9s  success',
  ],
  [
    'failed',
    [{ type: 'run', at: 0, run, phase: 'finished', result: 'failed', startedAt: 0, endedAt: 900 }],
    '✗ ci #7  0.9s  failed',
  ],
  [
    'was stopped',
    [{ type: 'run', at: 0, run, phase: 'finished', result: 'stopped', startedAt: 0, endedAt: 900 }],
    '■ ci #7  0.9s  stopped',
  ],
  ['was cancelled', [{ type: 'run', at: 0, run, phase: 'cancelled', result: 'unknown' }], '■ ci #7  cancelled'],
  [
    'waits',
    [
      {
        type: 'run',
        at: 0,
        run,
        phase: 'queued',
        result: 'unknown',
        reason: { kind: 'waiting_run', counter: 6, text: 'waits for run #6 of this branch' },
      },
    ],
    '○ ci #7  waits for run #6 of this branch',
  ],
])('a run that %s', (_, events, line) => {
  expect(treeLines(stateOf(...started({}), ...events), options())[0]).toBe(line)
})

test('a run with setup errors lists them', () => {
  const state = stateOf({
    type: 'run',
    at: 0,
    run,
    phase: 'setuperror',
    result: 'unknown',
    tasks: [],
    setupErrors: ['no such secret'],
  })
  expect(treeLines(state, options())).toEqual(['✗ ci #7  setup error', '  no such secret'])
})

test('progress that has not ended its line is shown, and replaced by the whole line', () => {
  const state = stateOf(...started({ a: ['one'] }), task('a', 'running'), step('a', 0, 'running'))
  applyPartialLine(state, { run, task: 'a', step: 0 }, '10%\r20%')
  expect(treeLines(state, options()).at(-1)).toBe('      20%')
  applyEvent(state, log('a', 0, '10%\r20%\r100%'))
  expect(treeLines(state, options()).at(-1)).toBe('      100%')
})

test('a long name gives way to what follows it; nothing is wider than the screen', () => {
  const state = stateOf(
    ...started({ a: [] }),
    task('a', 'failed', { startedAt: 0, endedAt: 100, reason: exit3 }),
    ...started({ ['n'.repeat(50)]: [] }).map((event) => ({ ...event, run: { ...run, id: 'r2' } }) as RunEvent),
  )
  applyEvent(state, {
    ...(task('n'.repeat(50), 'failed', { startedAt: 0, endedAt: 100, reason: exit3 }) as TaskEvent),
    run: { ...run, id: 'r2' },
  })
  expect(treeLines(state, options({ columns: 40 })).at(-1)).toBe(`└ ✗ ${'n'.repeat(14)}…  0.1s  exit status 3`)
})

test('names and lines of logs with wide characters and escape sequences fit the screen and change nothing on it', () => {
  const state = stateOf(
    ...started({ タスク: ['\u001b[2Jstep\nof two lines'] }),
    task('タスク', 'running'),
    step('タスク', 0, 'running'),
    log('タスク', 0, `\u001b[31m${'漢字'.repeat(40)}\u0007`),
    log('タスク', 0, '\ttab'),
  )
  expect(treeLines(state, options({ columns: 20 }))).toEqual([
    '● ci #7  10.0s',
    '└ ● タスク',
    '    ● step',
    `      ${'漢字'.repeat(3)}…`,
    '          tab',
  ])
})

test('whatever happened, the live tree fits the screen', () => {
  const name = fc.constantFrom('a', 'b', 'c', 'd')
  const event = fc.oneof(
    fc
      .tuple(name, fc.constantFrom('notstarted', 'running', 'success', 'failed', 'stopped', 'skipped', 'cancelled'))
      .map(([of, status]) => task(of, status as TaskEvent['status'], { startedAt: 0, reason: exit3 })),
    fc
      .tuple(name, fc.nat(1), fc.constantFrom('running', 'success', 'failed', 'stopped'))
      .map(([of, index, phase]) => step(of, index, phase as StepEvent['phase'])),
    fc.tuple(name, fc.nat(1), fc.string({ unit: 'grapheme' })).map(([of, index, line]) => log(of, index, line)),
  )
  fc.assert(
    fc.property(
      fc.array(event, { maxLength: 40 }),
      fc.integer({ min: 1, max: 30 }),
      fc.integer({ min: 1, max: 50 }),
      (events, rows, columns) => {
        const state = stateOf(...started({ a: ['x', 'y'], b: ['x', 'y'], c: ['x', 'y'], d: ['x', 'y'] }), ...events)
        const lines = treeLines(state, options({ rows, columns }))
        expect(lines.length).toBeLessThanOrEqual(rows)
        for (const line of lines) expect(cellWidth(line)).toBeLessThanOrEqual(columns)
      },
    ),
    { numRuns: 200 },
  )
})

test('the final tree has a line for each task, also when the screen is small', () => {
  const names = Array.from({ length: 50 }, (_, index) => `task${index}`)
  const state = stateOf(
    ...started(Object.fromEntries(names.map((name) => [name, ['one']]))),
    ...names.map((name) => task(name, 'success', { startedAt: 0, endedAt: 100 })),
  )
  expect(finalTreeLines(state, options({ rows: 10 }))).toHaveLength(51)
})

test('the final tree of very many tasks counts those that went well', () => {
  const names = Array.from({ length: 1000 }, (_, index) => `task${index}`)
  const state = stateOf(
    ...started(Object.fromEntries(names.map((name) => [name, ['one']]))),
    ...names.map((name) => task(name, name === 'task7' ? 'failed' : 'success', { startedAt: 0, endedAt: 100 })),
  )
  expect(finalTreeLines(state, options())).toEqual(['● ci #7  10.0s', '├ ✗ task7  0.1s', '└ ✓ 999 tasks succeeded'])
})

test('where the locale has no UTF-8, signs are ASCII', () => {
  const state = stateOf(...started({ a: [], b: [] }), task('a', 'failed', { reason: exit3 }))
  expect(treeLines(state, options({ symbols: symbolsFor({ LANG: 'C' }) }))).toEqual([
    '> ci #7  10.0s',
    '| x a  exit status 3',
    '` . b  waits',
  ])
})
