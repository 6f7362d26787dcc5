import fc from 'fast-check'
import { expect, test } from 'vitest'
import { decodeFrame, decodeFrameIndex, encodeFrame, indexFrame, joinIndexes, offsetOfLine } from './frame.ts'

const start = { firstByte: 0, firstLine: 0, rawBytes: 0 }

const logText = fc
  .array(fc.oneof(fc.constantFrom('\n', '\n\n', 'error\n', 'failed: x', '\r', 'ok '), fc.string({ maxLength: 5 })), {
    maxLength: 200,
  })
  .map((parts) => Buffer.from(parts.join('')))

test.each([
  ['nothing', '', { newlines: 0, endsLine: false }],
  ['one line', 'a\n', { newlines: 1, endsLine: true }],
  ['a line without end', 'a', { newlines: 0, endsLine: false }],
  ['empty lines', '\n\n\n', { newlines: 3, endsLine: true }],
  ['progress with carriage returns', '1%\r2%\r', { newlines: 0, endsLine: false }],
])('lines of %s are counted by their newlines', (_, text, expected) => {
  expect(indexFrame(start, Buffer.from(text), [{ offset: 0, at: 1 }])).toMatchObject(expected)
})

test.each([
  'error: no such file',
  'TypeError: x is not a function',
  'FATAL out of memory',
  '--- FAIL: TestX',
  'Traceback (most recent call last):',
  'build failed',
  "thread 'main' panicked at: panic",
])('the line "%s" looks like an error', (line) => {
  const index = indexFrame({ ...start, firstLine: 7 }, Buffer.from(`all well\n${line}\nfine\n`), [])
  expect(index.errorLines).toEqual([8])
})

test.each(['0 errors, 0 failures', 'mirrors are in sync', 'failover configured'])('the line "%s" does not', (line) => {
  expect(indexFrame(start, Buffer.from(line), []).errorLines).toEqual([])
})

test('at most 1,000 error lines are noted', () => {
  expect(indexFrame(start, Buffer.from('error\n'.repeat(3000)), []).errorLines).toHaveLength(1000)
})

test('each line has the time at which its first byte arrived', () => {
  const bytes = Buffer.from('a\nbb\ncc\ndd\nlast')
  const marks = [
    { offset: 0, at: 1000 },
    { offset: 3, at: 1005 }, // inside "bb": that line began before
    { offset: 8, at: 990 }, // a clock may be set back
  ]
  const index = indexFrame(start, bytes, marks)
  expect(index.firstAt).toBe(1000)
  expect(index.lineTimes).toEqual([
    { lines: 1, at: 1000 },
    { lines: 1, at: 1005 },
    { lines: 2, at: 990 },
  ])
})

test('any bytes with their index are read as they were written', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.oneof(logText, fc.uint8Array({ maxLength: 500 })),
      fc.nat(Number.MAX_SAFE_INTEGER),
      fc.nat(1e9),
      fc.boolean(),
      async (bytes, firstByte, firstLine, hasSha) => {
        const begin = { firstByte, firstLine, rawBytes: firstByte, ...(hasSha ? { sha256: 'ab'.repeat(32) } : {}) }
        const marks = [
          { offset: 0, at: 1_760_000_000_000 },
          { offset: bytes.length >> 1, at: 1_760_000_000_017 },
        ]
        const index = indexFrame(begin, bytes, marks)
        const object = await encodeFrame(index, bytes)
        expect(decodeFrameIndex(object)).toEqual(index)
        const decoded = await decodeFrame(object)
        expect(decoded.index).toEqual(index)
        expect(Buffer.compare(decoded.bytes, bytes)).toBe(0)
      },
    ),
    { numRuns: 100 },
  )
})

test('the index alone is read from the beginning of a frame, which says how much it needs', async () => {
  const bytes = Buffer.from('line\n'.repeat(10_000))
  const object = await encodeFrame(indexFrame(start, bytes, [{ offset: 0, at: 5 }]), bytes)
  const answer = decodeFrameIndex(object.subarray(0, 40))
  if (!('neededBytes' in answer)) throw new Error('40 bytes cannot hold that index')
  expect(decodeFrameIndex(object.subarray(0, answer.neededBytes))).toMatchObject({ newlines: 10_000 })
})

test('a changed or missing byte anywhere in a frame is noticed', async () => {
  const bytes = Buffer.from('some lines\nof a log\n'.repeat(20))
  const object = await encodeFrame(indexFrame(start, bytes, [{ offset: 0, at: 5 }]), bytes)
  for (let at = 0; at < object.length; at++) {
    const damaged = Uint8Array.from(object)
    damaged[at]! ^= 0x10
    await expect(decodeFrame(damaged)).rejects.toMatchObject({ code: 'log_corrupt' })
    await expect(decodeFrame(object.subarray(0, at))).rejects.toMatchObject({ code: 'log_corrupt' })
  }
})

test('a frame costs little more than its compressed bytes', async () => {
  const bytes = Buffer.from(Array.from({ length: 8000 }, (_, n) => `line ${n} of a build, as they come\n`).join(''))
  const index = indexFrame(start, bytes, [{ offset: 0, at: 5 }])
  const empty = { ...index, lineTimes: [], lineOffsets: [], errorLines: [] }
  const cost = (await encodeFrame(index, bytes)).length - (await encodeFrame(empty, bytes)).length
  expect(cost).toBeLessThan(400)
})

test('the beginning of any line is found', () => {
  fc.assert(
    fc.property(logText, fc.nat(1000), (bytes, firstLine) => {
      const index = indexFrame({ ...start, firstLine }, bytes, [{ offset: 0, at: 1 }])
      let offset = 0
      for (let line = firstLine; line <= firstLine + index.newlines; line++) {
        expect(offsetOfLine(index, bytes, line)).toBe(offset)
        offset = bytes.indexOf(10, offset) + 1
      }
    }),
  )
})

test('joined frames have the index of one frame with all the bytes', () => {
  fc.assert(
    fc.property(logText, fc.array(fc.nat(300), { maxLength: 4 }), fc.nat(200), (bytes, cuts, firstLine) => {
      const bounds = [0, ...cuts.map((cut) => Math.min(cut, bytes.length)).sort((a, b) => a - b), bytes.length]
      let line = firstLine
      const indexes = bounds.slice(1).map((end, part) => {
        const first = bounds[part]!
        const begin = { firstByte: first, firstLine: line, rawBytes: end }
        const index = indexFrame(begin, bytes.subarray(first, end), [{ offset: 0, at: part * 10 }])
        line += index.newlines
        return index
      })
      const marks = bounds.slice(0, -1).map((offset, part) => ({ offset, at: part * 10 }))
      const filled = indexes.filter((index) => index.sizeBytes > 0)
      if (filled.length === 0) return
      const expected = indexFrame({ firstByte: 0, firstLine, rawBytes: bytes.length }, bytes, marks)
      // An error word cut in two is not noticed; times of empty parts belong to no byte.
      const { errorLines: _, firstAt: __, ...rest } = joinIndexes(filled)
      const { errorLines: ___, firstAt: ____, ...expectedRest } = expected
      expect(rest).toEqual(expectedRest)
    }),
  )
})
