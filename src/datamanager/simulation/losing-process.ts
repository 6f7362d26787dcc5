// Commits about 200 transactions a second, ships and makes snapshots, until it is killed: for every acknowledged row one line
// "<number> <milliseconds>".

import { writeSync } from 'node:fs'
import { systemClock } from '../../lib/clock.ts'
import type { Json } from '../../lib/json.ts'
import { openPosixObjectStorage } from '../../objectstorage/posix.ts'
import { openDatabaseBackend, parseDatabaseSettings } from '../database-config.ts'
import { openLogDatabase } from '../open-log-database.ts'
import { type LostRows, lostBase, lostIdentity, lostService, lostTypes } from './losing-rows.ts'

const [settings, path = '', root = ''] = process.argv.slice(2)
const ost = await openPosixObjectStorage({ root })
const database = parseDatabaseSettings(JSON.parse(settings ?? '{}') as Json)
const backend = await openDatabaseBackend(database, { storage: ost, base: lostBase, clock: systemClock })
const log = await backend.openLog(lostService, lostIdentity)
if (!log) throw new Error('the embedded log is not shared')
const db = await openLogDatabase<LostRows>({
  ...{ path, types: lostTypes, clock: systemClock, instanceId: 'losing', log, identity: lostIdentity },
  shipsLog: database.log !== 'bucket',
  storage: {
    place: { ost, base: `${lostBase}/${lostService}` },
    snapshots: { records: 100, pauseMs: 300, fileBytes: 4096 },
  },
})
for (let number = 0; ; number++) {
  await db.do((tx) => tx.put('line', String(number).padStart(8, '0'), { n: number }))
  writeSync(1, `${number} ${Date.now()}\n`)
  await systemClock.sleep(4)
}
