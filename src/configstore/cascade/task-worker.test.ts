// Who does the tasks: once each, again after a failure, and not any more when they are another's.

import { expect, test } from 'vitest'
import type { Clock } from '../../lib/clock.ts'
import { SlipwayError } from '../../lib/errors.ts'
import { type Logger, silentLogger } from '../../lib/log.ts'
import { until } from '../../lib/until-fixture.ts'
import { aProject, aUser, openWorld, type World } from '../configstore-fixture.ts'
import type { CascadeTask } from '../types.ts'
import { type TaskWorkerComponents, workOnTasks } from './task-worker.ts'
import { endTaskLeases } from './tasks.ts'

/** Ann has so many projects, and deletes them. */
async function withDeletedProjects(world: World, count: number): Promise<void> {
  await aUser(world.configstore, 'ann')
  for (let n = 0; n < count; n++) {
    await aProject(world.configstore, `user/ann/p${n}`)
    await world.configstore.deleteProject({ project: `user/ann/p${n}` })
  }
}

/** A worker that runs until it is disposed. */
function aWorker(
  { configstore, clock }: Pick<TaskWorkerComponents, 'configstore' | 'clock'>,
  perform: TaskWorkerComponents['perform'],
  { holder = 'w1', logger = silentLogger }: { readonly holder?: string; readonly logger?: Logger } = {},
) {
  const ending = new AbortController()
  const components = { configstore, perform, clock, logger }
  const working = workOnTasks({ kinds: ['delete_runs'], holder }, components, ending.signal)
  return {
    async [Symbol.asyncDispose]() {
      ending.abort()
      await working
    },
  }
}

const left = async ({ configstore }: World) => (await configstore.listTasks()).items

test('every task is done once, by one of two workers, those too that come later', async () => {
  await using world = await openWorld()
  await withDeletedProjects(world, 3)
  const done: string[] = []
  const perform = async ({ id }: CascadeTask) => void done.push(id)
  await using _first = aWorker(world, perform)
  await using _second = aWorker(world, perform, { holder: 'w2' })
  await until(async () => (await left(world)).length === 0)
  await aProject(world.configstore, 'user/ann/late')
  await world.configstore.deleteProject({ project: 'user/ann/late' })
  await until(async () => done.length === 4 && (await left(world)).length === 0)
  expect(new Set(done).size).toBe(4)
})

test('a task that fails comes again, later each time, and others are done meanwhile', async () => {
  await using world = await openWorld()
  await withDeletedProjects(world, 2)
  const failing = (await left(world))[0]!.id
  const attempts: number[] = []
  await using _worker = aWorker(world, async ({ id }) => {
    if (id !== failing) return
    attempts.push(world.clock.now())
    if (attempts.length < 3) throw new Error('the provider does not answer')
  })
  await until(async () => (await left(world)).length === 1 && (await left(world))[0]?.lastError !== undefined)
  expect((await left(world))[0]).toMatchObject({ id: failing, lastError: 'the provider does not answer', attempts: 1 })
  await until(() => {
    const isHeld = world.database.view((tx) => tx.get('task', failing)?.holder) !== undefined
    if (!isHeld) world.clock.pass(1000)
    return attempts.length === 3
  })
  await until(async () => (await left(world)).length === 0)
  expect(attempts).toHaveLength(3)
  const [first, second, third] = attempts as [number, number, number]
  expect(second - first).toBeGreaterThanOrEqual(5000)
  expect(third - second).toBeGreaterThanOrEqual(10_000)
})

test('a task that takes long is held all the time', async () => {
  await using world = await openWorld()
  await withDeletedProjects(world, 1)
  const begun = Promise.withResolvers<void>()
  const mayEnd = Promise.withResolvers<void>()
  let sleeps = 0
  const clock: Clock = {
    now: () => world.clock.now(),
    sleep: (ms, signal) => {
      sleeps++
      return world.clock.sleep(ms, signal)
    },
    timeout: () => world.clock.timeout(),
  }
  await using _worker = aWorker({ ...world, clock }, async () => {
    begun.resolve()
    await mayEnd.promise
  })
  await begun.promise
  for (let renewals = 0; renewals < 10; renewals++) {
    await until(() => sleeps > renewals)
    world.clock.pass(1_500)
  }
  await until(() => sleeps > 10)
  const claim = { kinds: ['delete_runs'], holder: 'other', leaseMs: 1000 } as const
  expect((await world.configstore.claimTasks(claim)).tasks).toEqual([])
  mayEnd.resolve()
  await until(async () => (await left(world)).length === 0)
})

test('who lost a task is told to stop, and changes nothing of it', async () => {
  await using world = await openWorld()
  await withDeletedProjects(world, 1)
  const told = Promise.withResolvers<void>()
  await using _worker = aWorker(world, async (_task, signal) => {
    signal.addEventListener('abort', () => told.resolve())
    await told.promise
    throw new Error('stopped')
  })
  await until(async () => (await left(world))[0]?.attempts === 1)
  const { id } = (await left(world))[0]!
  await world.database.do((tx) => tx.put('task', id, { ...tx.get('task', id)!, holder: 'other' }))
  world.clock.pass(20_000)
  await told.promise
  await until(() => true)
  expect((await left(world))[0]).not.toHaveProperty('lastError')
})

test('a configstore that cannot be reached is asked again, and a worker that ends leaves its task to others', async () => {
  await using world = await openWorld()
  await withDeletedProjects(world, 1)
  const warnings: string[] = []
  const logger = { ...silentLogger, warn: (message: string) => void warnings.push(message) }
  let isDown = true
  const { configstore } = world
  const flaky = {
    ...configstore,
    claimTasks: (...args: Parameters<typeof configstore.claimTasks>) =>
      isDown ? Promise.reject(new SlipwayError('service_unavailable', 'down')) : configstore.claimTasks(...args),
  }
  const begun = Promise.withResolvers<void>()
  {
    await using _worker = aWorker(
      { ...world, configstore: flaky },
      (_task, signal) => {
        begun.resolve()
        return new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
      },
      { logger },
    )
    await until(() => warnings.length === 1)
    isDown = false
    world.clock.pass(5000)
    await begun.promise
  }
  expect(warnings).toEqual(['tasks cannot be claimed or given back'])
  world.clock.pass(5_000)
  const claim = { kinds: ['delete_runs'], holder: 'other', leaseMs: 1000 } as const
  expect((await configstore.claimTasks(claim)).tasks).toMatchObject([{ attempts: 1 }])
})

test('the tasks of the only process there can be are free when it starts anew', async () => {
  await using world = await openWorld()
  await withDeletedProjects(world, 2)
  const { configstore, database } = world
  const claim = { kinds: ['delete_runs'], leaseMs: 60_000, limit: 1 } as const
  const { tasks } = await configstore.claimTasks({ ...claim, holder: 'killed' })
  await endTaskLeases(database)
  expect((await configstore.claimTasks({ ...claim, holder: 'next', limit: 2 })).tasks).toHaveLength(2)
  const late = configstore.completeTask({ id: tasks[0]!.id, holder: 'killed' })
  await expect(late).rejects.toMatchObject({ code: 'task_lease_lost' })
})
