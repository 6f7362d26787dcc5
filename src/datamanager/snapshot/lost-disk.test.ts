// Disks that burn, logs that forget: what is left is in object storage.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { expect, test } from 'vitest'
import { systemClock } from '../../lib/clock.ts'
import { openPosixObjectStorage } from '../../objectstorage/posix.ts'
import { openDatabase } from '../open-database.ts'
import { openLogDatabase } from '../open-log-database.ts'
import { MemoryChangeLog, MemoryLogStore } from '../simulation/memory-log.ts'

function temporaryFolder(): { readonly path: string } & Disposable {
  const path = mkdtempSync(join(tmpdir(), 'slipway-lost-'))
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true }) }
}

test('after kill -9 and the loss of the disk, what is missing is the end, of at most two seconds', async () => {
  using folder = temporaryFolder()
  const root = join(folder.path, 'ost')
  const program = join(import.meta.dirname, 'shipping-process.ts')
  const child = spawn(process.execPath, [program, join(folder.path, 'lost.db'), root], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const exited = once(child, 'exit')
  const acknowledged: number[] = []
  for await (const line of createInterface({ input: child.stdout })) {
    acknowledged.push(Number(line.split(' ')[1]))
    if (acknowledged.length === 300) child.kill('SIGKILL')
  }
  await exited
  const killedAt = acknowledged.at(-1)!
  await using ost = await openPosixObjectStorage({ root })
  await using db = await openDatabase<{ line: { readonly n: number } }>({
    path: join(folder.path, 'new.db'),
    types: { line: {} },
    clock: systemClock,
    storage: { place: { ost, base: 'database/test' } },
  })
  expect(db.verify().problems).toEqual([])
  const numbers = db.view((tx) => tx.list('line')).map(({ body }) => body.n)
  expect(numbers).toEqual(numbers.map((_, at) => at))
  const missing = acknowledged.slice(numbers.length)
  for (const at of missing) expect(killedAt - at).toBeLessThan(2000)
  expect(numbers.length).toBeGreaterThan(0)
})

type Rows = { thing: { readonly n: number } }

/** Instances over one log and one bucket. */
async function aCluster(folder: string) {
  const store = new MemoryLogStore()
  const ost = await openPosixObjectStorage({ root: join(folder, 'ost') })
  const open = (name: string) =>
    openLogDatabase<Rows>({
      path: join(folder, `${name}.db`),
      types: { thing: {} },
      clock: systemClock,
      instanceId: name,
      log: new MemoryChangeLog(store),
      identity: { store: 's', generation: 'g' },
      storage: { place: { ost, base: 'database/test' } },
    })
  return { store, ost, open }
}

test('an instance whose next record was collected goes on with shipped records, or with a snapshot when those are gone', async () => {
  using folder = temporaryFolder()
  const { store, ost, open } = await aCluster(folder.path)
  await using first = await open('first')
  const write = async (from: number, to: number) => {
    for (let n = from; n < to; n++) await first.do((tx) => tx.put('thing', `thing ${n}`, { n }))
  }
  await write(0, 5)
  {
    await using away = await open('away')
    await away.waitFor(5)
  }
  await write(5, 30)
  await first.upkeep!.snapshot()
  await write(30, 40)
  await first.upkeep!.flush(AbortSignal.timeout(5000))
  for (let position = 1; position < 40; position++) store.records.delete(position)
  {
    await using away = await open('away')
    expect(away.contentHash).toBe(first.contentHash)
  }
  await write(40, 50)
  await first.upkeep!.snapshot()
  await write(50, 55)
  for (let position = 1; position <= 49; position++) store.records.delete(position)
  const shipped: string[] = []
  for await (const { key } of ost.list({ prefix: 'database/test/g/log/' })) shipped.push(key)
  for (const key of shipped.slice(0, -2)) await ost.delete(key)
  await using away = await open('away')
  expect({ position: away.position, contentHash: away.contentHash }).toEqual({
    position: 55,
    contentHash: first.contentHash,
  })
  await using fresh = await open('fresh')
  expect(fresh.contentHash).toBe(first.contentHash)
})

test('what one instance freezes every instance refuses to write, from the same record on', async () => {
  using folder = temporaryFolder()
  const { open } = await aCluster(folder.path)
  await using first = await open('first')
  await using second = await open('second')
  const write = (db: typeof first, n: number) => db.do((tx) => tx.put('thing', `thing ${n}`, { n }))
  const attempts = Array.from({ length: 40 }, (_, n) =>
    write(n % 2 === 0 ? first : second, n).then(
      ({ position }) => position,
      (error: { code: string }) => error.code,
    ),
  )
  const { position: frozenAt } = await first.freeze('anna', 'upgrade')
  const late = await Promise.allSettled([write(first, 100), write(second, 101)])
  expect(late).toMatchObject([{ reason: { code: 'maintenance' } }, { reason: { code: 'maintenance' } }])
  for (const outcome of await Promise.all(attempts))
    if (typeof outcome === 'number') expect(outcome).toBeLessThanOrEqual(frozenAt)
    else expect(outcome).toBe('maintenance')
  await second.waitFor(frozenAt)
  expect(second.maintenance).toEqual(first.maintenance)
  await first.upkeep!.snapshot()
  await using third = await open('third')
  expect(third.maintenance).toMatchObject({ by: 'anna' })
  await expect(write(third, 102)).rejects.toMatchObject({ code: 'maintenance' })
  await third.unfreeze()
  await write(second, 103)
  expect(second.maintenance).toBeUndefined()
})

test('a file that contradicts what was shipped is refused, whichever is right', async () => {
  using folder = temporaryFolder()
  await using ost = await openPosixObjectStorage({ root: join(folder.path, 'ost') })
  const open = (name: string) =>
    openDatabase<Rows>({
      path: join(folder.path, `${name}.db`),
      types: { thing: {} },
      clock: systemClock,
      storage: { place: { ost, base: 'database/test' } },
    })
  {
    await using db = await open('main')
    await db.do((tx) => tx.put('thing', 'a', { n: 1 }))
  }
  const { copyFileSync } = await import('node:fs')
  copyFileSync(join(folder.path, 'main.db'), join(folder.path, 'fork.db'))
  {
    // Without its storage it does not learn what the other one does.
    await using fork = await openDatabase<Rows>({
      path: join(folder.path, 'fork.db'),
      types: { thing: {} },
      clock: systemClock,
    })
    await fork.do((tx) => tx.put('thing', 'a', { n: 2 }))
  }
  {
    await using db = await open('main')
    await db.do((tx) => tx.put('thing', 'a', { n: 3 }))
    await db.do((tx) => tx.put('thing', 'a', { n: 4 }))
  }
  await expect(open('fork')).rejects.toMatchObject({ code: 'database_corrupt' })
})
