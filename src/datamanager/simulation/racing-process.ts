// One instance of several that write to one shared log: commits as fast as it can until something comes on its standard
// input; when that ends, all have stopped, and it waits for the head and ends. Lines on stdout, each whole:
//
//   open
//   ok <id> <position> <number>       an acknowledged transaction, and the value of the counter it made
//   at <position> <content hash>      a state it had
//   done                              it commits nothing any more
//   end <position> <content hash>     the last one
//
// Each transaction reads the counter they all share, adds one, and puts a row named after itself: a lost or doubled
// transaction shows in both.

import { writeSync } from 'node:fs'
import { systemClock } from '../../lib/clock.ts'
import { isSlipwayError } from '../../lib/errors.ts'
import { openObjectStorage } from '../../objectstorage/open-object-storage.ts'
import { openDatabaseBackend, parseDatabaseSettings } from '../database-config.ts'
import { openLogDatabase } from '../open-log-database.ts'
import {
  type Racing,
  type RacingRows,
  racingBase,
  racingIdentity,
  racingService,
  racingSnapshots,
  racingTypes,
} from './racing-rows.ts'

/** Lines of a large transaction: a row has at most 64 KiB. */
const largeRowBytes = 60_000
const largeEvery = 40

const {
  name,
  settings,
  storage: storageSettings,
  modelPath,
  callers,
  largeBytes,
  makesSnapshots,
} = JSON.parse(process.argv[2] ?? '{}') as Racing
const print = (...words: (string | number)[]) => {
  for (;;)
    try {
      writeSync(1, `${words.join(' ')}\n`)
      return
    } catch (error) {
      // Whoever reads the pipe is busy: a line is written whole or not at all.
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5)
    }
}

await using storage = await openObjectStorage(storageSettings)
await using owned = new AsyncDisposableStack()
const { db, log } = await untilReached(open)
print('open')
let isEnding = false
const ended = Promise.withResolvers<void>()
process.stdin.on('data', () => {
  isEnding = true
})
process.stdin.on('end', () => ended.resolve())
process.stdin.on('error', () => ended.resolve())

async function call(caller: number): Promise<void> {
  for (let number = 0; !isEnding; number++) {
    const id = `${name}-${caller}-${number}`
    const text = 'x'.repeat(number % 700)
    try {
      const { result, position } = await db.do((tx) => {
        const value = (tx.get('counter', 'all')?.value ?? 0) + 1
        tx.put('counter', 'all', { value })
        tx.put('line', id, { number: value, text })
        if (number % largeEvery === largeEvery - 1)
          for (let bytes = 0; bytes < largeBytes; bytes += largeRowBytes)
            tx.put('line', `large-${name}-${caller}-${bytes}`, { number: value, text: 'y'.repeat(largeRowBytes) })
        return value
      })
      print('ok', id, position, result)
      if (number % 10 === 0) print('at', db.position, db.contentHash)
    } catch (error) {
      if (!isSlipwayError(error, 'commit_conflict')) throw error // lost ten races: certainly not committed
      print('lost', id)
    }
  }
}
await Promise.all(Array.from({ length: callers }, (_, caller) => call(caller)))
print('done')
await ended.promise
const head = await log.head()
while (db.position < head) await systemClock.sleep(20)
print('end', db.position, db.contentHash)

async function open() {
  await using undo = new AsyncDisposableStack()
  const components = { storage, base: racingBase, clock: systemClock }
  const database = parseDatabaseSettings(settings)
  const backend = undo.use(await openDatabaseBackend(database, components))
  const log = await backend.openLog(racingService, racingIdentity)
  if (!log) throw new Error('the embedded log is not shared')
  const place = { path: modelPath, types: racingTypes, instanceId: name, log, identity: racingIdentity }
  const snapshots = {
    shipsLog: database.log !== 'bucket',
    storage: { place: { ost: storage, base: `${racingBase}/${racingService}` }, snapshots: racingSnapshots },
  }
  const upkeep = makesSnapshots ? snapshots : {}
  const db = undo.use(await openLogDatabase<RacingRows>({ ...place, ...upkeep, clock: systemClock }))
  owned.use(undo.move())
  return { db, log }
}

/** As whoever starts processes does: one that cannot reach the server at its start is started again. */
async function untilReached<T>(act: () => Promise<T>): Promise<T> {
  for (;;)
    try {
      return await act()
    } catch (error) {
      if (!isSlipwayError(error, 'backend_unavailable', 'object_storage_unavailable')) throw error
      await systemClock.sleep(200)
    }
}
