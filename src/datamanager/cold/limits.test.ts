import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { expect, onTestFinished, test } from 'vitest'
import { systemClock } from '../../lib/clock.ts'
import { limits } from '../../lib/limits.ts'
import { openPosixObjectStorage } from '../../objectstorage/posix.ts'
import { openDatabase } from '../open-database.ts'
import { familiesType } from '../snapshot/data-file.ts'
import { LocalRowSource } from '../snapshot/row-source.ts'
import { Entries } from './entries.ts'
import { aTestRun, familyTestTypes, putRun, runId, stepId, type TestRows } from './families-fixture.ts'
import { familyTables } from './family-tables.ts'
import { ThawedFamilies, ThawedFamily } from './thawed.ts'

async function aDatabase() {
  const folder = mkdtempSync(join(tmpdir(), 'slipway-cold-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const ost = await openPosixObjectStorage({ root: join(folder, 'ost') })
  const db = await openDatabase<TestRows>({
    path: join(folder, 'main.db'),
    types: familyTestTypes,
    clock: systemClock,
    storage: {
      place: { ost, base: 'database/test' },
      snapshots: { records: 1e9, ms: 1e12, logBytes: 1e12 },
      openSource: (options) => new LocalRowSource(options),
    },
  })
  onTestFinished(() => db[Symbol.asyncDispose]())
  return db
}

test('a transaction that needs 256 cold families gets them, one that needs more is refused', async () => {
  const db = await aDatabase()
  const most = limits.thawedFamilies.value
  const ids = Array.from({ length: most + 1 }, (_, order) => runId(order))
  await db.do((tx) => {
    for (const [order, id] of ids.entries()) putRun(tx, id, aTestRun(order), 0)
  })
  await db.upkeep!.snapshot()
  const count = (asked: readonly string[]) => db.read((tx) => asked.filter((id) => tx.get('run', id)).length)
  expect(await count(ids.slice(0, most))).toBe(most)
  await db.do((tx) => tx.put('note', 'n', { text: 'goes on' }))
  const others = await aDatabase()
  await others.do((tx) => {
    for (const [order, id] of ids.entries()) putRun(tx, id, aTestRun(order), 0)
  })
  await others.upkeep!.snapshot()
  const all = others.do((tx) => ids.filter((id) => tx.get('run', id)).length)
  await expect(all).rejects.toMatchObject({ code: 'limit_exceeded' })
})

test('a family of more than 8 MiB stays, and a file of families ends with the one that makes it 16 MiB', async () => {
  const db = await aDatabase()
  const text = 'x'.repeat(60_000)
  const write = (id: string, order: number, steps: number) =>
    db.do((tx) => {
      tx.put('run', id, aTestRun(order))
      for (let at = 0; at < steps; at++) tx.put('step', stepId(id, at), { run: id, at, text })
    })
  const stepsOf = (bytes: number) => Math.ceil(bytes / text.length)
  const large = runId(0)
  await write(large, 0, stepsOf(limits.familyBytes.value / 8))
  for (let part = 1; part <= 8; part++)
    await db.do((tx) => {
      for (let at = 0; at < stepsOf(limits.familyBytes.value / 8); at++)
        tx.put('step', stepId(large, part * 1000 + at), { run: large, at: part * 1000 + at, text })
    })
  const families = 20
  for (let order = 1; order <= families; order++) await write(runId(order), order, stepsOf(1024 * 1024))
  const { manifest } = await db.upkeep!.snapshot()
  const files = manifest.files.filter(({ type }) => type === familiesType)
  expect(files.map(({ count }) => count)).toEqual([16, 4])
  expect(files[0]!.rawBytes).toBeGreaterThanOrEqual(limits.familyFileBytes.value)
  expect(db.view((tx) => tx.get('run', large)?.order)).toBe(0)
  expect(db.verify().problems).toEqual([])
}, 30_000)

test('at most 50,000 families become cold with one snapshot', () => {
  const db = new DatabaseSync(':memory:')
  db.exec(familyTables)
  const entries = new Entries(db)
  const most = limits.coldFamiliesAtOnce.value
  db.exec('BEGIN')
  for (let order = 0; order <= most; order++)
    entries.put(runId(order), { order, path: '', state: 0, number: order, label: '', createdAt: 0 }, true)
  db.exec('COMMIT')
  expect(entries.finalIds(most)).toHaveLength(most)
  expect(entries.finalIds(most + 1)).toHaveLength(most + 1)
  db.close()
})

test('of what was read of cold families the 32 MiB used last are kept, and what is in use', () => {
  const thawed = new ThawedFamilies()
  const family = new ThawedFamily([{ type: 'run', id: 'a', changedAt: 1, body: 'x'.repeat(500_000) }])
  const fitting = Math.floor(limits.thawedBytes.value / family.bytes)
  {
    using _held = thawed.hold(['0'])
    for (let n = 0; n < fitting; n++) thawed.add(String(n), family)
    thawed.find('1')
    thawed.add('new', family)
    expect(['0', '1', '2', '3', 'new'].map((key) => thawed.find(key) !== undefined)).toEqual([
      true,
      true,
      false,
      true,
      true,
    ])
  }
  for (let n = 0; n < fitting; n++) thawed.add(`later ${n}`, family)
  expect(thawed.find('0')).toBeUndefined()
})
