import { copyFileSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { systemClock } from '../lib/clock.ts'
import { limits } from '../lib/limits.ts'
import type { ListRowsOptions, Transaction } from './database.ts'
import { collectable } from './log/local-commit.ts'
import { type EmbeddedDatabase, type OpenDatabaseOptions, openDatabase } from './open-database.ts'
import type { ReadModel } from './read-model/read-model.ts'
import { SimulatedClock } from './simulation/simulated-clock.ts'

type Ball = { readonly colour: string; readonly weight: number; readonly note?: string }
type Balls = { ball: Ball; box: { readonly size: number } }

const types = {
  ball: { indexes: { colour: (ball: Ball) => [ball.colour, ball.weight] } },
  box: {},
}

function temporaryFolder(): { readonly path: string } & Disposable {
  const folder = mkdtempSync(join(tmpdir(), 'slipway-database-'))
  return { path: join(folder, 'main.db'), [Symbol.dispose]: () => rmSync(folder, { recursive: true }) }
}

const open = (path: string, options: Partial<OpenDatabaseOptions> = {}): Promise<EmbeddedDatabase<Balls>> =>
  openDatabase<Balls>({ path, types, clock: systemClock, ...options })

test('what was committed is there after closing and opening again', async () => {
  using folder = temporaryFolder()
  let contentHash: string
  {
    await using db = await open(folder.path)
    const { result, position } = await db.do((tx) => {
      tx.put('ball', 'a', { colour: 'red', weight: 2 })
      return tx.get('ball', 'a')?.weight
    })
    expect({ result, position }).toEqual({ result: 2, position: 1 })
    contentHash = db.contentHash
  }
  await using db = await open(folder.path)
  expect(db.position).toBe(1)
  expect(db.contentHash).toBe(contentHash)
  expect(db.view((tx) => tx.list('ball'))).toEqual([{ id: 'a', body: { colour: 'red', weight: 2 }, changedAt: 1 }])
  expect(db.verify()).toEqual({ rows: 1, records: 1, oldest: 1, problems: [] })
})

test('calls made together share a record, and each gets its own result', async () => {
  using folder = temporaryFolder()
  await using db = await open(folder.path)
  const all = await Promise.all(
    Array.from({ length: 100 }, (_, n) =>
      db.do((tx) => {
        tx.put('box', `box ${n}`, { size: n })
        return n
      }),
    ),
  )
  expect(all.map(({ result }) => result)).toEqual(Array.from({ length: 100 }, (_, n) => n))
  expect(new Set(all.map(({ position }) => position))).toEqual(new Set([1]))
})

test('a closure that throws writes nothing and disturbs nobody', async () => {
  using folder = temporaryFolder()
  await using db = await open(folder.path)
  const before = db.do((tx) => tx.put('box', 'before', { size: 1 }))
  const throwing = db.do((tx) => {
    tx.put('box', 'before', { size: 9 })
    tx.put('box', 'thrown', { size: 2 })
    throw new Error('no')
  })
  const after = db.do((tx) => tx.put('box', 'after', { size: tx.get('box', 'before')?.size ?? 0 }))
  await expect(throwing).rejects.toThrow('no')
  await Promise.all([before, after])
  expect(db.view((tx) => tx.list('box').map(({ id, body }) => [id, body.size]))).toEqual([
    ['after', 1],
    ['before', 1],
  ])
  expect(db.verify().problems).toEqual([])
})

test('of a closure that fails after it wrote nothing stays for those after it, and each runs once', async () => {
  using folder = temporaryFolder()
  await using db = await open(folder.path)
  const runs = [0, 0, 0]
  const count = (n: number) =>
    db.do((tx) => {
      runs[n]!++
      const size = (tx.get('box', 'shared')?.size ?? 0) + 1
      tx.put('box', 'shared', { size })
      if (n === 1) throw new Error('after it wrote')
      return size
    })
  const outcomes = await Promise.allSettled([count(0), count(1), count(2)])
  expect(outcomes).toMatchObject([
    { status: 'fulfilled', value: { result: 1, position: 1 } },
    { status: 'rejected', reason: { message: 'after it wrote' } },
    { status: 'fulfilled', value: { result: 2, position: 1 } },
  ])
  expect(runs).toEqual([1, 1, 1])
  expect(db.verify().problems).toEqual([])
})

test('changes are told in order, those of the future included, until aborted', async () => {
  using folder = temporaryFolder()
  await using db = await open(folder.path)
  const stop = new AbortController()
  await db.do((tx) => tx.put('box', 'one', { size: 1 }))
  const seen: string[] = []
  const reading = (async () => {
    for await (const { position, operations } of db.changes(0, stop.signal)) {
      for (const { kind, id } of operations) seen.push(`${position} ${kind} ${id}`)
      if (position === 3) stop.abort()
    }
  })()
  await db.do((tx) => tx.put('box', 'two', { size: 2 }))
  await db.do((tx) => tx.delete('box', 'one'))
  await reading
  expect(seen).toEqual(['1 put one', '2 put two', '3 delete one'])
})

test('the changes of one record are one change, so a stored position is never in the middle', async () => {
  using folder = temporaryFolder()
  await using db = await open(folder.path)
  await Promise.all([1, 2, 3].map((n) => db.do((tx) => tx.put('box', `box ${n}`, { size: n }))))
  for await (const { position, operations } of db.changes(0, AbortSignal.timeout(5000))) {
    expect({ position, ids: operations.map(({ id }) => id) }).toEqual({ position: 1, ids: ['box 1', 'box 2', 'box 3'] })
    break
  }
})

test('a closure that wrote nothing commits nothing and answers the position it saw', async () => {
  using folder = temporaryFolder()
  await using db = await open(folder.path)
  expect(await db.do((tx) => tx.get('box', 'none') ?? 'nothing')).toEqual({ result: 'nothing', position: 0 })
  const [write, read] = await Promise.all([
    db.do((tx) => tx.put('box', 'a', { size: 1 })),
    db.do((tx) => tx.get('box', 'a')?.size),
  ])
  expect([write.position, read]).toEqual([1, { result: 1, position: 1 }])
  expect(db.position).toBe(1)
})

test.each<[string, Ball]>([
  ['equal', { colour: 'red', weight: 1, note: 'n' }],
  ['equal with its keys in another order', { note: 'n', weight: 1, colour: 'red' }],
])('writing a body that is %s is no change', async (_name, body) => {
  using folder = temporaryFolder()
  await using db = await open(folder.path)
  await db.do((tx) => tx.put('ball', 'a', { colour: 'red', weight: 1, note: 'n' }))
  expect((await db.do((tx) => tx.put('ball', 'a', body))).position).toBe(1)
  expect((await db.do((tx) => tx.delete('ball', 'none'))).position).toBe(1)
  expect(db.position).toBe(1)
})

test('a row of 64 KiB fits, one byte more is refused and nothing of its transaction stays', async () => {
  using folder = temporaryFolder()
  await using db = await open(folder.path)
  const ofBytes = (bytes: number): Ball => {
    const empty = JSON.stringify({ colour: '', weight: 1 }).length
    return { colour: 'ä'.repeat((bytes - empty) / 2), weight: 1 }
  }
  const even = JSON.stringify({ colour: '', weight: 1 }).length % 2 === 0
  await db.do((tx) => tx.put('ball', 'fits', ofBytes(limits.rowBytes.value - (even ? 0 : 1))))
  const tooLarge = db.do((tx) => {
    tx.put('box', 'before', { size: 1 })
    tx.put('ball', 'large', ofBytes(limits.rowBytes.value + 2))
  })
  await expect(tooLarge).rejects.toMatchObject({ code: 'row_too_large' })
  expect(db.view((tx) => [tx.count('ball'), tx.count('box')])).toEqual([1, 0])
})

test('a transaction that writes more than a record may hold is refused, and nothing of it stays', async () => {
  using folder = temporaryFolder()
  await using db = await open(folder.path)
  const colour = 'x'.repeat(65_000)
  const tooMuch = db.do((tx) => {
    for (let n = 0; n * colour.length < limits.recordBytes.value; n++)
      tx.put('ball', `ball ${n}`, { colour, weight: n })
  })
  await expect(tooMuch).rejects.toMatchObject({ code: 'record_too_large' })
  expect(db.view((tx) => tx.count('ball'))).toBe(0)
})

test.each([
  ['without consumers the newest are kept', 5000, undefined, 1000, 4000],
  ['a consumer that is ahead keeps no less', 5000, 4999, 1000, 4000],
  ['what a consumer has not seen stays', 5000, 70, 1000, 70],
  ['a consumer that never comes keeps a million', 1_005_000, 70, 1000, 5000],
])('of the log, %s', (_name, position, consumed, recordsKept, expected) => {
  expect(collectable(position, consumed, recordsKept)).toBe(expected)
})

test('all files are readable for their owner only', async () => {
  using folder = temporaryFolder()
  await using db = await open(folder.path)
  await db.do((tx) => tx.put('box', 'a', { size: 1 }))
  const names = readdirSync(dirname(folder.path))
  expect(names.toSorted()).toEqual(['main.db', 'main.db-shm', 'main.db-wal', 'main.db.lock', 'main.db.owner'])
  for (const name of names)
    expect([name, statSync(join(dirname(folder.path), name)).mode & 0o777]).toEqual([name, 0o600])
})

test('a closure that returns a promise is refused, and nothing of it stays', async () => {
  using folder = temporaryFolder()
  await using db = await open(folder.path)
  const late = db.do(async (tx) => {
    tx.put('box', 'a', { size: 1 })
    throw new Error('of the promise')
  })
  await expect(late).rejects.toMatchObject({ code: 'invariant' })
  expect(db.view((tx) => tx.count('box'))).toBe(0)
  expect(() => db.view(async () => 1)).toThrow('must be synchronous')
})

test('a transaction cannot be used after its closure returned', async () => {
  using folder = temporaryFolder()
  await using db = await open(folder.path)
  const { result: kept } = await db.do((tx) => ({ tx }))
  expect(() => kept.tx.put('box', 'a', { size: 1 })).toThrow('after its closure returned')
  expect(() => kept.tx.get('box', 'a')).toThrow('after its closure returned')
})

test('a closure that swallows a failed write does not keep half of it', async () => {
  using folder = temporaryFolder()
  const throwing = { indexes: { colour: (ball: Ball) => (ball.weight < 0 ? fail() : [ball.colour]) } }
  const fail = () => {
    throw new Error('the index function failed')
  }
  await using db = await open(folder.path, { types: { ...types, ball: throwing } })
  const swallowing = db.do((tx) => {
    tx.put('box', 'a', { size: 1 })
    try {
      tx.put('ball', 'a', { colour: 'red', weight: -1 })
    } catch {}
  })
  await expect(swallowing).rejects.toThrow('the index function failed')
  expect(db.view((tx) => [tx.count('ball'), tx.count('box')])).toEqual([0, 0])
  expect(db.verify().problems).toEqual([])
})

test.each([
  ['is empty', ''],
  ['has a zero character', 'a\0b'],
  ['is no well-formed text', '\ud800'],
  ['has more than 512 characters', 'x'.repeat(513)],
])('a row cannot have an id that %s', async (_name, id) => {
  using folder = temporaryFolder()
  await using db = await open(folder.path)
  await expect(db.do((tx) => tx.put('box', id, { size: 1 }))).rejects.toMatchObject({ code: 'invariant' })
})

test('types and indexes that are not declared are refused', async () => {
  using folder = temporaryFolder()
  await using db = await open(folder.path)
  const anything = (tx: unknown) => tx as Transaction<Record<string, unknown>>
  await expect(db.do((tx) => anything(tx).put('cup', 'a', {}))).rejects.toThrow('"cup" is not declared')
  expect(() => db.view((tx) => tx.list('ball', { index: 'size' }))).toThrow('index "size"')
})

test('a repeated transaction id acts once, for a day, also after opening again', async () => {
  using folder = temporaryFolder()
  const clock = new SimulatedClock()
  const later = (ms: number) => ({ ...systemClock, now: () => clock.now() + ms })
  const add = (tx: Transaction<Balls>) => {
    const size = (tx.get('box', 'a')?.size ?? 0) + 1
    tx.put('box', 'a', { size })
    return { size }
  }
  const once = { transactionId: 'once' }
  {
    await using db = await open(folder.path, { clock: later(0) })
    const together = await Promise.all([db.do(add, once), db.do(add, once), db.do(add)])
    expect(together.map(({ result }) => result.size)).toEqual([1, 1, 2])
    expect(await db.do(add, once)).toEqual({ result: { size: 1 }, position: 1 })
    expect(db.outcome('once')).toEqual({ result: { size: 1 }, position: 1 })
    expect(db.outcome('never')).toBeUndefined()
  }
  await using db = await open(folder.path, { clock: later(limits.transactionResultMs.value) })
  expect((await db.do(add, once)).result).toEqual({ size: 1 })
  await using other = await (async () => {
    await db[Symbol.asyncDispose]()
    return open(folder.path, { clock: later(limits.transactionResultMs.value + 1) })
  })()
  expect((await other.do(add, once)).result).toEqual({ size: 3 })
})

test('a failed transaction may be repeated under its id', async () => {
  using folder = temporaryFolder()
  await using db = await open(folder.path)
  const refused = db.do(
    (tx) => {
      tx.put('box', 'a', { size: 1 })
      throw new Error('no')
    },
    { transactionId: 'once' },
  )
  await expect(refused).rejects.toThrow('no')
  expect(await db.do((tx) => tx.put('box', 'a', { size: 2 }), { transactionId: 'once' })).toMatchObject({ position: 1 })
})

test('a result that is too large to keep is refused with its transaction', async () => {
  using folder = temporaryFolder()
  await using db = await open(folder.path)
  const large = (tx: Transaction<Balls>) => {
    tx.put('box', 'a', { size: 1 })
    return 'x'.repeat(limits.transactionResultBytes.value)
  }
  await expect(db.do(large, { transactionId: 'once' })).rejects.toMatchObject({ code: 'limit_exceeded' })
  expect(db.position).toBe(0)
  await db.do(large)
})

test('a caller that has left before evaluation wrote nothing', async () => {
  using folder = temporaryFolder()
  await using db = await open(folder.path)
  const leaving = new AbortController()
  const left = db.do((tx) => tx.put('box', 'a', { size: 1 }), { signal: leaving.signal })
  const stayed = db.do((tx) => tx.put('box', 'b', { size: 1 }), { signal: new AbortController().signal })
  leaving.abort(new Error('left'))
  await expect(left).rejects.toThrow('left')
  await expect(db.do(() => 1, { signal: leaving.signal })).rejects.toThrow('left')
  await stayed
  expect(db.view((tx) => tx.list('box').map(({ id }) => id))).toEqual(['b'])
})

test('when too many wait, further callers are refused at once, and those that wait are served', async () => {
  using folder = temporaryFolder()
  await using db = await open(folder.path)
  const waiting = Array.from({ length: limits.queuedTransactions.value }, () => db.do((tx) => tx.count('box')))
  await expect(db.do((tx) => tx.count('box'))).rejects.toMatchObject({ code: 'database_overloaded' })
  await Promise.all(waiting)
  await db.do((tx) => tx.count('box'))
})

test('when those that wait would write too much, further callers are refused', async () => {
  using folder = temporaryFolder()
  await using db = await open(folder.path)
  const write = (n: number) =>
    db.do((tx) => tx.put('ball', `ball ${n % 4}`, { colour: String(n).padEnd(60_000, 'x'), weight: n }))
  await Promise.all(Array.from({ length: 40 }, (_, n) => write(n)))
  const settled = await Promise.allSettled(Array.from({ length: 400 }, (_, n) => write(n)))
  const refused = settled.filter((one) => one.status === 'rejected')
  expect(refused.length).toBeGreaterThan(0)
  expect(refused.length).toBeLessThan(150)
  for (const { reason } of refused) expect(reason).toMatchObject({ code: 'database_overloaded' })
})

test('many large transactions are split into several records, in order', async () => {
  using folder = temporaryFolder()
  await using db = await open(folder.path)
  const all = await Promise.all(
    Array.from({ length: 40 }, (_, n) =>
      db.do((tx) => tx.put('ball', `ball ${n}`, { colour: 'x'.repeat(60_000), weight: n })),
    ),
  )
  const positions = all.map(({ position }) => position)
  expect(positions).toEqual(positions.toSorted((a, b) => a - b))
  expect(new Set(positions).size).toBe(3)
})

test('waiting for a position ends when it is applied, and not later than two seconds', async () => {
  using folder = temporaryFolder()
  const clock = new SimulatedClock()
  await using db = await open(folder.path, { clock })
  await db.waitFor(0)
  const waiting = db.waitFor(1)
  await db.do((tx) => tx.put('box', 'a', { size: 1 }))
  await waiting
  let behind: unknown
  db.waitFor(2).catch((error: unknown) => {
    behind = error
  })
  const began = clock.now()
  expect(await clock.run(() => behind !== undefined, 10)).toBe(true)
  expect(behind).toMatchObject({ code: 'database_behind' })
  expect(clock.now() - began).toBe(limits.readBarrierMs.value)
  const left = AbortSignal.abort(new Error('left'))
  await expect(db.waitFor(2, left)).rejects.toThrow('left')
})

test('old records leave the log, the newest never, and reading from before them says so', async () => {
  using folder = temporaryFolder()
  await using db = await open(folder.path, { recordsKept: 10 })
  for (let n = 0; n < 130; n++) await db.do((tx) => tx.put('box', 'a', { size: n }))
  expect(db.verify()).toMatchObject({ records: 130 - 128 + 10, oldest: 119, problems: [] })
  const first = async (from: number) =>
    (await db.changes(from, AbortSignal.timeout(5000))[Symbol.asyncIterator]().next()).value?.position
  await expect(first(0)).rejects.toMatchObject({ code: 'history_collected' })
  await expect(first(117)).rejects.toMatchObject({ code: 'history_collected' })
  expect(await first(118)).toBe(119)
})

test('records that a consumer has not seen stay in the log', async () => {
  using folder = temporaryFolder()
  let consumed = 5
  await using db = await open(folder.path, { recordsKept: 1, consumed: () => consumed })
  for (let n = 0; n < 64; n++) await db.do((tx) => tx.put('box', 'a', { size: n }))
  expect(db.verify().oldest).toBe(6)
  consumed = 1000
  for (let n = 0; n < 64; n++) await db.do((tx) => tx.put('box', 'b', { size: n }))
  expect(db.verify().oldest).toBe(128)
})

test('an index lists rows by its columns and then by id, whatever prefix, start, direction and limit', async () => {
  using folder = temporaryFolder()
  await using db = await open(folder.path)
  const key = fc.constantFrom('', 'a', 'ab', 'b')
  const weight = fc.integer({ min: -2, max: 2 })
  const query = fc.record(
    {
      prefix: fc.oneof(fc.constant([]), fc.tuple(key), fc.tuple(key, weight)),
      after: fc.oneof(fc.tuple(key), fc.tuple(key, weight), fc.tuple(key, weight, fc.constantFrom('1', '5', '9'))),
      descending: fc.boolean(),
      limit: fc.integer({ min: 1, max: 5 }),
    },
    { requiredKeys: [] },
  )
  const balls = fc.array(fc.record({ colour: key, weight }), { minLength: 10, maxLength: 10 })
  await fc.assert(
    fc.asyncProperty(balls, query, async (all, options) => {
      await db.do((tx) => {
        for (const [n, ball] of all.entries()) tx.put('ball', String(n), ball)
      })
      const keys = all.map((ball, n) => [ball.colour, ball.weight, String(n)] as const)
      const { prefix = [], after, descending, limit } = options
      const withPrefix = keys.filter((key) => prefix.every((value, n) => key[n] === value))
      const expected = withPrefix
        .toSorted((a, b) => compare(a, b) * (descending ? -1 : 1))
        .filter((key) => after === undefined || (descending ? compare(key, after) < 0 : compare(key, after) > 0))
        .slice(0, limit)
      const found = db.view((tx) => tx.list('ball', { index: 'colour', ...options } satisfies ListRowsOptions))
      expect(found.map(({ id }) => id)).toEqual(expected.map(([, , id]) => id))
      expect(db.view((tx) => tx.count('ball', { index: 'colour', prefix }))).toBe(withPrefix.length)
    }),
    { numRuns: 60 },
  )
  expect(db.verify().problems).toEqual([])
})

function compare(a: readonly (string | number)[], b: readonly (string | number)[]): number {
  for (const [n, left] of a.entries()) {
    const right = b[n]
    if (right === undefined) return 1
    if (left !== right) return left < right ? -1 : 1
  }
  return a.length < b.length ? -1 : 0
}

test('without an index rows are listed by id', async () => {
  using folder = temporaryFolder()
  await using db = await open(folder.path)
  await db.do((tx) => {
    for (const id of ['b', 'a', 'd', 'c']) tx.put('box', id, { size: 1 })
  })
  const ids = (options: ListRowsOptions) =>
    db.view((tx) =>
      tx
        .list('box', options)
        .map(({ id }) => id)
        .join(''),
    )
  expect(ids({})).toBe('abcd')
  expect(ids({ descending: true, limit: 2 })).toBe('dc')
  expect(ids({ after: ['b'] })).toBe('cd')
  expect(ids({ after: ['c'], descending: true })).toBe('ba')
  expect(ids({ prefix: ['c'] })).toBe('c')
  expect(db.view((tx) => [tx.count('box'), tx.count('box', { prefix: ['c'] })])).toEqual([4, 1])
})

test('an index that is declared otherwise is built anew, and rows of types no longer declared stay', async () => {
  using folder = temporaryFolder()
  let contentHash: string
  {
    await using db = await open(folder.path)
    await db.do((tx) => {
      tx.put('ball', 'a', { colour: 'red', weight: 2 })
      tx.put('ball', 'b', { colour: 'blue', weight: 1 })
      tx.put('box', 'c', { size: 3 })
    })
    contentHash = db.contentHash
  }
  {
    await using db = await open(folder.path, {
      types: { ball: { indexes: { colour: (ball: Ball) => (ball.weight > 1 ? [ball.weight] : undefined) } } },
    })
    expect(db.view((tx) => tx.list('ball', { index: 'colour' }).map(({ id }) => id))).toEqual(['a'])
    expect(db.contentHash).toBe(contentHash)
    expect(db.verify().problems).toEqual([])
  }
  await using db = await open(folder.path)
  expect(db.view((tx) => tx.list('ball', { index: 'colour' }).map(({ id }) => id))).toEqual(['b', 'a'])
  expect(db.view((tx) => tx.get('box', 'c'))).toEqual({ size: 3 })
})

test('an index whose function calls something that has changed is built anew', async () => {
  using folder = temporaryFolder()
  let factor = 1
  const keyOf = (ball: Ball) => [ball.weight * factor]
  const weighed = { ball: { indexes: { weight: keyOf } } }
  {
    await using db = await open(folder.path, { types: weighed })
    await db.do((tx) => tx.put('ball', 'a', { colour: 'red', weight: 2 }))
  }
  factor = 10
  await using db = await open(folder.path, { types: weighed })
  expect(db.view((tx) => tx.count('ball', { index: 'weight', prefix: [20] }))).toBe(1)
  expect(db.verify().problems).toEqual([])
})

test('a second one cannot open it while the first has it open', async () => {
  using folder = temporaryFolder()
  {
    await using db = await open(folder.path, { instanceId: 'the first' })
    await expect(open(folder.path)).rejects.toMatchObject({
      code: 'database_locked',
      message: expect.stringContaining(`process ${process.pid} (instance the first)`),
    })
    await db.do((tx) => tx.put('box', 'a', { size: 1 }))
  }
  await using db = await open(folder.path)
  expect(db.position).toBe(1)
})

test.each<[string, string, (path: string) => void]>([
  ['that is no SQLite file', 'database_corrupt', (path) => writeFileSync(path, 'x'.repeat(10_000))],
  ['of another program', 'database_foreign', (path) => change(path, 'CREATE TABLE a (b)')],
  [
    'of a later version',
    'database_too_new',
    (path) => change(path, 'PRAGMA application_id = 0x536c6970; PRAGMA user_version = 99'),
  ],
])('a file %s is refused as %s, and can be opened by its owner', async (_name, code, make) => {
  using folder = temporaryFolder()
  make(folder.path)
  await expect(open(folder.path)).rejects.toMatchObject({ code })
  await expect(open(folder.path)).rejects.toMatchObject({ code }) // not locked by the first attempt
})

test.each([
  ['a changed row', `UPDATE stored_row SET body = '{"size":9}' WHERE id = 'a'`],
  ['a lost row', `DELETE FROM stored_row WHERE id = 'a'`],
  ['a lost index entry', 'DELETE FROM index_entry'],
  ['a lost record', 'DELETE FROM log WHERE position = 2'],
  ['a changed record', 'UPDATE log SET bytes = replace(bytes, 1, 2) WHERE position = 2'],
  ['another content hash', `UPDATE log SET content_hash = '${'1'.repeat(64)}' WHERE position = 3`],
])('verify finds %s', async (_name, sql) => {
  using folder = temporaryFolder()
  await using db = await open(folder.path)
  await db.do((tx) => tx.put('box', 'a', { size: 1 }))
  await db.do((tx) => tx.put('ball', 'b', { colour: 'red', weight: 1 }))
  await db.do((tx) => tx.put('box', 'c', { size: 1 }))
  expect(db.verify().problems).toEqual([])
  change(folder.path, sql)
  expect(db.verify().problems).not.toEqual([])
})

test('a file of the format before, in which a commit moved another row than that of its record, is read on', async () => {
  using folder = temporaryFolder()
  {
    await using db = await open(folder.path)
    await db.do((tx) => tx.put('box', 'a', { size: 1 }))
  }
  change(folder.path, 'DROP VIEW state; ALTER TABLE log DROP COLUMN content_hash; PRAGMA user_version = 2')
  await using db = await open(folder.path)
  expect(db.position).toBe(1)
  await db.do((tx) => tx.put('box', 'b', { size: 2 }))
  expect(db.verify().problems).toEqual([])
})

test('where the rows are is found again after a crash, however many records ago it was written beside them', async () => {
  using folder = temporaryFolder()
  await using db = await open(folder.path)
  for (let size = 1; size <= 70; size++) await db.do((tx) => tx.put('box', 'a', { size }))
  const copy = join(dirname(folder.path), 'copy.db')
  for (const end of ['', '-wal']) copyFileSync(`${folder.path}${end}`, `${copy}${end}`)
  await using crashed = await open(copy)
  expect(crashed.position).toBe(70)
  expect(crashed.view((tx) => tx.get('box', 'a'))).toEqual({ size: 70 })
  expect(crashed.verify().problems).toEqual([])
})

test('a file whose log and rows end at different records is refused', async () => {
  using folder = temporaryFolder()
  {
    await using db = await open(folder.path)
    await db.do((tx) => tx.put('box', 'a', { size: 1 }))
  }
  change(folder.path, 'DELETE FROM log')
  await expect(open(folder.path)).rejects.toMatchObject({ code: 'database_corrupt' })
})

function change(path: string, sql: string): void {
  const connection = new DatabaseSync(path)
  connection.exec(sql)
  connection.close()
}

test('closing commits what waits, ends those who read, and refuses what comes', async () => {
  using folder = temporaryFolder()
  const db = await open(folder.path)
  const waiting = Array.from({ length: 600 }, (_, n) => db.do((tx) => tx.put('box', `box ${n}`, { size: n })))
  const reading = (async () => {
    for await (const _ of db.changes(0, new AbortController().signal));
  })()
  const closing = [db[Symbol.asyncDispose](), db[Symbol.asyncDispose]()]
  await expect(db.do((tx) => tx.count('box'))).rejects.toMatchObject({ code: 'database_closed' })
  await expect(reading).rejects.toMatchObject({ code: 'database_closed' })
  await Promise.all([...waiting, ...closing])
  expect(() => db.view((tx) => tx.count('box'))).toThrow('closed')
  await using again = await open(folder.path)
  expect(again.view((tx) => tx.count('box'))).toBe(600)
})

test('no SQLite transaction is open when a promise of the database waits', async () => {
  using folder = temporaryFolder()
  const models: ReadModel[] = []
  await using db = await open(folder.path, {
    seams: {
      replaceCommit: (commit, model) => {
        models.push(model)
        return commit
      },
    },
  })
  let looks = 0
  const look = () => {
    looks++
    for (const { connection, readConnection, isInTransaction } of models)
      expect([connection.isTransaction, readConnection.isTransaction, isInTransaction]).toEqual([false, false, false])
  }
  const stop = new AbortController()
  const reading = (async () => {
    for await (const _ of db.changes(0, stop.signal)) look()
  })()
  const ticking = (async () => {
    while (!stop.signal.aborted) {
      look()
      await new Promise((resolve) => setImmediate(resolve))
    }
  })()
  for (let n = 0; n < 50; n++) {
    const call = db.do((tx) => (n % 5 === 4 ? tx.get('box', 'a')?.size : tx.put('box', 'a', { size: n })))
    look()
    await call
    look()
  }
  await expect(db.do(() => Promise.reject(new Error('no')))).rejects.toThrow('synchronous')
  look()
  stop.abort()
  await Promise.all([reading, ticking])
  expect(looks).toBeGreaterThan(100)
})
