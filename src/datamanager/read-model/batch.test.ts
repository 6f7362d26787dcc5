// What closures see of each other in one batch is what they would see one after the other, each in a commit of its own.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { systemClock } from '../../lib/clock.ts'
import { aTestRun, familyTestTypes, runId, type TestRun } from '../cold/families-fixture.ts'
import type { Database, RowTypes, Transaction } from '../database.ts'
import { openDatabase } from '../open-database.ts'
import { openLogDatabase } from '../open-log-database.ts'
import { MemoryChangeLog, MemoryLogStore } from '../simulation/memory-log.ts'

type Ball = { readonly colour: string; readonly weight: number }
type TestRows = { ball: Ball; run: TestRun }
const types = {
  ball: {
    indexes: {
      colour: (ball: Ball) => [ball.colour, ball.weight],
      heavy: (ball: Ball) => (ball.weight > 1 ? [ball.weight] : undefined),
    },
  },
  ...familyTestTypes,
} as const satisfies RowTypes

type Step =
  | { readonly kind: 'put' | 'delete' | 'get'; readonly id: string; readonly ball: Ball }
  | { readonly kind: 'list' | 'count'; readonly colour: string | undefined; readonly isDescending: boolean }
  | { readonly kind: 'list heavy' | 'list by id' | 'throw' | 'count all' }
  | { readonly kind: 'put run' | 'delete run' | 'list entries'; readonly order: number; readonly isBusy: boolean }

const colours = ['red', 'blue']
const runIds = [0, 1, 2, 3].map(runId)
const ball = fc.record({ colour: fc.constantFrom(...colours), weight: fc.integer({ min: 0, max: 3 }) })
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ kind: fc.constantFrom('put', 'delete', 'get'), id: fc.constantFrom('a', 'b', 'c'), ball }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constantFrom('list', 'count'),
      colour: fc.constantFrom(undefined, ...colours),
      isDescending: fc.boolean(),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constantFrom('list heavy', 'list by id', 'throw', 'count all') }) },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constantFrom('put run', 'delete run', 'list entries'),
      order: fc.integer({ min: 1, max: 3 }),
      isBusy: fc.boolean(),
    }),
  },
)
const closures = fc.array(fc.array(step, { minLength: 1, maxLength: 6 }), { minLength: 1, maxLength: 8 })

const act = (tx: Transaction<TestRows>, steps: readonly Step[]) => steps.map((step) => perform(tx, step))

function perform(tx: Transaction<TestRows>, step: Step): unknown {
  switch (step.kind) {
    case 'put':
      tx.put('ball', step.id, step.ball)
      return undefined
    case 'delete':
      tx.delete('ball', step.id)
      return undefined
    case 'get':
      return tx.get('ball', step.id)
    case 'list':
    case 'count': {
      const prefix = step.colour === undefined ? [] : [step.colour]
      if (step.kind === 'count') return tx.count('ball', { index: 'colour', prefix })
      return tx.list('ball', { index: 'colour', prefix, descending: step.isDescending, limit: 2 }).map(shown)
    }
    case 'list heavy':
      return tx.list('ball', { index: 'heavy' }).map(shown)
    case 'list by id':
      return tx.list('ball').map(shown)
    case 'count all':
      return tx.count('ball')
    case 'put run':
      tx.put('run', runIds[step.order]!, aTestRun(step.order, { state: step.isBusy ? 'busy' : 'good' }))
      return undefined
    case 'delete run':
      tx.delete('run', runIds[step.order]!)
      return undefined
    case 'list entries':
      return [
        tx.entries({ limit: 10 }).map(({ order, state }) => [order, state]),
        tx.entry(runIds[step.order]!)?.state,
        tx.list('run', { index: 'busy', prefix: [aTestRun(step.order).group] }).map(shown),
      ]
    case 'throw':
      throw new Error('on purpose')
  }
}

// The position at which a row was changed differs, as the others are commits of their own.
const shown = ({ id, body }: { readonly id: string; readonly body: unknown }) => ({ id, body })

const outcomes = async (calls: readonly Promise<{ readonly result: unknown }>[]) =>
  (await Promise.allSettled(calls)).map((call) =>
    call.status === 'fulfilled' ? call.value.result : String(call.reason),
  )

test('closures of one batch see what they would see in commits of their own', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'slipway-batch-'))
  let databases = 0
  const shared = async (store: MemoryLogStore) =>
    await openLogDatabase<TestRows>({
      ...{ path: join(folder, `${++databases}.db`), types, clock: systemClock, instanceId: String(databases) },
      ...{ log: new MemoryChangeLog(store), identity: { store: 'store', generation: 'generation' } },
    })
  try {
    const property = fc.asyncProperty(closures, closures, async (first, second) => {
      const store = new MemoryLogStore()
      await using single = await openDatabase<TestRows>({
        path: join(folder, `${++databases}.db`),
        types,
        clock: systemClock,
      })
      await using local = await openDatabase<TestRows>({
        path: join(folder, `${++databases}.db`),
        types,
        clock: systemClock,
      })
      await using remote = await shared(store)
      await using other = await shared(store)
      for (const batch of [first, second]) {
        const expected: unknown[] = []
        for (const steps of batch) expected.push(...(await outcomes([single.do((tx) => act(tx, steps))])))
        const together = (db: Database<TestRows>) => outcomes(batch.map((steps) => db.do((tx) => act(tx, steps))))
        expect(await together(local)).toEqual(expected)
        expect(await together(remote)).toEqual(expected)
      }
      expect(local.contentHash).toBe(single.contentHash)
      expect(local.verify().problems).toEqual([])
      await other.waitFor(remote.position)
      expect(remote.contentHash).toBe(single.contentHash)
      expect(other.contentHash).toBe(single.contentHash)
      const all = (tx: Parameters<Parameters<typeof local.view>[0]>[0]) => [
        tx.list('ball', { index: 'colour' }),
        tx.list('ball', { index: 'heavy' }).map(shown),
        tx.entries({ limit: 10 }),
      ]
      expect(remote.view(all)).toEqual(other.view(all))
      expect(remote.view(all)).toEqual(local.view(all))
    })
    await fc.assert(property, { numRuns: 12 })
  } finally {
    rmSync(folder, { recursive: true })
  }
}, 120_000)

test('what a closure wrote before it listed is undone when it throws, and what those before it wrote is not', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'slipway-batch-'))
  try {
    await using db = await openDatabase<TestRows>({ path: join(folder, 'main.db'), types, clock: systemClock })
    const red = (tx: Transaction<TestRows>) => tx.list('ball', { index: 'colour', prefix: ['red'] }).map(({ id }) => id)
    const put = (id: string, outcome: (tx: Transaction<TestRows>) => unknown) =>
      db.do((tx) => {
        tx.put('ball', id, { colour: 'red', weight: 1 })
        return outcome(tx)
      })
    const throwing = (tx: Transaction<TestRows>) => {
      throw new Error(red(tx).join(' '))
    }
    const calls = [put('a', () => 'unlisted'), put('b', throwing), put('c', red), put('d', throwing), put('e', red)]
    expect(await outcomes(calls)).toEqual(['unlisted', 'Error: a b', ['a', 'c'], 'Error: a c d', ['a', 'c', 'e']])
    expect(db.view((tx) => tx.list('ball').map(({ id }) => id))).toEqual(['a', 'c', 'e'])
    expect(db.verify().problems).toEqual([])
  } finally {
    rmSync(folder, { recursive: true })
  }
})
