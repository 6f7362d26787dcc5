// When a snapshot is due, and when it is given up because too much changes meanwhile.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { systemClock } from '../../lib/clock.ts'
import { limits } from '../../lib/limits.ts'
import { silentLogger } from '../../lib/log.ts'
import { openPosixObjectStorage } from '../../objectstorage/posix.ts'
import type { ReadModel } from '../read-model/read-model.ts'
import type { RowSource } from './row-source.ts'
import { Snapshotter } from './snapshotter.ts'
import { defaultSnapshots, isSnapshotDue, type SinceSnapshot } from './upkeep.ts'

const hourMs = 60 * 60_000
const nothing: SinceSnapshot = { records: 0, logBytes: 0, ageMs: 10 * 60_000, isFirst: false, isNeeded: false }

test.each([
  ['nothing', {}, false],
  ['9,999 records', { records: 9_999 }, false],
  ['10,000 records', { records: 10_000 }, true],
  ['10,000 records in less than a minute', { records: 10_000, ageMs: 59_999 }, false],
  ['the first 10,000 records, in less than a minute', { records: 10_000, ageMs: 59_999, isFirst: true }, true],
  ['one record in an hour', { records: 1, ageMs: hourMs }, true],
  ['one record in less', { records: 1, ageMs: hourMs - 1 }, false],
  ['an hour without any', { ageMs: hourMs }, false],
  ['64 MiB', { records: 1, logBytes: 64 * 2 ** 20 }, true],
  ['less than 64 MiB', { records: 1, logBytes: 64 * 2 ** 20 - 1 }, false],
  ['one record that only a snapshot can save', { records: 1, isNeeded: true }, true],
] as const)('after %s a snapshot is due or not', (_, since, expected) => {
  expect(isSnapshotDue({ ...nothing, ...since }, defaultSnapshots)).toBe(expected)
})

/** A snapshotter of rows of which so many change before the first of them, or all of them, were read. */
async function snapshotWhile(changes: { readonly beforeRows?: number; readonly afterRows?: number }): Promise<unknown> {
  await using owner = new AsyncDisposableStack()
  const folder = mkdtempSync(join(tmpdir(), 'slipway-snapshot-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const ost = owner.use(await openPosixObjectStorage({ root: folder }))
  const model: Pick<ReadModel, 'identity' | 'position' | 'familyTypes' | 'touched' | 'writeDeferred'> = {
    identity: { store: 'store', generation: 'generation' },
    position: 1,
    familyTypes: [],
    touched: undefined,
    writeDeferred() {},
  }
  // Their number is what counts.
  const touch = (count: number) =>
    void Object.defineProperty(model.touched, 'size', { configurable: true, get: () => count })
  // As far as it gets here: what a snapshot then does with the rows is not of interest.
  const source: Partial<RowSource> = {
    chooseFamilies: async () => touch(changes.beforeRows ?? 0),
    types: async () => ['thing'],
    encode: async () => ({ encoded: undefined, next: undefined }),
    openCut: async () => {
      if (changes.afterRows !== undefined) touch(changes.afterRows)
      return { position: 1, hash: '', contentHash: '' }
    },
    readOverlay: () => Promise.reject(new Error('they are read again')),
    close: async () => {},
  }
  const snapshotter = new Snapshotter({
    model: model as ReadModel,
    path: '',
    place: { ost, base: 'database/test' },
    clock: systemClock,
    logger: silentLogger,
    openSource: () => source as RowSource,
    newId: () => 'id',
    untilShipped: async () => {},
    fileBytesMax: defaultSnapshots.fileBytes,
    familyFileBytesMax: limits.familyFileBytes.value,
    adopt: async () => {},
    graceMs: defaultSnapshots.graceMs,
  })
  return await snapshotter.snapshot(new AbortController().signal).catch((error: unknown) => error)
}

test.each(['beforeRows', 'afterRows'] as const)(
  'a snapshot during which more than 500,000 rows change is given up (%s)',
  async (when) => {
    expect(await snapshotWhile({ [when]: 500_000 })).toMatchObject({ message: 'they are read again' })
    expect(await snapshotWhile({ [when]: 500_001 })).toMatchObject({ code: 'snapshot_impossible' })
  },
)
