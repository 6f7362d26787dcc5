// Commits and ships as fast as it can until it is killed: for every acknowledged row one line "<number> <milliseconds>".

import { writeSync } from 'node:fs'
import { systemClock } from '../../lib/clock.ts'
import { openPosixObjectStorage } from '../../objectstorage/posix.ts'
import { openDatabase } from '../open-database.ts'

const [path = '', root = ''] = process.argv.slice(2)
const ost = await openPosixObjectStorage({ root })
const db = await openDatabase<{ line: { readonly n: number } }>({
  path,
  types: { line: {} },
  clock: systemClock,
  storage: { place: { ost, base: 'database/test' }, snapshots: { records: 100, pauseMs: 300, fileBytes: 4096 } },
})
for (let number = 0; ; number++) {
  await db.do((tx) => tx.put('line', String(number).padStart(8, '0'), { n: number }))
  writeSync(1, `${number} ${Date.now()}\n`)
  await systemClock.sleep(4)
}
