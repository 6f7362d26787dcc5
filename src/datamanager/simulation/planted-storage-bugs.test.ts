// Faults built into shipping, snapshots and collection on purpose: the simulation is worth what it finds.

import { expect, test } from 'vitest'
import type { ObjectStorage } from '../../objectstorage/object-storage.ts'
import { positionOfKey } from '../snapshot/keys.ts'
import type { Piece, RowSource } from '../snapshot/row-source.ts'
import { decodeShipped, encodeShipped } from '../snapshot/shipped-log.ts'
import { type StoredSabotage, simulateStored, storedCoverage } from './stored.ts'

const seedsMax = 12

/** The same with some methods replaced; the others keep their object. */
function withMethods<T extends object>(original: T, replaced: Partial<T>): T {
  return new Proxy(original, {
    get(target, name) {
      const value: unknown = Reflect.get(replaced, name) ?? Reflect.get(target, name)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
}

const breakSource = (replace: (source: RowSource) => Partial<RowSource>): StoredSabotage => ({
  source: (source) => withMethods(source, replace(source)),
})
const breakStorage = (replace: (ost: ObjectStorage) => Partial<ObjectStorage>): StoredSabotage => ({
  storage: (ost) => withMethods(ost, replace(ost)),
})
const nothing = { sizeBytes: 0, sha256: '' }

const forgetsDirtyRanges = breakSource(() => ({ isClean: async () => true }))
const forgetsWhatChangedMeanwhile = breakSource((source) => ({ readOverlay: () => source.readOverlay([]) }))
const forgetsTheLastChangedRow = breakSource((source) => ({
  readOverlay: (keys) => source.readOverlay(keys.slice(0, -1)),
}))
const patchesNothing = breakSource(() => ({ patch: async () => undefined }))
const takesTheWrongPosition = breakSource((source) => ({
  openCut: async () => {
    const cut = await source.openCut()
    return { ...cut, position: cut.position - 1 }
  },
}))
const losesTheEndOfARange = breakSource((source) => ({
  encode: async (range): Promise<Piece> => ({ ...(await source.encode(range)), next: undefined }),
}))
const leavesAStaleFile: StoredSabotage = (() => {
  const seen = new Map<string, Piece>()
  return breakSource((source) => ({
    encode: async (range) => {
      const piece = seen.get(`${range.type} ${range.from}`) ?? (await source.encode(range))
      seen.set(`${range.type} ${range.from}`, piece)
      return piece
    },
  }))
})()
const collectsOneShippedObjectTooMany = breakStorage((ost) => ({
  delete: async (key, signal) => {
    if (key.includes('/log/')) {
      const prefix = key.slice(0, key.lastIndexOf('/') + 1)
      for await (const next of ost.list({ prefix, after: key })) {
        await ost.delete(next.key, signal)
        break
      }
    }
    return await ost.delete(key, signal)
  },
}))
const shipsWithGaps = (): StoredSabotage => {
  let objects = 0
  return breakStorage((ost) => ({
    create: async (key, data, options) =>
      key.includes('/log/') && ++objects % 7 === 0 ? nothing : await ost.create(key, data, options),
  }))
}
const losesFiles = (): StoredSabotage => {
  let files = 0
  return breakStorage((ost) => ({
    put: async (key, data, options) =>
      key.includes('/data/') && ++files % 3 === 0 ? nothing : await ost.put(key, data, options),
  }))
}
const shipsOnlyTheNewest = breakStorage((ost) => ({
  create: async (key, data, options) => {
    if (!key.includes('/log/')) return await ost.create(key, data, options)
    const records = decodeShipped(data as Uint8Array, positionOfKey(key) ?? 0)
    return await ost.put(key, encodeShipped(records.slice(-1)), options)
  },
}))

test.each([
  ['takes every range for unchanged', forgetsDirtyRanges],
  ['forgets the rows that change while a snapshot is made', forgetsWhatChangedMeanwhile],
  ['forgets the last row that changes while a snapshot is made', forgetsTheLastChangedRow],
  ['does not bring files to the position of the snapshot', patchesNothing],
  ['says a position that is not the one of the rows', takesTheWrongPosition],
  ['loses the end of a range that fills more than a file', losesTheEndOfARange],
  ['writes a file again as it was', leavesAStaleFile],
  ['collects one shipped object too many', collectsOneShippedObjectTooMany],
  ['ships with gaps', shipsWithGaps()],
  ['loses files of snapshots', losesFiles()],
  ['ships only the newest record of each batch', shipsOnlyTheNewest],
])('a database that %s is found', async (_name, sabotage) => {
  for (let seed = 1; seed <= seedsMax; seed++) {
    const found = await simulateStored(seed, storedCoverage(), sabotage).then(
      () => undefined,
      (error: unknown) => error,
    )
    if (found === undefined) continue
    expect(found).toBeInstanceOf(Error)
    return
  }
  expect.fail(`not found with ${seedsMax} seeds`)
})
