// Instances crash at every call of their log, before or after it has acted; others go on. What must hold: of each event and
// receiver there is one notification, each arrives with an id that stays, and the last commit status is the newest.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { openLogDatabase } from '../datamanager/open-log-database.ts'
import { MemoryChangeLog, MemoryLogStore } from '../datamanager/simulation/memory-log.ts'
import { type Clock, systemClock } from '../lib/clock.ts'
import { SlipwayError } from '../lib/errors.ts'
import { newSealingKey, type SealingKey } from '../lib/sealing.ts'
import { until } from '../lib/until-fixture.ts'
import { FakeProjects, FakeProvider, FakeRuns, HttpReceiver, openNotificationWorld } from './notification-fixture.ts'
import { type NotificationSchema, notificationRowTypes } from './row-types.ts'

const startedAt = Date.now()
/** Leases end, and retries come, at once. */
const quick: Clock = {
  ...systemClock,
  now: () => startedAt + (Date.now() - startedAt) * 200,
  sleep: (ms, signal) => systemClock.sleep(ms / 200, signal),
}

class Installation implements AsyncDisposable {
  readonly runs = new FakeRuns()
  readonly projects = new FakeProjects()
  readonly provider = new FakeProvider()
  readonly #keys: readonly [SealingKey] = [newSealingKey()]
  readonly #store = new MemoryLogStore()
  readonly #folder = mkdtempSync(join(tmpdir(), 'slipway-notification-crash-'))
  readonly #owned = new AsyncDisposableStack()
  #instances = 0

  /** Crashes with its `crashAt`th append, when that has acted or not. */
  async open({ crashAt = Number.POSITIVE_INFINITY, hasActed = false } = {}) {
    const instanceId = `instance-${++this.#instances}`
    const crashed = Promise.withResolvers<void>()
    let appends = 0
    let isDown = false
    const log = new MemoryChangeLog(this.#store, async (call, { act }) => {
      if (isDown) throw new Error('the network is gone')
      if (call !== 'append' || ++appends < crashAt) return act()
      isDown = true
      if (hasActed) act()
      database.fail(new SlipwayError('database_closed', 'crashed'))
      crashed.resolve()
      throw new Error('the network is gone')
    })
    const database = await openLogDatabase<NotificationSchema>({
      path: join(this.#folder, `${instanceId}.db`),
      types: notificationRowTypes,
      clock: systemClock,
      instanceId,
      log,
      identity: { store: 'store', generation: 'generation' },
    })
    this.#owned.use(database)
    const { runs, projects, provider } = this
    const world = await openNotificationWorld({ runs, projects, provider, database, clock: quick, keys: this.#keys })
    this.#owned.use(world)
    return { world, crashed: crashed.promise }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#owned.disposeAsync()
    rmSync(this.#folder, { recursive: true, force: true })
  }
}

const context = 'slipway/org/acme/web/build/push'

test.each(Array.from({ length: 24 }, (_, index) => [Math.floor(index / 2) + 1, index % 2 === 1] as const))(
  'an instance that crashes with its append %i, which has acted: %s, loses and doubles nothing',
  async (crashAt, hasActed) => {
    await using http = await HttpReceiver.open()
    await using installation = new Installation()
    const { runs, provider } = installation
    {
      const { world } = await installation.open()
      await world.receiver({ kind: 'webhook', url: `${http.url}/one` })
      await world.receiver({ kind: 'webhook', url: `${http.url}/two`, format: 'cloudevents' })
      await world.receiver({ kind: 'slack', url: `${http.url}/slack` })
      await until(() => world.database.view((tx) => tx.get('consumer', 'runevents') !== undefined))
      await world[Symbol.asyncDispose]()
    }
    const { world: first, crashed } = await installation.open({ crashAt, hasActed })
    const id = runs.add()
    runs.start(id)
    runs.end(id, 'failed', { test: 'failed' })
    const isDone = async (world: typeof first) =>
      world.database.view((tx) => tx.get('consumer', 'runevents')?.passed) === runs.events.length &&
      (await world.list('waiting')).length === 0
    await Promise.race([crashed, until(() => isDone(first).catch(() => false))])
    await first[Symbol.asyncDispose]()
    const { world } = await installation.open()
    await until(() => isDone(world))
    const all = await world.list()
    const told = all
      .filter(({ kind }) => kind !== 'status')
      .map(({ receiverId, messageId }) => `${receiverId} ${messageId}`)
    expect(new Set(told).size).toBe(told.length)
    expect(told).toHaveLength(2 * 3 + 1)
    expect(all.filter(({ state }) => state !== 'sent' && state !== 'superseded')).toEqual([])
    for (const path of ['/one', '/two']) {
      const events = http.of(path).map(({ headers }) => headers['slipway-event-id'])
      expect([...new Set(events)].toSorted()).toEqual([1, 2, 4].map((sequence) => `${id}.${sequence}`))
    }
    expect(http.of('/slack').length).toBeGreaterThanOrEqual(1)
    expect(provider.shown()[context]).toBe('failed: 1 of 1 task failed: test')
    await world[Symbol.asyncDispose]()
  },
)

test('two instances that read events at the same time tell each once', async () => {
  await using http = await HttpReceiver.open()
  await using installation = new Installation()
  const { runs } = installation
  const { world: one } = await installation.open()
  await one.receiver({ kind: 'webhook', url: `${http.url}/one` })
  await until(() => one.database.view((tx) => tx.get('consumer', 'runevents') !== undefined))
  const { world: two } = await installation.open()
  for (let run = 0; run < 30; run++) runs.add()
  await until(() => http.received.length >= 30)
  await until(async () => (await two.list('waiting')).length === 0)
  const all = await two.list()
  expect(all.filter(({ kind }) => kind === 'webhook')).toHaveLength(30)
  expect(all.filter(({ kind }) => kind === 'status')).toHaveLength(30)
  expect(new Set(http.received.map(({ headers }) => headers['slipway-event-id'])).size).toBe(30)
  await one[Symbol.asyncDispose]()
  await two[Symbol.asyncDispose]()
})
