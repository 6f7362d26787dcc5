import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { isSlipwayError } from '../../lib/errors.ts'
import { limits } from '../../lib/limits.ts'
import type { RunConfigTask } from '../../pipeline/run-config.ts'
import { graphErrors } from './check-graph.ts'
import { type CreateRunRequest, counterName, createRun } from './create-run.ts'
import { buildGraph, levelsOf } from './graph.ts'
import { arbitraryGraph, withoutImplied } from './run-arbitrary-fixture.ts'
import { aConfigTask, aRunTask, aTaskId, type Conditions, type TaskSpec } from './run-fixture.ts'

const ids = { runId: 'run-7', runConfigId: 'config-7', sequence: 41, counter: 7 }
const group = '/project/p1/branch/main'

const tasksOf = (specs: Readonly<Record<string, TaskSpec>>) =>
  Object.entries(specs).map(([name, spec]) => aConfigTask(name, spec))

const create = (request: Partial<CreateRunRequest>) =>
  createRun({ name: 'build', group, ...request }, ids, { now: 100 })

const codeOf = (action: () => unknown): string => {
  try {
    action()
  } catch (error) {
    if (isSlipwayError(error)) return error.code
    throw error
  }
  return 'none'
}

/** Each task with its parents, all on_success. */
const graphOf = (parents: Readonly<Record<string, string>>) =>
  tasksOf(
    Object.fromEntries(
      Object.entries(parents).map(([name, list]) => [
        name,
        { after: Object.fromEntries([...list].map((parent): [string, Conditions] => [parent, 'S'])) },
      ]),
    ),
  )

describe('a new run', () => {
  test('is queued, with one not started task per task of its config', () => {
    const { run, config, configTasks, tasks, events } = create({
      tasks: tasksOf({ A: { savesWorkspace: true }, B: { after: { A: 'S' } } }),
      annotations: { branch: 'main' },
      staticEnvironment: { CI: 'true' },
      environment: { TOKEN: { secret: 'token' } },
      cacheGroup: 'mine',
    })
    expect(run).toEqual({
      id: 'run-7',
      sequence: 41,
      name: 'build',
      runConfigId: 'config-7',
      counter: 7,
      group,
      annotations: { branch: 'main' },
      phase: 'queued',
      result: 'unknown',
      stop: false,
      setupErrors: [],
      enqueuedAt: 100,
    })
    expect(config).toEqual({
      id: 'config-7',
      name: 'build',
      group,
      setupErrors: [],
      annotations: { branch: 'main' },
      staticEnvironment: { CI: 'true' },
      environment: { TOKEN: { secret: 'token' } },
      cacheGroup: 'mine',
      trust: 'trusted',
    })
    expect(configTasks.map((task) => task.level)).toEqual([0, 1])
    expect(tasks[0]).toEqual({
      id: 'A-id',
      runId: 'run-7',
      status: 'notstarted',
      waitingApproval: false,
      approved: false,
      approvers: [],
      timedOut: false,
      setupStep: { phase: 'notstarted' },
      steps: [{ phase: 'notstarted' }, { phase: 'notstarted' }],
    })
    expect(events).toEqual([{ phase: 'queued', result: 'unknown', run }])
  })

  test('has a task skipped whose when did not match, and says why', () => {
    expect(create({ tasks: tasksOf({ A: { skip: true } }) }).tasks).toMatchObject([
      { status: 'skipped', reason: { kind: 'skipped_when', rule: 'branch main', ref: 'refs/heads/x' } },
    ])
  })

  test('may have no tasks', () => {
    expect(create({ tasks: [] })).toMatchObject({ run: { phase: 'queued' }, tasks: [] })
  })

  test('with setup errors ends in setuperror, without tasks, and keeps what was defined', () => {
    const { run, config, configTasks, tasks, events } = create({
      setupErrors: ['no such thing'],
      tasks: tasksOf({ A: {} }),
    })
    expect(run).toMatchObject({
      phase: 'setuperror',
      result: 'unknown',
      setupErrors: ['no such thing'],
      reason: { kind: 'setup_error', message: 'no such thing' },
    })
    expect(run).not.toHaveProperty('endedAt')
    expect([tasks, configTasks.length, config.setupErrors]).toEqual([[], 1, ['no such thing']])
    expect(events).toMatchObject([{ phase: 'setuperror', result: 'unknown' }])
  })

  test('with setup errors needs no tasks at all', () => {
    expect(create({ setupErrors: ['unreadable'] }).run.phase).toBe('setuperror')
  })

  test('appends errors of its graph to those it was given', () => {
    const { run } = create({ setupErrors: ['first'], tasks: graphOf({ A: 'A' }) })
    expect(run.setupErrors).toEqual(['first', 'circular dependency between task "A" and tasks "A"'])
  })

  test('of a fork gets no privileged containers', () => {
    const tasks = tasksOf({ A: { privileged: true } })
    expect(create({ tasks }).run.phase).toBe('queued')
    expect(create({ tasks, trust: 'fork' }).run).toMatchObject({
      phase: 'setuperror',
      setupErrors: ['task "A" asks for a privileged container, which runs of forks do not get'],
    })
    expect(create({ tasks: tasksOf({ A: {} }), trust: 'fork' }).config.trust).toBe('fork')
  })
})

describe('a request that is wrong', () => {
  const good = aConfigTask('A')
  const broken = (fields: object) => [{ ...good, ...fields } as RunConfigTask]

  test.each([
    ['no tasks and no setup errors', {}, 'run_invalid'],
    ['two tasks with one id', { tasks: [good, good] }, 'run_invalid'],
    ['a task without id', { tasks: broken({ id: '' }) }, 'run_invalid'],
    ['a task without runtime', { tasks: broken({ runtime: undefined }) }, 'run_invalid'],
    ['a runtime without containers', { tasks: broken({ runtime: { type: 'pod', containers: [] } }) }, 'run_invalid'],
    ['a step of unknown type', { tasks: broken({ steps: [{ type: 'dance', name: 'x' }] }) }, 'run_invalid'],
    ['a step type that is a name of Object', { tasks: broken({ steps: [{ type: 'toString' }] }) }, 'run_invalid'],
    ['an unknown dependency', { tasks: graphOf({ A: 'Z' }) }, 'run_invalid'],
    [
      'two dependencies on one task',
      { tasks: [good, { ...aConfigTask('B'), depends: [0, 1].map(() => ({ taskId: good.id, conditions: [] })) }] },
      'run_invalid',
    ],
    [
      'too many tasks',
      { tasks: Array.from({ length: 10_001 }, (_, index) => ({ ...good, id: `t${index}` })) },
      'limit_exceeded',
    ],
    ['a task with too many steps', { tasks: broken({ steps: Array(401).fill(good.steps[0]) }) }, 'limit_exceeded'],
  ] as const)('%s', (_, request, code) => {
    expect(codeOf(() => create(request))).toBe(code)
  })

  test.each(['', 'project/p1', '/', '/project', '/project/', '/project//branch', '/project/p1/branch/'])(
    'group "%s"',
    (wrong) => {
      expect(codeOf(() => create({ group: wrong, tasks: [] }))).toBe('run_group_invalid')
    },
  )

  test('runs are counted per second element of the group', () => {
    expect(counterName('/project/p1/branch/feat%2Fx')).toBe('p1')
    expect(counterName('/user/u1')).toBe('u1')
  })
})

describe('graph errors', () => {
  test.each([
    ['none', { A: '', B: 'A', C: 'AB'.slice(1) }, []],
    ['a task that depends on itself', { A: 'A' }, ['circular dependency between task "A" and tasks "A"']],
    [
      'a circle of two',
      { A: 'B', B: 'A' },
      ['circular dependency between task "A" and tasks "B", circular dependency between task "B" and tasks "A"'],
    ],
    [
      'who closes the circle is named, who merely depends is not',
      { A: 'C', B: 'A', C: 'B', D: 'A' },
      [
        'circular dependency between task "A" and tasks "B", ' +
          'circular dependency between task "B" and tasks "C", ' +
          'circular dependency between task "C" and tasks "A"',
      ],
    ],
    [
      'several close it',
      { A: 'BC', B: 'A', C: 'A' },
      [
        'circular dependency between task "A" and tasks "B" "C", ' +
          'circular dependency between task "B" and tasks "A", ' +
          'circular dependency between task "C" and tasks "A"',
      ],
    ],
    [
      'a parent of a parent',
      { A: '', B: 'A', C: 'AB' },
      ['task "C" and its parent "B" have both a dependency on task "A"'],
    ],
    [
      'an ancestor further up',
      { A: '', B: 'A', C: 'B', D: 'C', E: 'DA' },
      ['task "E" and its parent "D" have both a dependency on task "A"'],
    ],
    [
      'a circle hides what is redundant',
      { A: '', B: 'A', C: 'AB', X: 'X' },
      ['circular dependency between task "X" and tasks "X"'],
    ],
    ['diamonds are fine', { A: '', B: 'A', C: 'A', D: 'BC', E: '', F: 'DE' }, []],
  ])('%s', (_, parents, errors) => {
    expect(graphErrors(graphOf(parents as Readonly<Record<string, string>>))).toEqual(errors)
  })

  test('a dependency on a task that is not there is ignored', () => {
    expect(graphErrors(graphOf({ A: 'Z' }))).toEqual([])
  })

  test('are found exactly where a plain search finds them', () => {
    fc.assert(
      fc.property(arbitraryGraph(), (specs) => {
        const reduced = withoutImplied(specs)
        expect(graphErrors(tasksOf(reduced))).toEqual([])
        const hasImplied = Object.keys(specs).some(
          (name) => Object.keys(specs[name]!.after ?? {}).length > Object.keys(reduced[name]!.after ?? {}).length,
        )
        expect(graphErrors(tasksOf(specs)).length).toBe(hasImplied ? 1 : 0)
      }),
      { numRuns: 500 },
    )
  })

  test('stay readable and quick for 10,000 tasks in one circle or chain', () => {
    const chain = Array.from({ length: 10_000 }, (_, index) =>
      aConfigTask(`t${index}`, index === 0 ? {} : { after: { [`t${index - 1}`]: 'S' } }),
    )
    expect(graphErrors(chain)).toEqual([])
    const first = { ...chain[0]!, depends: [{ taskId: aTaskId('t9999'), conditions: [] }] }
    const [error] = graphErrors([first, ...chain.slice(1)])
    expect(error).toMatch(/^circular dependency between task "t0" and tasks "t1", /)
    expect(error!.length).toBeLessThan(2_000)
  })
})

describe('levels', () => {
  test('are the longest distance from a task without dependencies', () => {
    const levels = levelsOf(graphOf({ Z: 'XB', A: '', B: 'A', C: '', X: 'C', Y: 'B' }))
    expect(Object.fromEntries(levels)).toEqual({
      'A-id': 0,
      'B-id': 1,
      'C-id': 0,
      'X-id': 1,
      'Y-id': 2,
      'Z-id': 2,
    })
  })

  test('there are none on and behind a circle', () => {
    expect([...levelsOf(graphOf({ A: 'B', B: 'A', C: 'B', D: '' })).keys()]).toEqual(['D-id'])
  })
})

test('a graph puts parents first and shares one requirement per class', () => {
  const { nodes } = buildGraph(
    tasksOf({ C: { after: { B: 'S' } }, B: { after: { A: 'F' } }, A: { arch: 'arm64' }, D: {} }),
  )
  expect(nodes.map((node) => node.task.name)).toEqual(['A', 'D', 'B', 'C'])
  expect(nodes[1]!.requirement).toBe(nodes[2]!.requirement)
  expect(nodes[0]!.requirement.key).not.toBe(nodes[1]!.requirement.key)
  expect(nodes.map((node) => node.isHandler)).toEqual([false, false, true, false])
})

test('a graph is not built of what createRun refuses', () => {
  expect(() => buildGraph(graphOf({ A: 'B', B: 'A' }))).toThrow(/depends on itself/)
  expect(() => buildGraph([aConfigTask('A'), aConfigTask('A')])).toThrow(/one id/)
})

describe('a run that keeps tasks of an earlier one', () => {
  const chain = tasksOf({ a: {}, b: { after: { a: 'S' } }, c: { after: { b: 'S' } } })
  const succeeded = (name: string) => aRunTask(name, { is: 'success' })
  const statuses = (kept: ReturnType<typeof succeeded>[]) =>
    createRun({ name: 'build', group, tasks: chain }, ids, {
      now: 100,
      keep: { restartOf: 'earlier', tasks: kept },
    }).tasks.map((task) => task.status)

  test('shows them as they are, as its own', () => {
    const { run, tasks } = createRun({ name: 'build', group, tasks: chain }, ids, {
      now: 100,
      keep: { restartOf: 'earlier', tasks: [succeeded('a')] },
    })
    expect(run.restartOf).toBe('earlier')
    expect(tasks[0]).toEqual({ ...succeeded('a'), runId: ids.runId })
  })

  test.each([
    [
      ['a', 'b'],
      ['success', 'success', 'notstarted'],
    ],
    [
      ['b', 'c'],
      ['notstarted', 'notstarted', 'notstarted'],
    ],
    [
      ['a', 'c'],
      ['success', 'notstarted', 'notstarted'],
    ],
    [
      ['a', 'x'],
      ['success', 'notstarted', 'notstarted'],
    ],
  ])('of %j only those are kept of which everything before is kept', (kept, expected) => {
    expect(statuses(kept.map(succeeded))).toEqual(expected)
  })
})

test('setup errors that would not fit into a row are counted', () => {
  const { run, config } = create({
    setupErrors: Array.from({ length: 1000 }, (_, index) => `error ${index} ${'x'.repeat(100)}`),
  })
  expect(run.setupErrors.at(-1)).toMatch(/^\d+ more errors are not listed$/)
  expect(run.setupErrors.length).toBeGreaterThan(50)
  expect(Buffer.byteLength(JSON.stringify(config))).toBeLessThan(limits.rowBytes.value)
})
