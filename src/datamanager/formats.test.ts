import { expect, test } from 'vitest'
import { AgreedFormats } from './formats.ts'

const hourMs = 60 * 60_000
const now = 10 * hourMs
const instance = (version: string, record: number, ageMs = 0) => ({
  instanceId: version,
  version,
  formats: { record },
  seenAt: now - ageMs,
})

test('records have the first format until everybody was heard who may read them', () => {
  const agreed = new AgreedFormats({ record: 2 })
  expect([agreed.of('record'), agreed.isComplete]).toEqual([1, false])
  agreed.hear([instance('1.0.0', 1, hourMs), instance('2.0.0', 2)], now)
  expect([agreed.of('record'), agreed.isComplete]).toEqual([1, false])
  agreed.hear([instance('1.0.0', 1, hourMs + 1), instance('2.0.0', 2)], now)
  expect([agreed.of('record'), agreed.isComplete]).toEqual([2, true])
})

test('what was agreed on is kept when one comes that does not read it', () => {
  const agreed = new AgreedFormats({ record: 2 })
  agreed.hear([instance('2.0.0', 2)], now)
  agreed.hear([instance('1.0.0', 1), instance('2.0.0', 2)], now)
  expect(agreed.of('record')).toBe(2)
})

test('a version that writes nothing newer than the first format has nobody to ask', () => {
  expect(new AgreedFormats({ record: 1, manifest: 2 }).isComplete).toBe(true)
})
