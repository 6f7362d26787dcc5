// Lines of a log, and searching it: the same as if the whole log were one text, however it was cut into frames.

import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { ObjectStorage } from '../../objectstorage/object-storage.ts'
import { encodeFrame, indexFrame } from './frame.ts'
import { searchLines } from './log-lines.ts'
import { createLogStore, type LogStore } from './log-store.ts'
import { key, openThrowAwayStorage } from './logs-fixture.ts'

/** Pieces are frames, the n-th of which arrived at second n. */
async function withLog(pieces: readonly string[], act: (store: LogStore, ost: ObjectStorage) => Promise<void>) {
  await using ost = await openThrowAwayStorage()
  const store = createLogStore(ost)
  let firstByte = 0
  let firstLine = 0
  for (const [at, piece] of pieces.entries()) {
    const bytes = Buffer.from(piece)
    if (bytes.length === 0) continue
    const start = { firstByte, firstLine, rawBytes: firstByte + bytes.length }
    await store.storeFrame(
      key,
      await encodeFrame(indexFrame(start, bytes, [{ offset: 0, at: (at + 1) * 1000 }]), bytes),
    )
    firstByte += bytes.length
    firstLine += piece.split('\n').length - 1
  }
  await act(store, ost)
}

const linesOf = (text: string) => (text.endsWith('\n') ? text.slice(0, -1) : text).split('\n')
const timesOf = (times: readonly { lines: number; at: number }[]) =>
  times.flatMap(({ lines, at }) => Array.from({ length: lines }, () => at))

test('a range of lines, with where they begin and when', async () => {
  await withLog(['one\ntw', 'o\nthree\n', 'four\nunfin'], async (store) => {
    expect(await store.lines(key, { fromLine: 1, count: 2 })).toEqual({
      sizeBytes: 24,
      lineCount: 5,
      isComplete: false,
      fromLine: 1,
      fromByte: 4,
      endByte: 14,
      lines: ['two', 'three'],
      isLastUnfinished: false,
      times: [
        { lines: 1, at: 1000 },
        { lines: 1, at: 2000 },
      ],
      style: '',
      cutLines: [],
    })
    expect(await store.lines(key, { tailLines: 2 })).toMatchObject({
      fromLine: 3,
      fromByte: 14,
      endByte: 24,
      lines: ['four', 'unfin'],
      isLastUnfinished: true,
      times: [{ lines: 2, at: 3000 }],
    })
    expect(await store.lines(key, { fromLine: 5 })).toMatchObject({ lines: [], fromLine: 5, endByte: 24 })
    expect(await store.lines(key, { fromLine: 99 })).toMatchObject({ lines: [], fromLine: 5 })
  })
})

test('there is nothing of a log that is not there', async () => {
  await withLog([], async (store) => {
    expect(await store.extent(key)).toEqual({ sizeBytes: 0, lineCount: 0, isComplete: false })
    expect(await store.lines(key, { tailLines: 10 })).toMatchObject({ lines: [], fromLine: 0, endByte: 0 })
    expect(await store.search(key, { text: 'x' })).toEqual({ lines: [] })
  })
})

test('what was set before a range and not reset comes with it, so that it is drawn in its colour', async () => {
  await withLog(['\x1b[1mold\x1b[0m\n\x1b[31mred\n', 'still\x1b[4m\nlast\n'], async (store) => {
    expect((await store.lines(key, { fromLine: 1, count: 1 })).style).toBe('')
    expect((await store.lines(key, { fromLine: 3 })).style).toBe('\x1b[4m')
  })
  await withLog(['\x1b[1mold\x1b[0m\n\x1b[31mred\nstill\n'], async (store) => {
    expect((await store.lines(key, { fromLine: 2 })).style).toBe('\x1b[31m')
  })
})

test('a character that is not complete yet is left for what follows', async () => {
  await using ost = await openThrowAwayStorage()
  const store = createLogStore(ost)
  const bytes = Buffer.from('€€').subarray(0, 5)
  await store.storeFrame(
    key,
    await encodeFrame(indexFrame({ firstByte: 0, firstLine: 0, rawBytes: 5 }, bytes, [{ offset: 0, at: 1 }]), bytes),
  )
  expect(await store.lines(key, { fromLine: 0 })).toMatchObject({ lines: ['€'], endByte: 3 })
})

test('very long lines are cut, progress bars to their end', async () => {
  const bar = Array.from({ length: 20_000 }, (_, n) => `${n} of 20000\r`).join('')
  await withLog([`${'x'.repeat(100_000)}\n${bar}\nshort\n`], async (store) => {
    const { lines, cutLines } = await store.lines(key, { fromLine: 0 })
    expect(lines.map((line) => line.length)).toEqual([65_536, 65_536, 5])
    expect(lines[1]!.endsWith('19999 of 20000\r')).toBe(true)
    expect(cutLines).toEqual([0, 1])
  })
})

const piece = fc.string({ unit: fc.constantFrom('a', 'b', 'ab', '\n', '\r', 'é', '\x1b[31m', 'fail '), maxLength: 40 })

test('however a log is cut into frames, its lines and what is found are those of its text', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(piece, { maxLength: 6 }), fc.nat(30), fc.nat(10), async (pieces, from, count) => {
      const text = pieces.join('')
      const expected = text === '' ? [] : linesOf(text)
      const plain = expected.map((line) => line.replaceAll('\x1b[31m', ''))
      await withLog(pieces, async (store) => {
        const page = await store.lines(key, { fromLine: from, count: count + 1 })
        expect(page.lines).toEqual(expected.slice(from, from + count + 1))
        expect(page.lineCount).toBe(expected.length)
        expect(timesOf(page.times)).toHaveLength(page.lines.length)
        const before = expected
          .slice(0, page.fromLine)
          .map((line) => `${line}\n`)
          .join('')
        if (page.lines.length > 0) expect(page.fromByte).toBe(Buffer.byteLength(before))
        const found = plain.flatMap((line, number) => (number >= from && line.includes('ab') ? [number] : []))
        expect((await store.search(key, { text: 'AB', fromLine: from })).lines).toEqual(found)
        expect((await store.search(key, { text: 'AB', fromLine: from, isCaseSensitive: true })).lines).toEqual([])
      })
    }),
    { numRuns: 60 },
  )
})

test('a search that takes long answers what it has and where to go on', async () => {
  const frames = Array.from({ length: 8 }, (_, n) => `line ${n}\nneedle ${n}\n`)
  await withLog(frames, async (store) => {
    expect(await store.search(key, { text: 'needle', limit: 3 })).toEqual({ lines: [1, 3, 5], nextLine: 6 })
    expect(await store.search(key, { text: 'needle', fromLine: 6 })).toEqual({ lines: [7, 9, 11, 13, 15] })
    let now = 0
    const stored = {
      frames: [0, 1, 2].map((n) => n),
      isComplete: true,
      readIndex: async (frame: number) => indexOf(frame),
      readFrame: async (frame: number) => ({ index: indexOf(frame), bytes: Buffer.from('needle\n') }),
    }
    const indexOf = (frame: number) =>
      indexFrame({ firstByte: frame * 7, firstLine: frame, rawBytes: 0 }, Buffer.from('needle\n'), [
        { offset: 0, at: 1 },
      ])
    const slow = () => (now += 1000)
    expect(await searchLines(stored, { text: 'needle' }, slow)).toEqual({ lines: [0], nextLine: 1 })
    expect(await searchLines(stored, { text: 'needle', fromLine: 1 }, slow)).toEqual({ lines: [1], nextLine: 2 })
    expect(await searchLines(stored, { text: 'needle', fromLine: 2 }, slow)).toEqual({ lines: [2] })
  })
})

test('lines that look like errors are found, without reading what has none', async () => {
  await withLog(
    ['all well\n0 errors, 0 failed\n', 'compiled\n', 'src/a.ts: error TS2322: no\nTypeError: x\n'],
    async (store) => {
      expect(await store.search(key, {})).toEqual({ lines: [3, 4] })
      expect(await store.search(key, { fromLine: 4 })).toEqual({ lines: [4] })
    },
  )
})

test('groups that the output has, and the commands a shell tells, wherever frames end', async () => {
  const pieces = [
    '::group::In',
    'stall\n+ npm ci\nadded 3\n::endgroup',
    '::\n\x1b[1m##[group]Test\x1b[0m\n + no\n##[endgroup]\n+ end',
  ]
  await withLog(pieces, async (store) => {
    expect(await store.groups(key, 0)).toEqual({ begins: [0, 4], ends: [3, 6], commands: [1, 7] })
    expect(await store.groups(key, 4)).toEqual({ begins: [4], ends: [6], commands: [7] })
  })
})

test('a log is read right while its frames are merged', async () => {
  await withLog(['one\n', 'two\n', 'three\n'], async (store, ost) => {
    const other = createLogStore(ost)
    expect((await store.lines(key, { fromLine: 0 })).lines).toEqual(['one', 'two', 'three'])
    await other.finish(key)
    expect(await store.lines(key, { fromLine: 1 })).toMatchObject({ lines: ['two', 'three'], isComplete: true })
    expect(await store.search(key, { text: 'three' })).toEqual({ lines: [2] })
  })
})
