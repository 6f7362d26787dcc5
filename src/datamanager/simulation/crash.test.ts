// Crashes of real processes and real files.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  closeSync,
  copyFileSync,
  existsSync,
  mkdtempSync,
  openSync,
  readSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { expect, test } from 'vitest'
import { systemClock } from '../../lib/clock.ts'
import { openDatabase } from '../open-database.ts'
import { type Lines, linesTypes } from './lines.ts'
import { prng } from './prng.ts'

const open = (path: string) => openDatabase<Lines>({ path, types: linesTypes, clock: systemClock })

function temporaryFolder(): { readonly path: string } & Disposable {
  const path = mkdtempSync(join(tmpdir(), 'slipway-crash-'))
  return { path, [Symbol.dispose]: () => rmSync(path, { recursive: true }) }
}

test('after kill -9 every acknowledged row is there, and of the others all or nothing', async () => {
  using folder = temporaryFolder()
  const path = join(folder.path, 'main.db')
  const random = prng(7)
  let first = 0
  for (let round = 0; round < 3; round++) {
    const acknowledged = new Map<number, number>()
    const child = spawn(process.execPath, [join(import.meta.dirname, 'committing-process.ts'), path, String(first)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const exited = once(child, 'exit')
    const killAfter = 50 + random.below(800)
    let lines = 0
    for await (const line of createInterface({ input: child.stdout })) {
      if (line === 'open') {
        await expect(open(path)).rejects.toMatchObject({
          code: 'database_locked',
          message: expect.stringContaining(`process ${child.pid} `),
        })
        continue
      }
      const [caller, number] = line.split(' ').map(Number)
      acknowledged.set(caller!, number!)
      if (++lines === killAfter) child.kill('SIGKILL')
    }
    await exited
    expect(lines).toBeGreaterThanOrEqual(killAfter)
    await using db = await open(path)
    expect(db.verify().problems).toEqual([])
    for (const [caller, number] of acknowledged) {
      const stored = db.view((tx) => tx.list('line', { index: 'byCaller', prefix: [caller] }))
      const ofRound = stored.map(({ body }) => body.number).filter((found) => found >= first)
      // Each caller has one row under way, which may be there without having been acknowledged.
      expect([number + 1, number + 2]).toContain(first + ofRound.length)
      expect(ofRound).toEqual(ofRound.map((_, index) => first + index))
    }
    first += 1_000_000
  }
})

test('the files as they are after a commit, checkpoints included, open as exactly that state', async () => {
  using folder = temporaryFolder()
  const path = join(folder.path, 'main.db')
  const images: { readonly path: string; readonly position: number; readonly contentHash: string }[] = []
  let walShrank = false
  {
    await using db = await open(path)
    let walBytes = 0
    for (let number = 0; number < 42; number++) {
      await db.do((tx) => {
        for (let row = 0; row < 30; row++)
          tx.put('line', `${row}-${number % 7}`, { caller: row, number, text: String(number).repeat(25_000) })
      })
      if (number % 6 === 0 || number > 38) {
        const image = join(folder.path, `image-${number}.db`)
        copyFileSync(path, image)
        copyFileSync(`${path}-wal`, `${image}-wal`)
        images.push({ path: image, position: db.position, contentHash: db.contentHash })
      }
      walShrank ||= statSync(`${path}-wal`).size === walBytes
      walBytes = statSync(`${path}-wal`).size
    }
  }
  expect(walShrank, 'a checkpoint made SQLite write its WAL from the start again').toBe(true)
  for (const image of images) {
    await using db = await open(image.path)
    expect({ position: db.position, contentHash: db.contentHash }).toEqual({
      position: image.position,
      contentHash: image.contentHash,
    })
    expect(db.verify().problems).toEqual([])
  }
})

test('a commit of which a byte did not reach the disk is absent, and nothing before it is', async () => {
  using folder = temporaryFolder()
  const path = join(folder.path, 'main.db')
  const random = prng(3)
  const states: string[] = []
  const images: string[] = []
  {
    await using db = await open(path)
    for (let number = 0; number < 12; number++) {
      const before = existsSync(`${path}-wal`) ? statSync(`${path}-wal`).size : 0
      states.push(db.contentHash)
      await db.do((tx) => tx.put('line', `0-${number}`, { caller: 0, number, text: 'x'.repeat(number * 500) }))
      const image = join(folder.path, `image-${number}.db`)
      copyFileSync(path, image)
      copyFileSync(`${path}-wal`, `${image}-wal`)
      const after = statSync(`${path}-wal`).size
      flipByte(`${image}-wal`, before + random.below(after - before))
      images.push(image)
    }
  }
  for (const [number, image] of images.entries()) {
    await using db = await open(image)
    expect({ position: db.position, contentHash: db.contentHash }).toEqual({
      position: number,
      contentHash: states[number],
    })
    expect(db.verify().problems).toEqual([])
  }
})

function flipByte(path: string, offset: number): void {
  const file = openSync(path, 'r+')
  const byte = Buffer.alloc(1)
  readSync(file, byte, 0, 1, offset)
  byte[0]! ^= 0x10
  writeSync(file, byte, 0, 1, offset)
  closeSync(file)
}
