import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { RowHeights, RowLayout, rowPx, ScrollScale, scrolledPxMax } from './row-layout.ts'

test('folded lines have no row; their group has', () => {
  const layout = new RowLayout(10, [{ first: 2, last: 4 }])
  expect(layout.rowCount).toBe(7)
  expect([0, 1, 2, 3, 4, 5, 9].map((line) => layout.rowOf(line))).toEqual([0, 1, 1, 1, 1, 2, 6])
  expect([0, 1, 2, 6].map((row) => layout.lineOf(row))).toEqual([0, 1, 5, 9])
})

test('lines and rows find each other whatever is folded', () => {
  const ranges = fc.array(fc.tuple(fc.nat(60), fc.nat(10)), { maxLength: 6 })
  fc.assert(
    fc.property(ranges, (pairs) => {
      const hidden = pairs.map(([first, more]) => ({ first, last: first + more }))
      const layout = new RowLayout(50, hidden)
      const shown = Array.from({ length: 50 }, (_, line) => line).filter(
        (line) => !hidden.some(({ first, last }) => line >= first && line <= last),
      )
      expect(layout.rowCount).toBe(shown.length)
      for (const [row, line] of shown.entries()) {
        expect(layout.lineOf(row)).toBe(line)
        expect(layout.rowOf(line)).toBe(row)
      }
    }),
  )
})

test('higher rows move those below', () => {
  const heights = new RowHeights()
  expect(heights.set(2, 3 * rowPx)).toBe(2 * rowPx)
  expect(heights.set(2, 3 * rowPx)).toBe(0)
  heights.set(5, 2 * rowPx)
  expect([0, 2, 3, 5, 6].map((row) => heights.topOf(row) / rowPx)).toEqual([0, 2, 5, 7, 9])
  expect([0, 45, 60, 99, 100, 139].map((px) => heights.rowAt(px))).toEqual([0, 2, 2, 2, 3, 4])
  expect(heights.totalOf(10)).toBe(13 * rowPx)
  expect(heights.set(2, rowPx)).toBe(-2 * rowPx)
  expect(heights.topOf(3)).toBe(3 * rowPx)
})

test('a log that browsers can scroll is scrolled as it is', () => {
  const scale = new ScrollScale(10_000, 500)
  expect(scale.isScaled).toBe(false)
  expect(scale.topAfter({ from: 0, to: 7000, top: 0 })).toBe(7000)
  expect(scale.toScrolled(7000)).toBe(7000)
})

test('in a longer one the wheel moves by lines and the bar by parts of the log, and both ends are reached', () => {
  const scale = new ScrollScale(scrolledPxMax * 30, 600)
  const end = scale.scrolledPx - 600
  expect(scale.topAfter({ from: 1000, to: 1100, top: 50_000 })).toBe(50_100)
  expect(scale.topAfter({ from: 1000, to: end, top: 50_000 })).toBe(scale.maxTop)
  expect(scale.topAfter({ from: end, to: 0, top: scale.maxTop })).toBe(0)
  expect(scale.topAfter({ from: 0, to: end / 2, top: 0 })).toBeCloseTo(scale.maxTop / 2)
  expect(scale.toScrolled(scale.maxTop)).toBe(end)
})
