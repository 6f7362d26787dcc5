import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type LogText, logTexts } from './log-text.ts'

async function* inParts(bytes: Uint8Array, from: number, lengths: readonly number[]) {
  for (let at = from, n = 0; at < bytes.length; n++) {
    const length = lengths[n % lengths.length]!
    yield { firstByte: at, bytes: bytes.subarray(at, at + length) }
    at += length
  }
}

const texts = async (bytes: Uint8Array, from: number, lengths: readonly number[]): Promise<LogText[]> =>
  await Array.fromAsync(logTexts(inParts(bytes, from, lengths)))

const lengths = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 4 })

test('characters stay whole, however the bytes are cut, and going on after any event gives the rest', async () => {
  await fc.assert(
    fc.asyncProperty(fc.string({ unit: 'binary', maxLength: 40 }), lengths, fc.nat(), async (text, cuts, which) => {
      const whole = text.toWellFormed()
      const bytes = Buffer.from(whole)
      const events = await texts(bytes, 0, cuts)
      expect(events.map((event) => event.text).join('')).toBe(whole.replaceAll('\uFEFF', '\uFEFF'))
      if (events.length === 0) return
      const at = which % events.length
      const rest = await texts(bytes, events[at]!.endByte, cuts)
      const before = events.slice(0, at + 1)
      expect([...before, ...rest].map((event) => event.text).join('')).toBe(whole)
    }),
    { numRuns: 100 },
  )
})

test('bytes that are no text are shown as such, none is kept back for ever, none is lost', async () => {
  await fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 30 }), lengths, async (bytes, cuts) => {
      const events = await texts(bytes, 0, cuts)
      expect(events.at(-1)?.endByte ?? 0).toBe(bytes.length)
      const ends = events.map(({ endByte }) => endByte)
      expect(ends).toEqual(ends.toSorted((a, b) => a - b))
    }),
    { numRuns: 100 },
  )
})

test('a long part is several events', async () => {
  const bytes = Buffer.from('ä'.repeat(100_000))
  const events = await texts(bytes, 0, [bytes.length])
  expect(events.length).toBeGreaterThan(3)
  expect(events.map(({ text }) => text).join('')).toBe(bytes.toString())
})
