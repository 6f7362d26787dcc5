import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { describeReason } from '../reasons.ts'
import type { Executor } from '../types.ts'
import { ExecutorPool, type PooledExecutor } from './executor-pool.ts'
import { compareReady, type Placement, type PlacementInput, place, type ReadyTask } from './place.ts'
import { ReadyQueue } from './ready-queue.ts'
import { canServe, type Requirement, requirementOf } from './requirement.ts'
import { aConfigTask, type TaskSpec } from './run-fixture.ts'

const anExecutor = (id: string, fields: Partial<PooledExecutor> = {}): PooledExecutor => ({
  id,
  state: 'connected',
  archs: ['amd64'],
  labels: {},
  allowPrivileged: false,
  drivers: ['docker'],
  taskLimit: 1,
  ...fields,
})

type ReadySpec = TaskSpec & { readonly project?: string; readonly priority?: number; readonly since?: number }

/** Tasks in the order in which they became ready. */
const aQueue = (specs: Readonly<Record<string, ReadySpec>>) => {
  const queue = new ReadyQueue()
  for (const [index, [name, spec]] of Object.entries(specs).entries())
    queue.add(requirementOf(aConfigTask(name, spec)), aReady(name, { since: index, ...spec }))
  return queue
}

const aReady = (taskId: string, { project = 'p1', priority = 0, since = 0 }: ReadySpec = {}): ReadyTask => ({
  runId: 'run-1',
  taskId,
  project,
  priority,
  readySince: since,
})

type Given = Partial<Omit<PlacementInput, 'served' | 'executors'>> &
  Pick<PlacementInput, 'ready'> & {
    readonly executors: readonly PooledExecutor[]
    readonly served?: ReadonlyMap<string, number>
  }

const placed = ({ served = new Map(), executors, ...input }: Given): Placement =>
  place({ taken: new Map(), served, nextTurn: nextTurnOf(served), executors: new ExecutorPool(executors), ...input })

const nextTurnOf = (served: ReadonlyMap<string, number>) => Math.max(-1, ...served.values()) + 1

const names = ({ assignments }: Placement) => assignments.map(({ task, executorId }) => `${task.taskId}@${executorId}`)

describe('who may serve', () => {
  const matching: readonly (readonly [string, TaskSpec, Partial<PooledExecutor>, boolean])[] = [
    ['any arch', {}, {}, true],
    ['an arch among several', { arch: 'arm64' }, { archs: ['amd64', 'arm64'] }, true],
    ['another arch', { arch: 'arm64' }, {}, false],
    ['privileged, allowed', { privileged: true }, { allowPrivileged: true }, true],
    ['privileged, not allowed', { privileged: true }, {}, false],
    ['a label', { labels: { gpu: 'a100' } }, { labels: { gpu: 'a100', zone: 'b' } }, true],
    ['a label with another value', { labels: { gpu: 'a100' } }, { labels: { gpu: 't4' } }, false],
    ['a label that is missing', { labels: { gpu: '' } }, {}, false],
    ['a label named like a part of Object', { labels: { constructor: 'x' } }, {}, false],
  ]
  test.each(matching)('%s', (_, spec, executor, can) => {
    expect(canServe(anExecutor('x1', executor), requirementOf(aConfigTask('A', spec)))).toBe(can)
  })

  test('a driver that was asked for must be offered', () => {
    const requirement = requirementOf(aConfigTask('A'), { driver: 'docker' })
    expect(canServe(anExecutor('x1', { drivers: ['host', 'docker'] }), requirement)).toBe(true)
    expect(canServe(anExecutor('x1', { drivers: ['host'] }), requirement)).toBe(false)
  })

  test('a run of a fork never gets the host', () => {
    const requirement = requirementOf(aConfigTask('A'), { trust: 'fork' })
    expect(canServe(anExecutor('x1', { drivers: ['host'] }), requirement)).toBe(false)
    expect(canServe(anExecutor('x1', { drivers: ['host', 'docker'] }), requirement)).toBe(true)
  })

  test('equal requirements are one class, in whatever order labels are written', () => {
    const key = (spec: TaskSpec) => requirementOf(aConfigTask('A', spec)).key
    expect(key({ labels: { a: '1', b: '2' } })).toBe(key({ labels: { b: '2', a: '1' } }))
    const keys = [{}, { arch: 'arm64' }, { privileged: true }, { labels: { a: '1' } }, { labels: { a: '2' } }] as const
    expect(new Set(keys.map(key)).size).toBe(keys.length)
  })
})

describe('which task is next', () => {
  test('who waits longest', () => {
    expect(
      names(placed({ ready: aQueue({ A: { since: 2 }, B: { since: 1 } }), executors: [anExecutor('x1')] })),
    ).toEqual(['B@x1'])
  })

  test('the higher priority, whoever waits longer', () => {
    const ready = aQueue({ A: {}, B: { priority: 1 }, C: { arch: 'amd64', priority: 2 } })
    expect(names(placed({ ready, executors: [anExecutor('x1', { taskLimit: 2 })] }))).toEqual(['C@x1', 'B@x1'])
  })

  test('projects alternate once more than half of the slots are taken', () => {
    const specs = Object.fromEntries(
      ['a1', 'a2', 'a3', 'a4', 'a5', 'a6', 'b1', 'b2', 'b3', 'c1'].map((name) => [name, { project: name[0]! }]),
    )
    const placement = placed({ ready: aQueue(specs), executors: [anExecutor('x1', { taskLimit: 8 })] })
    // Five are handed out as they came; then b and c, never served, come before a again.
    expect(placement.assignments.map(({ task }) => task.taskId)).toEqual('a1 a2 a3 a4 a5 b1 c1 a6'.split(' '))
    expect([...placement.waiting.values()]).toEqual([{ kind: 'waiting_slot', executors: ['x1'], limit: 8 }])
  })

  test('turns count within one placement too, and a higher priority goes before any turn', () => {
    const names = ['a1', 'a2', 'a3', 'a4', 'a5', 'a6', 'a7', 'a8', 'a9', 'b1', 'b2', 'c1', 'c2']
    const specs = names.map((name): [string, ReadySpec] => [name, { project: name[0]! }])
    const executors = [anExecutor('x1', { taskLimit: 12 })]
    const turns = (ready: ReadyQueue, served: ReadonlyMap<string, number> = new Map()) =>
      placed({ ready, executors, served, taken: new Map([['x1', 7]]) }).assignments.map(({ task }) => task.taskId)
    expect(turns(aQueue(Object.fromEntries(specs)))).toEqual(['a1', 'b1', 'c1', 'a2', 'b2'])
    const urgent = aQueue({ ...Object.fromEntries(specs), urgent: { project: 'a', priority: 1 } })
    expect(turns(urgent, new Map([['a', 9]]))).toEqual(['urgent', 'b1', 'c1', 'a1', 'b2'])
  })

  test('who was served last is remembered from one freed slot to the next', () => {
    const specs = Object.fromEntries(['a1', 'a2', 'a3', 'b1', 'b2', 'b3'].map((name) => [name, { project: name[0]! }]))
    const ready = aQueue(specs)
    const executors = [anExecutor('x1', { taskLimit: 4 })]
    let served: ReadonlyMap<string, number> = new Map([['a', 0]])
    const order: string[] = []
    for (let freed = 0; freed < 6; freed++) {
      const placement = placed({ ready, executors, taken: new Map([['x1', 3]]), served })
      for (const { task } of placement.assignments) {
        order.push(task.taskId)
        ready.remove(requirementOf(aConfigTask('any')).key, task)
      }
      served = new Map([...served, ...placement.served])
    }
    expect(order).toEqual(['b1', 'a1', 'b2', 'a2', 'b3', 'a3'])
  })

  test('a class whose slots are all taken does not hold up another', () => {
    const ready = aQueue({ A: { arch: 'arm64' }, B: { arch: 'arm64' }, C: { arch: 'amd64' } })
    const executors = [anExecutor('arm', { archs: ['arm64'] }), anExecutor('amd')]
    const placement = placed({ ready, executors, taken: new Map([['arm', 1]]) })
    expect(names(placement)).toEqual(['C@amd'])
    expect([...placement.waiting.values()]).toEqual([{ kind: 'waiting_slot', executors: ['arm'], limit: 1 }])
  })
})

describe('which executor gets it', () => {
  test('the one that can serve less, so that others keep their choice', () => {
    const ready = aQueue({ A: { arch: 'amd64' }, B: { arch: 'arm64' } })
    const executors = [anExecutor('both', { archs: ['amd64', 'arm64'] }), anExecutor('plain')]
    expect(names(placed({ ready, executors }))).toEqual(['A@plain', 'B@both'])
  })

  test('then the one with the smallest share of its slots taken, then by id', () => {
    const ready = aQueue({ A: {}, B: {}, C: {} })
    const executors = [anExecutor('x2', { taskLimit: 4 }), anExecutor('x1', { taskLimit: 2 })]
    expect(names(placed({ ready, executors, taken: new Map([['x1', 1]]) }))).toEqual(['A@x2', 'B@x2', 'C@x1'])
  })

  test('one without a limit is never full', () => {
    const ready = aQueue({ A: {}, B: {}, C: {} })
    const executors = [anExecutor('x1', { taskLimit: 0 }), anExecutor('x2', { taskLimit: 0 })]
    expect(names(placed({ ready, executors, taken: new Map([['x1', 50]]) }))).toEqual(['A@x2', 'B@x2', 'C@x2'])
  })
})

describe('why the rest waits', () => {
  test('nobody could ever serve it', () => {
    const ready = aQueue({ A: { arch: 'arm64', labels: { gpu: 'a100' }, privileged: true } })
    expect([...placed({ ready, executors: [anExecutor('x1')] }).waiting.values()]).toEqual([
      { kind: 'waiting_executor', arch: 'arm64', labels: { gpu: 'a100' }, privileged: true, matching: 0 },
    ])
  })

  test.each([
    [{}, { driver: 'docker' }, 'no executor with driver docker'],
    [{}, { trust: 'fork' }, 'no executor with a driver that isolates runs of forks'],
    [
      { arch: 'arm64', labels: { gpu: 'a100' }, privileged: true },
      {},
      'no executor with arch arm64, label gpu=a100, privileged containers',
    ],
  ] as const)('and what it lacks is named: %o %o', (spec, options, words) => {
    const ready = new ReadyQueue()
    ready.add(requirementOf(aConfigTask('A', spec), options), aReady('A'))
    const [reason] = placed({ ready, executors: [anExecutor('x1', { drivers: ['host'] })] }).waiting.values()
    expect(describeReason(reason!)).toBe(words)
  })

  test('all slots are taken: of at most ten executors the names', () => {
    const executors = Array.from({ length: 30 }, (_, index) => anExecutor(`x${index + 10}`))
    const taken = new Map(executors.map((executor) => [executor.id, 1]))
    const [reason] = placed({ ready: aQueue({ A: {} }), executors, taken }).waiting.values()
    expect(reason).toMatchObject({ kind: 'waiting_slot', limit: 30 })
    expect(reason).toHaveProperty('executors.length', 10)
  })

  test('nothing waits, nothing is said', () => {
    expect(placed({ ready: aQueue({}), executors: [anExecutor('x1')] }).waiting.size).toBe(0)
    expect(placed({ ready: aQueue({ A: {} }), executors: [anExecutor('x1')] }).waiting.size).toBe(0)
  })
})

describe('always', () => {
  const executor = fc
    .record({
      archs: fc.constantFrom<Executor['archs'][]>(['amd64'], ['arm64'], ['amd64', 'arm64']),
      allowPrivileged: fc.boolean(),
      state: fc.constantFrom<Executor['state'][]>('connected', 'connected', 'connected', 'draining', 'lost'),
      taskLimit: fc.nat(4),
      taken: fc.nat(5),
    })
    .map(({ taken, ...fields }) => ({ fields, taken }))
  const task = fc.record({
    arch: fc.constantFrom('amd64' as const, 'arm64' as const, undefined),
    privileged: fc.boolean(),
    project: fc.constantFrom('a', 'b', 'c'),
    priority: fc.nat(1),
    since: fc.nat(20),
  })
  const input = fc.record({
    executors: fc.array(executor, { maxLength: 4 }),
    tasks: fc.array(task, { maxLength: 20 }),
    served: fc.dictionary(fc.constantFrom('a', 'b', 'c'), fc.nat(9)),
  })
  type Input = typeof input extends fc.Arbitrary<infer T> ? T : never

  const build = ({ executors, tasks, served }: Input) => {
    const ready = new ReadyQueue()
    const all = tasks.map(({ arch, ...spec }, index) => {
      const requirement = requirementOf(aConfigTask('any', { ...spec, ...(arch === undefined ? {} : { arch }) }))
      const one = aReady(`t${index}`, spec)
      ready.add(requirement, one)
      return { requirement, task: one }
    })
    return {
      all,
      placement: {
        ready,
        executors: executors.map(({ fields }, index) => anExecutor(`x${index}`, fields)),
        taken: new Map(executors.map(({ taken }, index) => [`x${index}`, taken])),
        served: new Map(Object.entries(served)),
        nextTurn: Math.max(-1, ...Object.values(served)) + 1,
      },
    }
  }

  const takenAfter = ({ taken }: { readonly taken: ReadonlyMap<string, number> }, { assignments }: Placement) => {
    const after = new Map(taken)
    for (const { executorId } of assignments) after.set(executorId, (after.get(executorId) ?? 0) + 1)
    return after
  }

  test('no limit is exceeded, each task goes at most once, and only to who can serve it', () => {
    fc.assert(
      fc.property(input, (given) => {
        const { all, placement } = build(given)
        const outcome = placed(placement)
        const after = takenAfter(placement, outcome)
        for (const { executorId, task: one } of outcome.assignments) {
          const chosen = placement.executors.find((candidate) => candidate.id === executorId)!
          expect(chosen.state).toBe('connected')
          if (chosen.taskLimit > 0) expect(after.get(executorId)).toBeLessThanOrEqual(chosen.taskLimit)
          expect(canServe(chosen, all.find((entry) => entry.task === one)!.requirement)).toBe(true)
        }
        const ids = outcome.assignments.map((assignment) => assignment.task.taskId)
        expect(new Set(ids).size).toBe(ids.length)
      }),
      { numRuns: 500 },
    )
  })

  test('no slot stays free that a waiting task could use, and each class that waits says why', () => {
    fc.assert(
      fc.property(input, (given) => {
        const { all, placement } = build(given)
        const outcome = placed(placement)
        const after = takenAfter(placement, outcome)
        const gone = new Set(outcome.assignments.map((assignment) => assignment.task))
        const rest = all.filter((entry) => !gone.has(entry.task))
        expect(new Set(outcome.waiting.keys())).toEqual(new Set(rest.map((entry) => entry.requirement.key)))
        for (const { requirement } of rest) {
          const able = placement.executors.filter((one) => one.state === 'connected' && canServe(one, requirement))
          expect(able.filter((one) => one.taskLimit === 0 || after.get(one.id)! < one.taskLimit)).toEqual([])
          const kind = able.length === 0 ? 'waiting_executor' : 'waiting_slot'
          expect(outcome.waiting.get(requirement.key)!.kind).toBe(kind)
        }
      }),
      { numRuns: 500 },
    )
  })

  test('nobody is chosen before one that can serve less, has a smaller share or fewer of its slots taken, or a smaller id', () => {
    fc.assert(
      fc.property(input, (given) => {
        const { all, placement } = build(given)
        const taken = new Map(placement.taken)
        const requirements = new Map(all.map(({ requirement }) => [requirement.key, requirement]))
        const ranksOf = (one: PooledExecutor) => {
          const choices = [...requirements.values()].filter((requirement) => canServe(one, requirement)).length
          const limit = one.taskLimit || Number.POSITIVE_INFINITY
          const count = taken.get(one.id)!
          return count < limit ? [choices, count / limit, count, one.id] : undefined
        }
        const isBefore = (a: readonly (string | number)[], b: readonly (string | number)[]) => {
          const differing = a.findIndex((rank, index) => rank !== b[index])
          return a[differing]! < b[differing]!
        }
        for (const { executorId, task: one } of placed(placement).assignments) {
          const { requirement } = all.find((entry) => entry.task === one)!
          const able = placement.executors.filter((e) => e.state === 'connected' && canServe(e, requirement))
          const chosen = ranksOf(able.find(({ id }) => id === executorId)!)!
          for (const ranks of able.filter(({ id }) => id !== executorId).map(ranksOf))
            if (ranks !== undefined) expect(isBefore(chosen, ranks), `${chosen} before ${ranks}`).toBe(true)
          taken.set(executorId, taken.get(executorId)! + 1)
        }
      }),
      { numRuns: 500 },
    )
  })

  test('within a class and project tasks go in order', () => {
    fc.assert(
      fc.property(input, (given) => {
        const { all, placement } = build(given)
        const rank = new Map(placed(placement).assignments.map((assignment, index) => [assignment.task, index]))
        const rankOf = (one: ReadyTask) => rank.get(one) ?? Number.POSITIVE_INFINITY
        for (const a of all)
          for (const b of all)
            if (a.requirement.key === b.requirement.key && a.task.project === b.task.project)
              if (compareReady(a.task, b.task) < 0 && rankOf(b.task) < Number.POSITIVE_INFINITY)
                expect(rankOf(a.task)).toBeLessThan(rankOf(b.task))
      }),
      { numRuns: 300 },
    )
  })

  test('the order of executors means nothing, and nothing given is changed', () => {
    fc.assert(
      fc.property(input, (given) => {
        const { all, placement } = build(given)
        const before = structuredClone([placement.taken, placement.served])
        const outcome = placed(placement)
        expect(placed({ ...placement, executors: placement.executors.toReversed() })).toEqual(outcome)
        expect([placement.taken, placement.served]).toEqual(before)
        expect(placement.ready.size).toBe(all.length)
      }),
      { numRuns: 300 },
    )
  })

  test('a project that always has work waits for at most one turn of each other once slots are scarce', () => {
    const projects = ['a', 'b', 'c', 'd']
    const ready = aQueue(
      Object.fromEntries(
        projects.flatMap((project) => Array.from({ length: 10 }, (_, index) => [`${project}${index}`, { project }])),
      ),
    )
    const executors = [anExecutor('x1', { taskLimit: 4 })]
    let served: ReadonlyMap<string, number> = new Map()
    const turns: string[] = []
    for (let freed = 0; freed < 16; freed++) {
      const placement = placed({ ready, executors, taken: new Map([['x1', 3]]), served })
      const { task: next } = placement.assignments[0]!
      turns.push(next.project)
      ready.remove(requirementOf(aConfigTask('any')).key, next)
      served = new Map([...served, ...placement.served])
    }
    for (let index = 0; index + 4 <= turns.length; index++) expect(new Set(turns.slice(index, index + 4)).size).toBe(4)
  })
})

test('placing reads the heads of the queue, not the queue', () => {
  let read = 0
  const endless: PlacementInput['ready'] = {
    classes: () => [requirementOf(aConfigTask('any'))],
    projects: () => ['a', 'b'],
    *tasks(_, project) {
      for (let index = 0; ; index++) {
        read++
        yield aReady(`${project}${index}`, { project, since: index })
      }
    },
  }
  expect(placed({ ready: endless, executors: [anExecutor('x1', { taskLimit: 3 })] }).assignments).toHaveLength(3)
  expect(read).toBe(5)
  expect(
    placed({ ready: endless, executors: [anExecutor('x1', { taskLimit: 3 })], taken: new Map([['x1', 3]]) })
      .assignments,
  ).toEqual([])
  expect(read).toBe(5)
})

describe('the queue in memory', () => {
  const any: Requirement = requirementOf(aConfigTask('any'))

  test('keeps order, knows what it has, and forgets empty classes', () => {
    const queue = new ReadyQueue()
    const [late, early, urgent] = [
      aReady('late', { since: 9 }),
      aReady('early'),
      aReady('urgent', { since: 9, priority: 1 }),
    ]
    for (const one of [late, early, urgent]) expect(queue.add(any, one)).toBe(true)
    expect(queue.add(any, { ...early })).toBe(false)
    expect([...queue.tasks(any.key, 'p1')].map((one) => one.taskId)).toEqual(['urgent', 'early', 'late'])
    expect(queue.remove(any.key, { ...early })).toBe(true)
    expect(queue.remove(any.key, early)).toBe(false)
    expect(queue.remove('other', late)).toBe(false)
    expect(queue.remove(any.key, aReady('late', { project: 'p2', since: 9 }))).toBe(false)
    expect(queue.size).toBe(2)
    queue.remove(any.key, late)
    queue.remove(any.key, urgent)
    expect([queue.size, [...queue.classes()], [...queue.projects(any.key)], [...queue.tasks(any.key, 'p1')]]).toEqual([
      0,
      [],
      [],
      [],
    ])
  })

  test('is in order whatever was added and removed', () => {
    const steps = fc.array(fc.record({ add: fc.boolean(), id: fc.nat(9), since: fc.nat(3), priority: fc.nat(1) }))
    fc.assert(
      fc.property(steps, (list) => {
        const queue = new ReadyQueue()
        let model: ReadyTask[] = []
        for (const { add, id, ...facts } of list) {
          const one = aReady(`t${id}`, facts)
          const isThere = model.some((other) => compareReady(other, one) === 0)
          expect(add ? queue.add(any, one) : queue.remove(any.key, one)).toBe(add ? !isThere : isThere)
          if (add && !isThere) model = [...model, one].sort(compareReady)
          if (!add) model = model.filter((other) => compareReady(other, one) !== 0)
        }
        expect([...queue.tasks(any.key, 'p1')]).toEqual(model)
        expect(queue.size).toBe(model.length)
      }),
    )
  })
})
