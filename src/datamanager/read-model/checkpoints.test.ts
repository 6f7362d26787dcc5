import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { systemClock } from '../../lib/clock.ts'
import { openDatabase } from '../open-database.ts'

test('what is written finds its way into the file beside the commits, and the WAL stays small', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'slipway-checkpoints-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  const path = join(folder, 'main.db')
  await using db = await openDatabase<{ thing: string }>({ path, types: { thing: {} }, clock: systemClock })
  const write = async (round: number) => {
    await db.do((tx) => {
      for (let n = 0; n < 200; n++) tx.put('thing', `${round}-${n}`, 'x'.repeat(300))
    })
  }
  for (let round = 0; round < 40; round++) await write(round)
  // Less than what a commit would carry: the thread has done it.
  await expect.poll(() => statSync(path).size, { timeout: 5000 }).toBeGreaterThan(1024 * 1024)
  for (let round = 0; round < 200; round++) await write(round % 40)
  expect(statSync(`${path}-wal`).size).toBeLessThan(64 * 1024 * 1024)
  expect(db.verify().problems).toEqual([])
})
