import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { expect, test } from 'vitest'
import { collectBytes } from '../../lib/bytes.ts'
import { systemClock } from '../../lib/clock.ts'
import type { ObjectStorage } from '../../objectstorage/object-storage.ts'
import { openPosixObjectStorage } from '../../objectstorage/posix.ts'
import type { Database } from '../database.ts'
import { openInstallationDatabases, servicePlace } from '../installation-databases.ts'
import { verifyStorage } from '../snapshot/verify-storage.ts'
import { collectGenerations } from './generations.ts'
import { importDatabase } from './import-database.ts'

type Rows = { thing: { readonly n: number }; other: { readonly text: string } }
const types = { thing: { indexes: { n: (thing: Rows['thing']) => [thing.n] } }, other: {} }
const signal = new AbortController().signal

/** An installation in `folder`, as one process has it open. */
async function open(folder: string) {
  await using undo = new AsyncDisposableStack()
  const storage = undo.use(await openPosixObjectStorage({ root: join(folder, 'objects') }))
  const installation = undo.use(
    await openInstallationDatabases({
      settings: { log: 'embedded' },
      directory: join(folder, 'files'),
      ...{ storage, clock: systemClock, instanceId: 'test', version: '1', isHidden: true },
    }),
  )
  const db = undo.use(await installation.open<Rows>('runservice', { types }))
  const owned = undo.move()
  const place = servicePlace({ storage }, 'runservice')
  return { db, place, maintenance: installation.maintenance, [Symbol.asyncDispose]: () => owned.disposeAsync() }
}

async function fill(db: Database<Rows>, count: number): Promise<void> {
  await db.do((tx) => {
    for (let n = 0; n < count; n++) tx.put('thing', `thing ${String(n).padStart(3, '0')}`, { n })
    tx.put('other', 'o', { text: 'x' })
  })
}

/** Does as `storage` until its lasting call number `at`, which dies before or after it was done; then nothing works any more. */
function dying(
  storage: ObjectStorage,
  at: number,
  when: 'before' | 'after',
): ObjectStorage & { readonly isDead: boolean } {
  let calls = 0
  let isDead = false
  const lasting = async <T>(call: () => Promise<T>): Promise<T> => {
    if (isDead) throw new Error('dead')
    if (++calls !== at) return await call()
    isDead = true
    if (when === 'after') await call()
    throw new Error('killed')
  }
  return {
    put: (...args) => lasting(() => storage.put(...args)),
    create: (...args) => lasting(() => storage.create(...args)),
    delete: (...args) => lasting(() => storage.delete(...args)),
    read: (...args) => storage.read(...args),
    stat: (...args) => storage.stat(...args),
    list: (...args) => storage.list(...args),
    [Symbol.asyncDispose]: async () => {},
    get isDead() {
      return isDead
    },
  }
}

test('an import that dies at any call to the storage has changed nothing, or is completed by the next start', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'slipway-import-crash-'))
  try {
    let exported: Buffer
    let before: string
    let after: string
    {
      await using world = await open(join(folder, 'template'))
      const { db, maintenance } = world
      await fill(db, 40)
      after = db.contentHash
      await using opened = await maintenance.openExport('runservice', { signal })
      exported = await collectBytes(opened.stream)
      await db.do((tx) => tx.delete('thing', 'thing 001'))
      before = db.contentHash
      await db.freeze('anna', 'goes back')
    }
    const outcomes = { unchanged: 0, completed: 0 }
    for (const when of ['before', 'after'] as const) {
      for (let at = 1; ; at++) {
        const here = join(folder, `${when}-${at}`)
        cpSync(join(folder, 'template'), here, { recursive: true })
        let wasKilled: boolean
        {
          await using world = await open(here)
          const { db, place } = world
          const ost = dying(place.ost, at, when)
          const importing = importDatabase({
            ...{ place: { ...place, ost }, database: 'runservice', types, now: 2, fileBytesMax: 1024 },
            stream: Readable.from([exported]),
            closeOld: (generation) => db.closeGeneration(generation),
          })
          await importing.catch(() => undefined) // as if the process had ended
          wasKilled = ost.isDead
        }
        await using world = await open(here)
        const { db, place } = world
        const isOld = db.maintenance !== undefined
        if (isOld) await db.unfreeze()
        expect(db.contentHash, `killed ${when} call ${at}`).toBe(isOld ? before : after)
        outcomes[isOld ? 'unchanged' : 'completed']++
        await db.do((tx) => tx.put('thing', 'goes on', { n: 1 }))
        await db.upkeep.flush(signal)
        const { halfImported } = await collectGenerations({ place, dropLog: async () => {}, graceMs: 0, keptMs: 0 })
        if (!isOld) expect(halfImported).toEqual([])
        const generations = new Set<string>()
        for await (const { key } of place.ost.list({ prefix: `${place.base}/` }))
          generations.add(key.split('/')[2] ?? '')
        // One whose fate is decided may still become the current one of a closed log, so it stays.
        expect(generations.size, `killed ${when} call ${at}`).toBeLessThanOrEqual(isOld ? 3 : 2)
        expect((await verifyStorage(place)).problems).toEqual([])
        rmSync(here, { recursive: true, force: true })
        if (!wasKilled) break
      }
    }
    expect(outcomes.unchanged).toBeGreaterThan(8)
    expect(outcomes.completed).toBeGreaterThan(2)
  } finally {
    rmSync(folder, { recursive: true })
  }
}, 120_000)
