import { DatabaseSync } from 'node:sqlite'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { newUuid } from '../../lib/uuid.ts'
import type { FamilyEntry, FamilyQuery } from '../database.ts'
import { Entries } from './entries.ts'
import { familyTables } from './family-tables.ts'

const paths = ['', '/a', '/a/b', '/a/b/c', '/a/b/c/d', '/a/bc', '/a/bc/c', '/x/y']
const ids = Array.from({ length: 12 }, (_, n) => (n < 10 ? newUuid(1000 + n) : `no uuid ${n}`))

function open(): Entries & Disposable {
  const db = new DatabaseSync(':memory:')
  db.exec(familyTables)
  return Object.assign(new Entries(db), { [Symbol.dispose]: () => db.close() })
}

const arbitraryEntry = fc.record(
  {
    path: fc.constantFrom(...paths),
    state: fc.integer({ min: 0, max: 3 }),
    number: fc.integer({ min: 1, max: 4 }),
    label: fc.constantFrom('one', 'two'),
    // Around the bound of two spans, and out of their order.
    createdAt: fc.integer({ min: 0, max: 20 }),
    removableSince: fc.integer({ min: 0, max: 5 }),
    repeats: fc.constantFrom(...ids),
  },
  { requiredKeys: ['path', 'state', 'number', 'label', 'createdAt'] },
)
const arbitraryQuery: fc.Arbitrary<FamilyQuery> = fc.record(
  {
    path: fc.constantFrom(...paths, '/none', '/a/'),
    isSubtree: fc.boolean(),
    states: fc.subarray([0, 1, 2, 3]),
    from: fc.integer({ min: 0, max: 20 }),
    before: fc.integer({ min: 0, max: 20 }),
    after: fc.integer({ min: 1015, max: 1035 }),
    descending: fc.boolean(),
    limit: fc.integer({ min: 1, max: 15 }),
  },
  { requiredKeys: ['limit'] },
)
type Model = ReadonlyMap<string, FamilyEntry>
const orderOf = (id: string) => 1018 + ids.indexOf(id)

/** The sentence of FamilyQuery, said again. */
function listed(model: Model, query: FamilyQuery): string[] {
  const { isSubtree, states, number, from = 0, before = 100, after, descending = false, limit } = query
  const path = query.path?.replace(/\/$/, '')
  const found = [...model].filter(([, entry]) => {
    const isIn = path === undefined || entry.path === path || (isSubtree === true && entry.path.startsWith(`${path}/`))
    const isBeyond = after === undefined || (descending ? entry.order < after : entry.order > after)
    const isAsked = (states?.includes(entry.state) ?? true) && (number === undefined || entry.number === number)
    return isIn && isBeyond && isAsked && entry.createdAt >= from && entry.createdAt < before
  })
  found.sort(([, a], [, b]) => (a.order - b.order) * (descending ? -1 : 1))
  return found.slice(0, limit).map(([id]) => id)
}

function expectLike(entries: Entries, model: Model, queries: readonly FamilyQuery[]): void {
  for (const id of ids) {
    const entry = model.get(id)
    expect(entries.get(id)).toEqual(entry && { id, ...entry })
    const repeating = [...model].filter(([, { repeats }]) => repeats === id).map(([other]) => other)
    expect(entries.repeating(id).map((row) => row.id)).toEqual(repeating.sort((a, b) => orderOf(a) - orderOf(b)))
  }
  for (const query of queries) {
    expect(entries.list(query).map(({ id }) => id)).toEqual(listed(model, query))
    const byNumber = { ...query, number: 2, path: '/a/b' }
    const { after: _, ...withoutAfter } = byNumber
    expect(entries.list(withoutAfter).map(({ id }) => id)).toEqual(listed(model, withoutAfter))
  }
  const removable = [...model.values()].filter(({ removableSince = 9 }) => removableSince < 3)
  expect(entries.removable(3, 100)).toHaveLength(removable.length)
}

test('entries are found as they were written last, by any query', () => {
  const steps = fc.array(fc.tuple(fc.constantFrom(...ids), fc.option(arbitraryEntry)), { maxLength: 30 })
  fc.assert(
    fc.property(steps, fc.array(arbitraryQuery, { maxLength: 8 }), (written, queries) => {
      using entries = open()
      const model = new Map<string, FamilyEntry>()
      for (const [id, entry] of written) {
        if (entry) {
          const whole = { ...entry, order: orderOf(id) }
          entries.put(id, whole, true)
          model.set(id, whole)
        } else {
          entries.remove(id)
          model.delete(id)
        }
      }
      expectLike(entries, model, queries)
    }),
  )
})

test('entries that a snapshot brings are found like those that were written', () => {
  const uuids = ids.slice(0, 10)
  const snapshot = fc.dictionary(fc.constantFrom(...uuids), arbitraryEntry)
  fc.assert(
    fc.property(snapshot, fc.array(arbitraryQuery, { maxLength: 8 }), (found, queries) => {
      using entries = open()
      const model = new Map(Object.entries(found).map(([id, entry]) => [id, { ...entry, order: orderOf(id) }]))
      const [warm, ...cold] = [...model]
      if (warm) entries.put(warm[0], warm[1], true)
      const span = { block: 0, start: 0, length: 1, rows: 1, sum: new Uint8Array(32) }
      const file = entries.addFile('file', new Uint8Array(8))
      entries.restore(
        file,
        cold.map(([id, entry]) => ({ id, entry, ...span })),
      )
      entries.finishRestore()
      expectLike(entries, model, queries)
      expect(entries.files()).toMatchObject([{ families: cold.length }])
      for (const [id] of cold) entries.makeWarm(entries.cold(id)!)
      expect(entries.hasNoneCold).toBe(true)
      expectLike(entries, model, queries)
    }),
  )
})

test('more families than are read at once come in order, once each, also when orders are the same', () => {
  using entries = open()
  const orders = Array.from({ length: 500 }, (_, n) => Math.floor(n / (n % 7 === 0 ? 3 : 1)))
  for (const [n, order] of orders.entries())
    entries.put(newUuid(n), { order, path: '/p/q/r', state: n % 3, number: n, label: '', createdAt: n }, true)
  const sorted = orders.toSorted((a, b) => a - b)
  const all = entries.list({ path: '/p', isSubtree: true, limit: 1000 })
  expect(all.map(({ order }) => order)).toEqual(sorted)
  expect(new Set(all.map(({ id }) => id)).size).toBe(500)
  expect(entries.list({ limit: 1000, descending: true }).map(({ order }) => order)).toEqual(sorted.toReversed())
})
