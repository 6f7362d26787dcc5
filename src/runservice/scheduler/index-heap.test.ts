import fc from 'fast-check'
import { expect, test } from 'vitest'
import { IndexHeap } from './index-heap.ts'

test('indexes come out lowest first, each once, also when some are added in between', () => {
  const input = fc.record({ first: fc.array(fc.nat(30)), later: fc.array(fc.array(fc.nat(30), { maxLength: 4 })) })
  fc.assert(
    fc.property(input, ({ first, later }) => {
      const heap = new IndexHeap(first)
      const waiting = new Set(first)
      const out: number[] = []
      for (let turn = 0; ; turn++) {
        const next = heap.next()
        expect(next).toBe(waiting.size === 0 ? undefined : Math.min(...waiting))
        if (next === undefined) break
        out.push(next)
        waiting.delete(next)
        for (const index of later[turn] ?? []) {
          heap.add(index)
          if (!out.includes(index)) waiting.add(index)
        }
      }
      expect(new Set(out).size).toBe(out.length)
    }),
  )
})
