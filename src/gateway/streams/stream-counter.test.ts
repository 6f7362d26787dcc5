import { expect, test } from 'vitest'
import { limits } from '../../lib/limits.ts'
import { StreamCounter } from './stream-counter.ts'

test('a caller has so many streams open, not one more; one that ends makes room, once', () => {
  const counter = new StreamCounter()
  const streams = Array.from({ length: limits.streamsPerCaller.value }, () => counter.enter('ann'))
  expect(() => counter.enter('ann')).toThrow(expect.objectContaining({ code: 'rate_limited' }))
  counter.enter('bob').leave()
  streams[0]!.leave()
  streams[0]!.leave()
  counter.enter('ann')
  expect(() => counter.enter('ann')).toThrow(expect.objectContaining({ code: 'rate_limited' }))
})

test('callers without streams are forgotten', () => {
  const counter = new StreamCounter()
  for (let n = 0; n < 100; n++) counter.enter(`caller ${n}`).leave()
  expect(counter.size).toBe(0)
})
