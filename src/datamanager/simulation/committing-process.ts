// Commits as fast as it can until it is killed: for every acknowledged row one line "<caller> <number>" on stdout.

import { writeSync } from 'node:fs'
import { systemClock } from '../../lib/clock.ts'
import { openDatabase } from '../open-database.ts'
import { type Lines, linesTypes } from './lines.ts'

const callers = 8
const [path = '', firstText = '0'] = process.argv.slice(2)
const db = await openDatabase<Lines>({ path, types: linesTypes, clock: systemClock })
writeSync(1, 'open\n')
await Promise.all(
  Array.from({ length: callers }, async (_, caller) => {
    for (let number = Number(firstText); ; number++) {
      await db.do((tx) => tx.put('line', `${caller}-${number}`, { caller, number, text: 'x'.repeat(number % 3000) }))
      writeSync(1, `${caller} ${number}\n`)
    }
  }),
)
