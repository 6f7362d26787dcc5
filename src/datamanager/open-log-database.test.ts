import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { isSlipwayError, SlipwayError } from '../lib/errors.ts'
import { limits } from '../lib/limits.ts'
import { type Logger, silentLogger } from '../lib/log.ts'
import { type AppendResult, type ChangeLog, genesisHash } from './change-log.ts'
import { aRecord } from './change-log-contract.ts'
import type { Transaction } from './database.ts'
import { openLogDatabase } from './open-log-database.ts'
import { OutcomeUnknownError } from './outcome-unknown.ts'
import type { ReadModel } from './read-model/read-model.ts'
import { encodePut, encodeRecord, encodeTransaction } from './record.ts'
import type { Seams } from './seams.ts'
import { LostAnswer, MemoryChangeLog, MemoryLogStore } from './simulation/memory-log.ts'
import { prng } from './simulation/prng.ts'
import { SimulatedClock } from './simulation/simulated-clock.ts'

type Boxes = { box: { readonly size: number } }

const identity = { store: 'store', generation: 'generation' }

class World implements Disposable {
  readonly folder = mkdtempSync(join(tmpdir(), 'slipway-log-database-'))
  readonly clock = new SimulatedClock()
  readonly store = new MemoryLogStore()
  #instances = 0

  open(log: ChangeLog = new MemoryChangeLog(this.store), seams: Seams = {}, logger: Logger = silentLogger) {
    const path = join(this.folder, `${++this.#instances}.db`)
    const instanceId = `instance ${this.#instances}`
    const { clock } = this
    const defer = (task: () => void) => void clock.after(0, task)
    return openLogDatabase<Boxes>({
      path,
      types: { box: {} },
      clock,
      instanceId,
      log,
      identity,
      logger,
      seams: { defer, ...seams },
    })
  }

  /** Lets simulated time pass until `promise` has ended. */
  async finish<T>(promise: Promise<T>): Promise<T> {
    let isDone = false
    const done = () => {
      isDone = true
    }
    promise.then(done, done)
    expect(await this.clock.run(() => isDone, 1000)).toBe(true)
    return promise
  }

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true })
  }
}

test('what one instance commits another one sees, at the same position with the same content', async () => {
  using world = new World()
  await using first = await world.open()
  await using second = await world.open()
  const { position } = await world.finish(first.do((tx) => tx.put('box', 'a', { size: 1 })))
  await world.finish(second.waitFor(position))
  expect(second.view((tx) => tx.get('box', 'a'))).toEqual({ size: 1 })
  expect(second.contentHash).toBe(first.contentHash)
})

test('who waits for the newest sees what others committed before, and hears when the log does not say', async () => {
  using world = new World()
  await using first = await world.open()
  let isHeld = false
  let isSilent = false
  const released = Promise.withResolvers<void>()
  const late = new MemoryChangeLog(world.store, async (call, { act }, signal) => {
    if (call === 'read records' && isHeld) await released.promise
    if (call !== 'head' || !isSilent) return act()
    return new Promise((_resolve, reject) => signal?.addEventListener('abort', () => reject(signal.reason)))
  })
  await using second = await world.open(late)
  isHeld = true
  await world.finish(first.do((tx) => tx.put('box', 'a', { size: 1 })))
  const waiting = world.finish(second.waitFor('newest'))
  expect(second.view((tx) => tx.get('box', 'a'))).toBeUndefined()
  released.resolve()
  await waiting
  expect(second.view((tx) => tx.get('box', 'a'))).toEqual({ size: 1 })
  isSilent = true
  const began = world.clock.now()
  await expect(world.finish(second.waitFor('newest'))).rejects.toMatchObject({ code: 'database_behind' })
  expect(world.clock.now() - began).toBe(limits.readBarrierMs.value)
})

test('instances that count together lose no count', async () => {
  using world = new World()
  await using first = await world.open()
  await using second = await world.open()
  const count = (db: typeof first) => db.do((tx) => tx.put('box', 'a', { size: (tx.get('box', 'a')?.size ?? 0) + 1 }))
  await world.finish(Promise.all(Array.from({ length: 40 }, (_, n) => count(n % 2 ? first : second))))
  await world.finish(Promise.all([first.waitFor(world.store.head), second.waitFor(world.store.head)]))
  expect(first.view((tx) => tx.get('box', 'a')?.size)).toBe(40)
  expect(second.contentHash).toBe(first.contentHash)
})

test('no SQLite transaction is open while the log is waited for', async () => {
  using world = new World()
  let calls = 0
  const models: ReadModel[] = []
  const look = () => {
    calls++
    for (const model of models) expect(model.connection.isTransaction || model.isInTransaction).toBe(false)
  }
  const log = new MemoryChangeLog(world.store, async (_call, { act }, signal) => {
    look()
    await world.clock.sleep(1, signal)
    look()
    return act()
  })
  const replaceCommit: NonNullable<Seams['replaceCommit']> = (commit, model) => {
    models.push(model)
    return commit
  }
  await using db = await world.finish(world.open(log, { replaceCommit }))
  await world.finish(db.do((tx) => tx.put('box', 'a', { size: 1 })))
  await world.finish(db.do((tx) => tx.get('box', 'a')))
  expect(calls).toBeGreaterThan(4)
})

test('a caller that leaves during the append hears that the outcome is unknown, and can ask', async () => {
  using world = new World()
  const log = new MemoryChangeLog(world.store, async (call, { act }) => {
    if (call === 'append') await world.clock.sleep(100)
    return act()
  })
  await using db = await world.open(log)
  const leaving = new AbortController()
  world.clock.after(50, () => leaving.abort(new Error('left')))
  const left = db.do(
    (tx) => {
      tx.put('box', 'a', { size: 7 })
      return { kept: true }
    },
    { signal: leaving.signal },
  )
  const error: unknown = await world.finish(left.catch((error: unknown) => error))
  expect(error).toBeInstanceOf(OutcomeUnknownError)
  const { code, transactionId } = error as OutcomeUnknownError
  expect(code).toBe('outcome_unknown')
  expect(db.outcome(transactionId!)).toBeUndefined()
  await world.finish(db.waitFor(1))
  expect(db.outcome(transactionId!)).toEqual({ result: { kept: true }, position: 1 })
})

test('a caller that may leave can be given a result that is not JSON', async () => {
  using world = new World()
  await using db = await world.open()
  const write = (tx: Parameters<Parameters<typeof db.do>[0]>[0]) => {
    tx.put('box', 'a', { size: 1 })
    return 1n
  }
  const { signal } = new AbortController()
  expect((await world.finish(db.do(write, { signal }))).result).toBe(1n)
  await expect(world.finish(db.do(write, { transactionId: 'kept' }))).rejects.toThrow('BigInt')
})

test('a transaction that loses ten races ends with a conflict', async () => {
  using world = new World()
  let rivals = 0
  const log = new MemoryChangeLog(world.store, async (call, { act }) => {
    if (call === 'append') {
      const { head, newestHash } = world.store
      const operations = [encodePut('box', 'rival', JSON.stringify({ size: ++rivals }))]
      const lines = [encodeTransaction({ at: 0, operations })]
      world.store.append(
        encodeRecord({ ...identity, position: head + 1, prev: newestHash }, 'rival', lines),
        newestHash,
      )
    }
    return act()
  })
  await using db = await world.open(log)
  const losing = db.do((tx) => tx.put('box', 'mine', { size: tx.get('box', 'rival')?.size ?? 0 }))
  await expect(world.finish(losing)).rejects.toMatchObject({ code: 'commit_conflict' })
  expect(rivals).toBe(limits.commitRounds.value)
  expect(db.view((tx) => tx.get('box', 'mine'))).toBeUndefined()
})

test('a writer that never pauses lets others in, although who has lost needs more calls than who has won', async () => {
  using world = new World()
  const { clock } = world
  const log = () =>
    new MemoryChangeLog(world.store, async (_call, { act }, signal) => {
      await clock.sleep(40, signal)
      return act()
    })
  await using greedy = await world.finish(world.open(log(), { random: prng(1).next }))
  await using other = await world.finish(world.open(log(), { random: prng(2).next }))
  const put = (db: typeof greedy, id: string) => db.do((tx) => tx.put('box', id, { size: clock.now() }))
  let isOver = false
  const writing = Array.from({ length: 4 }, async (_, caller) => {
    while (!isOver) await put(greedy, `greedy ${caller}`)
  })
  await world.finish(clock.sleep(500))
  let conflicts = 0
  const begunAt = clock.now()
  const untilCommitted = async () => {
    for (;;)
      try {
        return await put(other, 'other')
      } catch (error) {
        if (!isSlipwayError(error, 'commit_conflict')) throw error
        conflicts++
      }
  }
  const committed = untilCommitted().then(({ position }) => {
    isOver = true
    return position
  })
  expect(await clock.run(() => isOver, 20_000)).toBe(true)
  expect(clock.now() - begunAt).toBeLessThan(15_000)
  expect(conflicts).toBeLessThan(3)
  const position = await world.finish(committed)
  await world.finish(Promise.all(writing))
  await world.finish(greedy.waitFor(position))
  expect(greedy.view((tx) => tx.get('box', 'other'))).toBeDefined()
})

test.each(['before it was done', 'after it was done'])(
  'an answer that is lost %s does not double anything',
  async (when) => {
    using world = new World()
    let lost = 0
    const log = new MemoryChangeLog(world.store, async (call, { act }) => {
      if (call !== 'append' || lost++ >= 3) return act()
      if (when === 'after it was done') act()
      throw new LostAnswer('simulated')
    })
    await using db = await world.open(log)
    let runs = 0
    const { position } = await world.finish(
      db.do((tx) => {
        runs++
        tx.put('box', 'a', { size: (tx.get('box', 'a')?.size ?? 0) + 1 })
      }),
    )
    expect({ position, runs, head: world.store.head }).toEqual({ position: 1, runs: 1, head: 1 })
    expect(db.view((tx) => tx.get('box', 'a')?.size)).toBe(1)
  },
)

/** Opens one and notes when rows are written. */
async function openNoting(world: World) {
  const written: string[] = []
  const storageCalls: NonNullable<Seams['storageCalls']> = (name, call) => {
    if (name.startsWith('apply')) written.push(name)
    return call()
  }
  return { db: await world.open(new MemoryChangeLog(world.store), { storageCalls }), written }
}

test('callers are answered before their rows are written, and whoever looks then sees them', async () => {
  using world = new World()
  const { db, written } = await openNoting(world)
  await using _ = db
  await world.finish(db.do((tx) => tx.put('box', 'a', { size: 1 })))
  expect({ position: db.position, written }).toEqual({ position: 1, written: [] })
  expect(db.view((tx) => tx.list('box'))).toEqual([{ id: 'a', body: { size: 1 }, changedAt: 1 }])
  expect(written).toEqual(['apply deferred'])
})

test('rows that nobody looks at are written soon, and at the latest when the database is closed', async () => {
  using world = new World()
  const { db, written } = await openNoting(world)
  await world.finish(db.do((tx) => tx.put('box', 'a', { size: 1 })))
  await world.clock.run(() => written.length > 0, 100)
  expect(written).toEqual(['apply deferred'])
  await world.finish(db.do((tx) => tx.put('box', 'b', { size: 1 })))
  await db[Symbol.asyncDispose]()
  expect(written).toEqual(['apply deferred', 'apply deferred'])
})

test.each<[string, (tx: Transaction<Boxes>) => unknown, unknown, readonly string[]]>([
  ['a row', (tx) => tx.get('box', 'a'), { size: 2 }, []],
  ['a row that is gone', (tx) => tx.get('box', 'b'), undefined, []],
  ['a list', (tx) => tx.list('box').map(({ id, changedAt }) => [id, changedAt]), [['a', 2]], ['apply deferred']],
  ['a count', (tx) => tx.count('box'), 1, ['apply deferred']],
])('a closure that reads %s meets what was answered and is not written yet', async (_what, read, expected, writes) => {
  using world = new World()
  const { db, written } = await openNoting(world)
  await using _ = db
  await world.finish(
    db.do((tx) => {
      tx.put('box', 'a', { size: 1 })
      tx.put('box', 'b', { size: 1 })
    }),
  )
  await world.clock.run(() => written.length > 0, 100)
  await world.finish(
    db.do((tx) => {
      tx.put('box', 'a', { size: 2 })
      tx.delete('box', 'b')
    }),
  )
  written.length = 0
  let writtenWhenRead: readonly string[] = ['never read']
  const { result, position } = await world.finish(
    db.do((tx) => {
      const found = read(tx)
      writtenWhenRead = [...written]
      tx.put('box', 'a', { size: (tx.get('box', 'a')?.size ?? 0) + 1 })
      return found
    }),
  )
  expect({ result, position, writtenWhenRead }).toEqual({ result: expected, position: 3, writtenWhenRead: writes })
  expect(db.view((tx) => tx.list('box'))).toEqual([{ id: 'a', body: { size: 3 }, changedAt: 3 }])
})

test('a list for which the rows before it cannot be written fails, and nothing of its closure stays', async () => {
  using world = new World()
  let isFull = false
  const storageCalls: NonNullable<Seams['storageCalls']> = (name, call) => {
    if (name === 'apply deferred' && isFull)
      throw Object.assign(new Error('database or disk is full'), { code: 'ERR_SQLITE_ERROR', errcode: 13 })
    return call()
  }
  await using db = await world.open(new MemoryChangeLog(world.store), { storageCalls })
  await world.finish(db.do((tx) => tx.put('box', 'a', { size: 1 })))
  isFull = true
  const swallowing = db.do((tx) => {
    try {
      tx.put('box', 'b', { size: tx.count('box') })
    } catch {
      tx.put('box', 'b', { size: -1 })
    }
  })
  await expect(world.finish(swallowing)).rejects.toMatchObject({ code: 'disk_full' })
  isFull = false
  expect(db.view((tx) => tx.list('box').map(({ id }) => id))).toEqual(['a'])
  expect(world.store.head).toBe(1)
})

test('an instance that cannot write what was answered, and never will, stops and says so; opened again it has all', async () => {
  using world = new World()
  let isBroken = false
  const storageCalls: NonNullable<Seams['storageCalls']> = (name, call) => {
    if (name === 'apply deferred' && isBroken)
      throw Object.assign(new Error('UNIQUE constraint failed'), { code: 'ERR_SQLITE_ERROR', errcode: 19 })
    return call()
  }
  {
    await using db = await world.open(new MemoryChangeLog(world.store), { storageCalls })
    isBroken = true
    await world.finish(db.do((tx) => tx.put('box', 'a', { size: 1 })))
    expect(() => db.view((tx) => tx.get('box', 'a'))).toThrow('could not be applied here: open the database again')
    await expect(db.do((tx) => tx.put('box', 'b', { size: 1 }))).rejects.toMatchObject({ code: 'database_failed' })
  }
  await using again = await world.open()
  expect(again.view((tx) => tx.list('box').map(({ id }) => id))).toEqual(['a'])
})

test('an instance that is alone asks its log for nothing beside its appends', async () => {
  using world = new World()
  const calls: string[] = []
  const log = new MemoryChangeLog(world.store, async (call, { act }) => {
    calls.push(call)
    return act()
  })
  await using db = await world.open(log)
  await world.finish(db.do((tx) => tx.put('box', 'a', { size: 0 })))
  calls.length = 0
  for (let size = 1; size <= 5; size++) await world.finish(db.do((tx) => tx.put('box', 'a', { size })))
  expect(calls).toEqual(Array.from({ length: 5 }, () => 'append'))
})

test('a record of another instance is read although one of this instance is never answered', async () => {
  using world = new World()
  let isSilent = false
  const silent = new MemoryChangeLog(world.store, async (call, { act }, signal) => {
    if (!isSilent || call !== 'append') return act()
    return new Promise((_resolve, reject) => signal?.addEventListener('abort', () => reject(signal.reason)))
  })
  await using waiting = await world.open(silent)
  await using other = await world.open()
  isSilent = true
  const unanswered = waiting.do((tx) => tx.put('box', 'mine', { size: 1 }))
  const ended = unanswered.catch((error: unknown) => error)
  const { position } = await world.finish(other.do((tx) => tx.put('box', 'theirs', { size: 1 })))
  await world.finish(waiting.waitFor(position))
  expect(waiting.view((tx) => tx.get('box', 'theirs'))).toEqual({ size: 1 })
  waiting.fail(new SlipwayError('database_closed', 'the test has ended'))
  expect(await world.finish(ended)).toBeInstanceOf(Error)
})

test('a record that cannot be applied counts, but nothing is read until it is', async () => {
  using world = new World()
  let isFull = true
  const storageCalls: NonNullable<Seams['storageCalls']> = (name, call) => {
    if (name.startsWith('apply') && isFull)
      throw Object.assign(new Error('database or disk is full'), { code: 'ERR_SQLITE_ERROR', errcode: 13 })
    return call()
  }
  await using db = await world.open(new MemoryChangeLog(world.store), { storageCalls })
  expect(await world.finish(db.do((tx) => tx.put('box', 'a', { size: 1 })))).toMatchObject({ position: 1 })
  expect(() => db.view((tx) => tx.get('box', 'a'))).toThrow(expect.objectContaining({ code: 'database_behind' }))
  isFull = false
  await world.finish(db.do((tx) => tx.put('box', 'b', { size: (tx.get('box', 'a')?.size ?? 0) + 1 })))
  expect(db.view((tx) => tx.get('box', 'b'))).toEqual({ size: 2 })
})

test.each<[string, string, (store: MemoryLogStore) => AppendResult]>([
  [
    'of another store',
    'database_foreign',
    (store) =>
      store.append(
        encodeRecord({ store: 'other', generation: 'g', position: 1, prev: genesisHash }, 'b', []),
        genesisHash,
      ),
  ],
  [
    'with an operation that must not be ignored',
    'database_too_new',
    (store) => {
      const lines = ['{"at":0,"operations":[{"kind":"freeze","must":true}]}\n']
      return store.append(encodeRecord({ ...identity, position: 1, prev: genesisHash }, 'b', lines), genesisHash)
    },
  ],
  [
    'that is damaged',
    'database_corrupt',
    (store) => {
      const record = aRecord(1, genesisHash)
      return store.append({ ...record, bytes: record.bytes.subarray(1) }, genesisHash)
    },
  ],
])('a record %s stops an instance loudly', async (_name, code, append) => {
  using world = new World()
  await using db = await world.open()
  append(world.store)
  const refused = world.finish(db.do((tx) => tx.put('box', 'a', { size: 1 })))
  await expect(refused).rejects.toMatchObject({ code: expect.stringMatching(`${code}|outcome_unknown`) })
  expect(() => db.view((tx) => tx.count('box'))).toThrow(expect.objectContaining({ code }))
  await expect(db.do((tx) => tx.count('box'))).rejects.toMatchObject({ code })
  await expect(world.open()).rejects.toMatchObject({ code })
})

test('closing does not wait for ever for a log that is out of reach', async () => {
  using world = new World()
  let isReachable = true
  const log = new MemoryChangeLog(world.store, async (_call, { act }) => {
    if (!isReachable) throw new LostAnswer('out of reach')
    return act()
  })
  const db = await world.open(log)
  isReachable = false
  const waiting = db.do((tx) => tx.put('box', 'a', { size: 1 })).catch((error: unknown) => error)
  await world.finish(db[Symbol.asyncDispose]())
  expect(await waiting).toBeInstanceOf(OutcomeUnknownError)
})

test('a log that is out of reach is told of once, and once more when it is over', async () => {
  using world = new World()
  const told: string[] = []
  const logger = {
    ...silentLogger,
    warn: (message: string) => void told.push(message),
    info: (message: string) => void told.push(message),
  }
  let isReachable = true
  const log = new MemoryChangeLog(world.store, async (_call, { act }) => {
    if (!isReachable) throw new LostAnswer('out of reach')
    return act()
  })
  await using db = await world.open(log, {}, logger)
  isReachable = false
  const waiting = db.do((tx) => tx.put('box', 'a', { size: 1 }))
  await world.finish(world.clock.sleep(500))
  expect(told).toEqual([])
  await world.finish(world.clock.sleep(20_000))
  expect(told).toEqual(['the change log cannot be reached'])
  isReachable = true
  await world.finish(waiting)
  expect(told).toEqual(['the change log cannot be reached', 'the change log is reached again'])
})

test.each(['after 30 s', 'never'])(
  'while the log answers %s, reads are served from what is applied, and callers are bounded',
  async (when) => {
    using world = new World()
    let isSlow = false
    const log = new MemoryChangeLog(world.store, async (_call, { act }, signal) => {
      if (isSlow) await world.clock.sleep(when === 'never' ? Number.MAX_SAFE_INTEGER : 30_000, signal)
      return act()
    })
    await using db = await world.open(log)
    await world.finish(db.do((tx) => tx.put('box', 'a', { size: 1 })))
    isSlow = true
    const write = () => db.do((tx) => tx.put('box', 'a', { size: 2 }))
    const waiting = write()
    waiting.catch(() => undefined)
    await world.finish(world.clock.sleep(5000))
    const askedAt = world.clock.now()
    expect(db.view((tx) => tx.get('box', 'a'))).toEqual({ size: 1 })
    expect(world.clock.now()).toBe(askedAt)
    const more = Array.from({ length: limits.queuedTransactions.value + 10 }, () =>
      write().catch((error: unknown) => error),
    )
    expect(await more.at(-1)).toMatchObject({ code: 'database_overloaded' })
    if (when === 'after 30 s') {
      expect(await world.finish(waiting)).toMatchObject({ position: 2 })
      expect(db.view((tx) => tx.get('box', 'a'))).toEqual({ size: 2 })
    }
    db.fail(new SlipwayError('database_closed', 'the test has ended'))
  },
)
