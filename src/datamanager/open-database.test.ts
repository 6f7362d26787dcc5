import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { systemClock } from '../lib/clock.ts'
import { type EmbeddedDatabase, type OpenDatabaseOptions, openDatabase } from './open-database.ts'

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
