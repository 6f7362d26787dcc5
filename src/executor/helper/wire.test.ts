import fc from 'fast-check'
import { expect, test } from 'vitest'
import { isSlipwayError } from '../../lib/errors.ts'
import { decodeFrames, encodeAcknowledgement, encodeData, encodeFrame, encodeRequest, type Frame } from './wire.ts'

async function* inPieces(bytes: Uint8Array, sizes: readonly number[]): AsyncGenerator<Uint8Array> {
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const size = sizes[i % sizes.length]!
    yield bytes.subarray(at, at + size)
    at += size
  }
}

async function decoded(stream: AsyncIterable<Uint8Array>): Promise<Frame[]> {
  const frames: Frame[] = []
  for await (const frame of decodeFrames(stream)) {
    const last = frames.at(-1)
    // Pieces of output are one stream: where they are cut does not matter.
    if (frame.type === 'O' && last?.type === 'O')
      frames[frames.length - 1] = { type: 'O', bytes: Buffer.concat([last.bytes, frame.bytes]) }
    else frames.push(frame.type === 'O' ? { type: 'O', bytes: Buffer.from(frame.bytes) } : frame)
  }
  return frames
}

test('frames are the same however the stream is cut', async () => {
  const frame = fc.oneof(
    fc.record({ type: fc.constant('O' as const), bytes: fc.uint8Array({ minLength: 1, maxLength: 300 }) }),
    fc.record({ type: fc.constantFrom('H', 'N', 'S', 'X'), text: fc.string({ unit: 'grapheme' }) }),
  )
  const sizes = fc.array(fc.integer({ min: 1, max: 50 }), { minLength: 1 })
  await fc.assert(
    fc.asyncProperty(fc.array(frame), sizes, async (sent, pieces) => {
      const bytes = Buffer.concat(
        sent.map((one) => encodeFrame(one.type, 'bytes' in one ? one.bytes : Buffer.from(one.text))),
      )
      const whole = await decoded(inPieces(bytes, [Math.max(1, bytes.length)]))
      expect(await decoded(inPieces(bytes, pieces))).toEqual(whole)
      expect(whole.filter(({ type }) => type !== 'O')).toEqual(sent.filter(({ type }) => type !== 'O'))
    }),
    { numRuns: 100 },
  )
})

test('a stream that ends within a frame gives the output so far and no last frame', async () => {
  const bytes = Buffer.concat([encodeFrame('O', Buffer.from('output')), encodeFrame('S', Buffer.from('{}'))])
  expect(await decoded(inPieces(bytes.subarray(0, 8), [100]))).toEqual([{ type: 'O', bytes: Buffer.from('out') }])
  expect(await decoded(inPieces(bytes.subarray(0, -1), [100]))).toEqual([{ type: 'O', bytes: Buffer.from('output') }])
})

test.each([
  ['text', Buffer.from('docker: no such container')],
  ['a frame that is too large', Buffer.from([0x4f, 0x7f, 0, 0, 0])],
])('%s instead of frames is an error of the protocol', async (_what, bytes) => {
  const error = await decoded(inPieces(bytes, [3])).catch((caught) => caught)
  expect(isSlipwayError(error, 'helper_protocol')).toBe(true)
})

test('data is cut into frames of at most 1 MiB', () => {
  const frames = [...encodeData(new Uint8Array(2_500_000))]
  expect(frames.map((frame) => frame.length - 5)).toEqual([1_048_576, 1_048_576, 402_848])
})

test('offsets beyond 32 bits are acknowledged exactly', () => {
  expect(Buffer.from(encodeAcknowledgement(2 ** 40 + 5)).toString('hex')).toBe('41000000080000010000000005')
})

test('a request that is larger than a frame names the limit', () => {
  const common = { v: 1, dir: '/d', user: '', inherit: false, environment: {}, workingDir: '' } as const
  const run = { verb: 'run', step: 's', argv: ['sh'], tty: false, createDirs: [], offset: 0, spoolBytesMax: 0 } as const
  expect(() => encodeRequest({ ...common, ...run, script: 'x'.repeat(1_048_577) })).toThrow('1 MiB')
})
